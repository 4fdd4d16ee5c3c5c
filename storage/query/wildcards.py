"""Wildcards of keys, `*` and `?` (PS3.4 C.2.2.2.4), in plain Python."""

import re
from dataclasses import dataclass

from storage.dicom.values import kept


def fits(key: str, value: str) -> bool:
    """Whether `value` is what `key` stands for; each stretch between two `*` is taken where it
    comes first.

    Unlike a regular expression this takes time by length times length at most.
    """
    first, *rest = _stretches(key)
    if not rest:
        return len(value) == first.length and first.fits(value, 0)
    end = len(value) - rest[-1].length
    position = first.length
    if position > end or not first.fits(value, 0) or not rest[-1].fits(value, end):
        return False
    for stretch in rest[:-1]:
        found = stretch.pattern.search(value, position, end)
        if not found:
            return False
        position = found.end()
    return True


@dataclass(frozen=True)
class _Stretch:
    """What stands between two `*` of a key, `?` standing for any character."""

    pattern: re.Pattern[str]
    length: int

    def fits(self, value: str, position: int) -> bool:
        return bool(self.pattern.match(value, position))


@kept(1024, most_long=2)
def _stretches(key: str) -> tuple[_Stretch, ...]:
    return tuple(
        _Stretch(
            re.compile("".join("." if c == "?" else re.escape(c) for c in part), re.DOTALL),
            len(part),
        )
        for part in key.split("*")
    )
