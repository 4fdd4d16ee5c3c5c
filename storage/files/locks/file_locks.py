"""Locks on files, against other threads and processes: on all of one, not waited for, and on a
byte of one, waited for with a bound.

Of an open file description: gone with the descriptor, and so with a process that is killed.
"""

import errno
import fcntl
import os
import struct
import time

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
    pause, most = _PAUSES
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK, byte, count))
            return
        except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
            if time.monotonic() >= deadline:
                raise held_for_too_long() from None
        time.sleep(pause)
        pause = min(pause * 1.5, most)


def unlock(descriptor: int, byte: int) -> None:
    """Give a byte back. Raises OSError."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK, byte))


def held_for_too_long() -> TimeoutError:
    """What tells that the bound has passed."""
    return TimeoutError(errno.ETIMEDOUT, "another holds it for too long")


def _request(kind: int, byte: int, count: int = 1) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, count, 0)
