"""What the C library keeps of freed memory, bounded: associations come and go by the thousand."""

import ctypes
import time

_M_ARENA_MAX = -8  # <malloc.h>
# Each thread would else get its own, up to eight for a core, and none is ever given back.
_ARENAS = 2
_TRIM_SECONDS = 60.0

_C = ctypes.CDLL(None)


def bound() -> None:
    """Have few arenas; to be called before there are threads."""
    if hasattr(_C, "mallopt"):  # of glibc
        _C.mallopt(_M_ARENA_MAX, _ARENAS)


class Trimmer:
    """Gives back what is free, now and then: called as often as may be."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TRIM_SECONDS

    def __call__(self) -> None:
        """Do it where the last time is a while ago."""
        now = time.monotonic()
        if now >= self._next and hasattr(_C, "malloc_trim"):
            self._next = now + _TRIM_SECONDS
            _C.malloc_trim(0)
