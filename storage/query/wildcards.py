"""Wildcards of keys, `*` and `?` (PS3.4 C.2.2.2.4), in plain Python and in SQL."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from peewee import fn

from storage.dicom.values import kept
from storage.query.dialect import LAST_CHARACTER, ByDialect, begins, like
from storage.query.folding import fold_key

# SQLite's GLOB tries every way to spread characters over wildcards: more go to Python.
_MAX_GLOB_STARS, _MAX_GLOB_LENGTH = 2, 1000


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


def fits_sql(vr: str, column: Any, key: str) -> Any:
    """The SQL condition for the same, on a column of folded values.

    GLOB knows DICOM's wildcards and one more, `[`; the bounds let an index serve a prefix.
    PostgreSQL's LIKE goes on from where it is with each star, and so takes any number of them.
    """
    pattern = fold_key(vr, key)
    if pattern.count("*") > _MAX_GLOB_STARS or len(pattern) > _MAX_GLOB_LENGTH:
        glob = fn.dicom_wildcard(pattern, column)
    else:
        glob = column % pattern.replace("[", "[[]")
    prefix = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if not prefix:
        return ByDialect(glob, lambda: like(column, pattern))
    return ByDialect(
        (column >= prefix) & (column < prefix + LAST_CHARACTER) & glob,
        lambda: begins(column, prefix) & like(column, pattern),
    )


def fits_letters(key: str, letters: Iterable[tuple[str, ...]]) -> bool:
    """Whether `key` stands for the letters, each in any of its forms; `?` for one of any of them.

    A bit of a number each is whether what is before that character of the key was found.
    """
    pattern = _pattern(key)
    reached = pattern.behind_stars(1)
    for forms in letters:
        found = 0
        for form in forms:
            through = reached
            for character in form:
                through = pattern.step(through, character)
            found |= through
        reached = found
        if not reached:
            return False
    return bool(reached >> pattern.length)


@dataclass(frozen=True)
class _Pattern:
    """The characters of a key as bits: where each one is, and the wildcards."""

    places: dict[str, int]
    questions: int
    stars: int
    length: int

    def step(self, reached: int, character: str) -> int:
        """What is reached behind `character`."""
        taken = reached & (self.places.get(character, 0) | self.questions)
        return self.behind_stars(taken << 1 | reached & self.stars)

    def behind_stars(self, reached: int) -> int:
        """A star stands for nothing, too."""
        return reached | (reached & self.stars) << 1


@kept(1024, most_long=2)
def _pattern(key: str) -> _Pattern:
    key = re.sub(r"\*+", "*", key)
    places: dict[str, int] = {}
    for at, character in enumerate(key):
        places[character] = places.get(character, 0) | 1 << at
    stars, questions = places.pop("*", 0), places.pop("?", 0)
    return _Pattern(places, questions, stars, len(key))


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
