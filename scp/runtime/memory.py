"""What is kept of freed memory, bounded: associations come and go by the thousand."""

import ctypes
import gc
import time

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # <malloc.h>
# Each thread would else get its own, up to eight for a core, and none is ever given back.
_ARENAS = 2
# glibc lets both grow with the largest that was ever freed, to 64 and 32 MiB: from then on the end
# of a second arena, which `malloc_trim` leaves out, stays with the process.
_FREE_AT_THE_END_BYTES = 8 << 20
_ON_THE_HEAP_BYTES = 4 << 20
_TRIM_SECONDS = 60.0

_C = ctypes.CDLL(None)


def bound() -> None:
    """Have few arenas; to be called before there are threads."""
    if hasattr(_C, "mallopt"):  # of glibc
        _C.mallopt(_M_ARENA_MAX, _ARENAS)
        _C.mallopt(_M_TRIM_THRESHOLD, _FREE_AT_THE_END_BYTES)
        _C.mallopt(_M_MMAP_THRESHOLD, _ON_THE_HEAP_BYTES)


def begin() -> None:
    """Take what is there for what stays: to look for circles that nobody holds is cheap then."""
    gc.collect()
    gc.freeze()


class Trimmer:
    """Gives back what is free, now and then: called as often as may be.

    An association that has ended is part of circles. In a node at rest Python would not look for
    them: it does so when enough has been made anew.
    """

    def __init__(self) -> None:
        self._next = time.monotonic() + _TRIM_SECONDS

    def __call__(self) -> None:
        """Do it where the last time is a while ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _TRIM_SECONDS
        gc.collect()
        if hasattr(_C, "malloc_trim"):
            _C.malloc_trim(0)
