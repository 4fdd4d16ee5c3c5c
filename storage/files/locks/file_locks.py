"""Locks on files, against other threads and processes: on all of one, not waited for, and on a
byte of one, waited for with a bound.

Of an open file description: gone with the descriptor, and so with a process that is killed.
"""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Between two looks whether it is free: at first, and at most, in seconds.
_PAUSES = (0.0001, 0.005)


def claim(descriptor: int) -> bool:
    """Lock a whole file or folder, until it is closed here and in each process forked since.

    False where another has it. Raises OSError.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(descriptor: int, byte: int, deadline: float, count: int = 1) -> None:
    """Lock `count` bytes, at the latest when `time.monotonic()` is at `deadline`. Raises OSError.

    The kernel's own wait has no end where who holds it was stopped.
    """
    if _locks(descriptor, byte, count):
        return
    pauses = _growing()
    while time.monotonic() < deadline:
        time.sleep(next(pauses))
        if _locks(descriptor, byte, count):
            return
    raise held_for_too_long()


@contextmanager
def turn(path: Path, count: int, wait: Callable[[], object]) -> Iterator[None]:
    """Hold one of `count` turns, bytes of a file, once one is free; `wait` is called until then.

    What it raises ends the wait. It is a courtesy to others: where there can be no such file,
    there is none.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        pauses = _growing()
        while not any(_locks(descriptor, byte) for byte in range(count)):
            wait()
            time.sleep(next(pauses))
        yield
    finally:
        os.close(descriptor)


def _growing() -> Iterator[float]:
    """How long to wait between two looks, in seconds."""
    pause, most = _PAUSES
    while True:
        yield pause
        pause = min(pause * 1.5, most)


def _locks(descriptor: int, byte: int, count: int = 1) -> bool:
    """Whether `count` bytes are locked now. Raises OSError."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK, byte, count))
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        return False
    return True


def unlock(descriptor: int, byte: int, count: int = 1) -> None:
    """Give `count` bytes back. Raises OSError."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK, byte, count))


def held_for_too_long() -> TimeoutError:
    """What tells that the bound has passed."""
    return TimeoutError(errno.ETIMEDOUT, "another holds it for too long")


_FLOCK = struct.Struct("hhqqi4x")


def _request(kind: int, byte: int, count: int = 1) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, byte, count, 0)
