"""A lock of the threads of a process and of the processes forked from it."""

import os
import threading
import time
from typing import Self
from weakref import WeakSet

from storage.files import lock, unlock


class SharedLock:
    """Made before the processes are forked; free again when who holds it is killed."""

    def __init__(self, name: str, seconds: float) -> None:
        """`name` is for who looks at open files; it is waited for `seconds` at most."""
        self._seconds = seconds
        # In memory, and empty: a process whose files may not grow has it all the same.
        self._file = os.memfd_create(f"minipacs-{name}")
        self._open()
        _made.add(self)

    def held(self) -> Self:
        """Hold off the other threads and processes. Raises OSError where one has it too long."""
        return self

    def __enter__(self) -> None:
        self._of_threads.acquire()
        try:
            lock(self._descriptor, 0, time.monotonic() + self._seconds)
        except BaseException:
            self._of_threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            unlock(self._descriptor, 0)
        finally:
            self._of_threads.release()

    def _open(self) -> None:
        # Opened anew: a lock is of an open file, which a fork would share.
        self._descriptor = os.open(f"/proc/self/fd/{self._file}", os.O_RDWR | os.O_CLOEXEC)
        self._of_threads = threading.Lock()

    def _open_in_child(self) -> None:
        # What the parent holds would stay locked for as long as a child has it open.
        os.close(self._descriptor)
        self._open()


_made: WeakSet[SharedLock] = WeakSet()


def _open_all_in_child() -> None:
    for made in _made:
        made._open_in_child()


os.register_at_fork(after_in_child=_open_all_in_child)
