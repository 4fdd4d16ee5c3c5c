"""What an instance's header makes of each level's row: columns and their folded forms."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from storage.attributes import Attribute, Level, stored_at
from storage.extract import Header
from storage.keeping import LONG_CHARACTERS
from storage.matching import folded, has_several, match_columns
from storage.models import IDENTITY, SHARED


@dataclass(frozen=True)
class SharedHeader:
    """What an instance says of its patient, study and series: of each a JSON object.

    Of the attributes that have a value, but for what makes the entity the one that it is.
    """

    texts: tuple[str, ...]
    corrected: bool

    @property
    def digest(self) -> str:
        """Tells it from others of a series."""
        whole = "\0".join((*self.texts, str(self.corrected)))
        return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def row_of(level: Level, header: Header) -> dict[str, Any]:
    """The row that an instance's header makes at `level`: column -> value, without parents."""
    row = row_from(level, header.values)
    if level is Level.PATIENT:
        row["of_study"] = "" if row["PatientID"] else header["StudyInstanceUID"]
    return row


def row_from(level: Level, values: Mapping[str, str]) -> dict[str, Any]:
    """The row of attributes, column -> text, with the columns that follow from them."""
    texts = tuple(values[column] for _, column, _, _ in _plan(level))
    make = _row if sum(map(len, texts)) <= LONG_CHARACTERS else _row.__wrapped__
    return dict(make(level, texts))


def shared_header(header: Header) -> SharedHeader:
    """What an instance says above its own level."""
    texts = []
    for level in SHARED:
        held = ((column, header[column]) for column in shared_columns(level))
        said = {column: text for column, text in held if text}
        texts.append(json.dumps(said, ensure_ascii=False, separators=(",", ":")))
    return SharedHeader(tuple(texts), header.corrected)


@lru_cache
def shared_columns(level: Level) -> tuple[str, ...]:
    """What of `shared_header` lies in the column of a level: the attributes of its own."""
    own = (a for a in stored_at(level) if a.level is level)
    return tuple(a.column for a in own if a.column not in IDENTITY[level])


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
