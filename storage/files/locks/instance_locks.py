"""Instances' places in the tree, held against other threads and processes."""

import os
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids
from storage.files.disk import refusal
from storage.files.locks.file_locks import lock, unlock

# How long a store waits for another of the same instance before it gives up with A700.
LOCK_SECONDS = 30.0
# A place is a byte of the lock file; some share one.
_STRIPES = 1 << 20


# Descriptors that are kept, for who stores next: none is of two locks at a time.
_MOST_IDLE = 8


class _Idle(NamedTuple):
    """An open lock file that nothing is locked by."""

    path: str
    device: int
    inode: int
    descriptor: int

    @property
    def is_there(self) -> bool:
        """Whether it is the one that is found at its path."""
        with suppress(OSError):
            found = os.stat(self.path)
            return (found.st_dev, found.st_ino) == (self.device, self.inode)
        return False


_idle: list[_Idle] = []


def _forget() -> None:
    """In a forked process: what is locked by them is locked by who has them, too."""
    while _idle:
        os.close(_idle.pop().descriptor)


os.register_at_fork(after_in_child=_forget)


class hold:
    """Hold the places of these instances of a data folder; None: all. Raises ResourceError."""

    def __init__(self, data: Path, places: Iterable[Uids] | None) -> None:
        self._path, self._places = f"{data}/lock", places

    def __enter__(self) -> None:
        path = self._path
        try:
            mine = self._mine = _opened(path)
        except OSError as error:
            raise ResourceError(f"Cannot lock: {refusal(error, Path(path))}") from error
        deadline = time.monotonic() + LOCK_SECONDS
        try:
            if self._places is None:
                lock(mine.descriptor, 0, deadline, _STRIPES)
            else:
                for stripe in sorted({_stripe(uids) for uids in self._places}):
                    lock(mine.descriptor, stripe, deadline)
        except BaseException as error:
            _give_back(mine)
            if isinstance(error, OSError):
                raise ResourceError(f"Cannot lock: {error.strerror}") from error
            raise

    def __exit__(self, *_: object) -> None:
        _give_back(self._mine)


def _opened(path: str) -> _Idle:
    """The lock file that is there now, open for one lock. Raises OSError."""
    with suppress(IndexError):  # there is none left
        while True:
            mine = _idle.pop()
            if mine.path == path and mine.is_there:
                return mine
            os.close(mine.descriptor)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    made = os.fstat(descriptor)
    return _Idle(path, made.st_dev, made.st_ino, descriptor)


def _give_back(mine: _Idle) -> None:
    try:
        unlock(mine.descriptor, 0, _STRIPES)
    except OSError:
        os.close(mine.descriptor)
        return
    _idle.append(mine)
    if len(_idle) > _MOST_IDLE:
        with suppress(IndexError):  # another has just taken it
            os.close(_idle.pop(0).descriptor)


def _stripe(uids: Uids) -> int:
    return zlib.crc32("/".join(uids).encode()) % _STRIPES
