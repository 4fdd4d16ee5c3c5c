"""What an instance's header makes of each level's row: columns and their folded forms."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from storage.attributes import Attribute, Level, stored_at
from storage.extract import Header
from storage.keeping import LONG_CHARACTERS
from storage.matching import folded, has_several, match_columns


def row_of(level: Level, header: Header) -> dict[str, Any]:
    """The row that an instance's header makes at `level`: column -> value, without parents."""
    texts = tuple(header[column] for _, column, _, _ in _plan(level))
    make = _row if sum(map(len, texts)) <= LONG_CHARACTERS else _row.__wrapped__
    row = dict(make(level, texts))
    if level is Level.PATIENT:
        row["of_study"] = "" if row["PatientID"] else header["StudyInstanceUID"]
    return row


@lru_cache(maxsize=256)
def _row(level: Level, texts: tuple[str, ...]) -> Mapping[str, Any]:
    """The same of the attributes alone: of a patient, study and series for many instances."""
    row: dict[str, Any] = {}
    several = 0
    for (attribute, column, columns, can_be_several), text in zip(_plan(level), texts, strict=True):
        row[column] = text
        if columns != (column,):
            row |= zip(columns, folded(attribute, text), strict=True)
        if can_be_several and "\\" in text:
            several |= has_several(attribute, text)
    row["several"] = int(several)
    return row


@lru_cache
def _plan(level: Level) -> tuple[tuple[Attribute, str, tuple[str, ...], bool], ...]:
    """The stored attributes: column, folded columns, whether several values are too many."""
    return tuple((a, a.column, match_columns(a), not a.multiple) for a in stored_at(level))


def holds_several(level: Level, texts: Mapping[str, Any]) -> int:
    """1 where an attribute of one value holds several."""
    return int(any(has_several(a, texts[a.column]) for a in stored_at(level)))
