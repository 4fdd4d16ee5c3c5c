"""UIDs and identities that contradict each other: kept as they came, findable from each side, and
reported.

One study under two patients, one series UID in two studies, one SOP Instance UID in two places,
one UID at two levels (against PS3.3 A.1.2 and PS3.5 9.1).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from peewee import SQL, fn

from storage.dicom.values import Level, Uids
from storage.index import IDENTITY, Index

# Also the names of the tables.
_NAMES = {Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}
_ARTICLES = {Level.SERIES: "a series", Level.IMAGE: "an instance"}
_BELOW_PATIENT = tuple(_NAMES)


def about(index: Index, uids: Uids) -> list[str]:
    """What is odd about an instance that was just entered: sentences for the log."""
    return told_of(uids, index.engine.execute(*asked_about(uids)))


def asked_about(uids: Uids) -> tuple[str, list[str]]:
    """The statement, and its values, by whose rows `told_of` knows."""
    return _ABOUT, [uid for uid in uids for _ in _NAMES]


def told_of(uids: Uids, rows: Iterable[Sequence[int]]) -> list[str]:
    """What rows say of an instance: sentences."""
    uid_of = dict(zip(_NAMES, uids, strict=True))
    found = []
    for level, other in ((Level(row[0]), Level(row[1])) for row in rows):
        uid = uid_of[level]
        same = level is other
        found.append(_repeated(level, uid) if same else _at_two_levels(level, other, uid))
    return list(dict.fromkeys(found))


def _select_about(level: Level, other: Level) -> str:
    (column,) = IDENTITY[other]
    allowed = 1 if level is other else 0
    return (
        f"SELECT {int(level)}, {int(other)} WHERE (SELECT COUNT(*) FROM "
        f"(SELECT 1 FROM {_NAMES[other]} WHERE {column} = ? LIMIT 2) AS two) > {allowed}"
    )


# One statement, since it is asked with every store.
_ABOUT = " UNION ALL ".join(_select_about(level, other) for level in _NAMES for other in _NAMES)


def everywhere(index: Index) -> Iterator[tuple[str, str]]:
    """The same over the whole index: the UID, and the sentence."""
    for level in _BELOW_PATIENT:
        uid = _uid(index, level)
        count = fn.COUNT(uid)
        repeated = index[level].select(uid, count).group_by(uid).having(count > 1)
        for value, times in repeated.tuples().iterator():
            yield value, f"{_repeated(level, value)}: {times}"
    for level in _BELOW_PATIENT:
        for other in _BELOW_PATIENT[level:]:
            uid = _uid(index, level)
            # Looked up one by one: a list of all would be made in memory.
            same = index[other].select(SQL("1")).where(_uid(index, other) == uid)
            shared = index[level].select(uid).where(fn.EXISTS(same)).distinct()
            for (value,) in shared.tuples().iterator():
                yield value, _at_two_levels(level, other, value)


def _uid(index: Index, level: Level) -> Any:
    (name,) = IDENTITY[level]
    return getattr(index[level], name)


def _repeated(level: Level, uid: str) -> str:
    above = {
        Level.STUDY: "belongs to more than one patient",
        Level.SERIES: "belongs to more than one study",
        Level.IMAGE: "lies in more than one series or study",
    }
    return f"{_NAMES[level]} {uid} {above[level]}"


def _at_two_levels(level: Level, other: Level, uid: str) -> str:
    higher, lower = sorted((level, other))
    return f"UID {uid} is used for a {_NAMES[higher]} and for {_ARTICLES[lower]}"
