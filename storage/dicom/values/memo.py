"""Results kept for the next time, though not those of long texts: peers choose the texts."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# No value of a key or of a column that comes again and again is longer (PS3.5 6.2).
LONG_CHARACTERS = 1024
# Longer than any key that is looked for (storage/query/identifier.py).
_MOST_CHARACTERS = 16 * 1024


def kept(most: int, most_long: int = 0) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """An `lru_cache` of `most` results, but those of long texts; of these `most_long`.

    A cache that kept all long ones would hold as much memory as peers care to send; a few are for
    a query that asks with every row.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        cached = lru_cache(maxsize=most)(function)
        cached_long = lru_cache(maxsize=most_long)(function)

        @wraps(function)
        def call(*given: P.args, **named: P.kwargs) -> T:
            for text in given:
                if isinstance(text, str) and len(text) > LONG_CHARACTERS:
                    is_kept = len(text) <= _MOST_CHARACTERS
                    return (cached_long if is_kept else function)(*given, **named)  # type: ignore[arg-type]
            return cached(*given, **named)  # type: ignore[arg-type]

        return call

    return decorate
