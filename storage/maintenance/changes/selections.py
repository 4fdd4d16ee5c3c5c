"""What a person names, or describes, of what is held."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from storage.archive import Archive, Asked, PackedLocations, Selected
from storage.dicom.values import UNIQUE, Level
from storage.index import Location, search

_MOST_NAMED = 10
_KEY_BYTES = 16  # of an instance: by which one is known again that is named twice


@dataclass(frozen=True)
class Selection:
    """A patient by its ID, or a study, series or instance by its UID."""

    level: Level
    uid: str

    def __str__(self) -> str:
        name = "instance" if self.level is Level.IMAGE else self.level.name.lower()
        return f"{name} {self.uid}"


@dataclass(frozen=True)
class AnyUid:
    """A study, series or instance by its UID: which of them is for the archive to tell."""

    uid: str

    def __str__(self) -> str:
        return self.uid


@dataclass(frozen=True)
class Matching:
    """The instances that match conditions, pairs of a keyword and a value; `words` are these."""

    asked: Asked = field(compare=False)
    words: str
    conditions: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Everything:
    """All that is held."""

    def __str__(self) -> str:
        return "all that is held"


Named = Selection | AnyUid | Matching | Everything


def selected(archive: Archive, named: Named, charset: str = "") -> Sequence[Location]:
    """The instances of a selection that are held; `charset` is for text that names none.

    Raises ResourceError, and UnreadableError where it cannot be told which match.
    """
    archive.require_whole()
    index = archive.index
    with index.engine.reading():
        if isinstance(named, Selection):
            return Selected(index, search.having(index, named.level, named.uid))
        if isinstance(named, Everything):
            return Selected(index, [])
        if isinstance(named, AnyUid):
            levels = (Level.STUDY, Level.SERIES, Level.IMAGE)
            found = (Selected(index, search.having(index, level, named.uid)) for level in levels)
            return next(filter(None, found), [])
        return PackedLocations(_matching(archive, named.asked, charset))


def all_held(
    archive: Archive, named: Sequence[Named], charset: str
) -> tuple[Sequence[Location], list[Named]]:
    """The instances of all that is named, each once, and what of it is not held.

    Raises ResourceError, and UnreadableError where it cannot be told what is meant.
    """
    if len(named) == 1:
        found = selected(archive, named[0], charset)
        return found, [] if found else list(named)
    absent: list[Named] = []

    def each_once() -> Iterator[Location]:
        seen: set[bytes] = set()
        for one in named:
            found = selected(archive, one, charset)
            if not found:
                absent.append(one)
            for location in found:
                key = blake2b("\0".join(location.uids).encode(), digest_size=_KEY_BYTES).digest()
                if key not in seen:
                    seen.add(key)
                    yield location

    return PackedLocations(each_once()), absent


def in_words(named: Sequence[Named]) -> str:
    """All that is named, the first of many."""
    more = len(named) - _MOST_NAMED
    texts = [str(one) for one in named[:_MOST_NAMED]]
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _matching(archive: Archive, asked_for: Asked, charset: str) -> Iterator[Location]:
    keywords = [UNIQUE[level].keyword for level in list(Level)[1:]]
    for entity in archive.entities(asked_for, charset):
        uids = tuple(entity.uids[keyword] for keyword in keywords)
        found = search.by_uid(archive.index, Level.IMAGE, uids[-1])
        yield from (one for one in found if one.uids == uids)


def at_level(locations: Iterable[Location], level: Level) -> list[Selection]:
    """The studies, series or instances that instances are of, each once."""
    return list(dict.fromkeys(Selection(level, one.uids[level - 1]) for one in locations))
