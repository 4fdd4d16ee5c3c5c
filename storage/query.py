"""Queries on the index: level checks, one answer an entity, return keys, computed counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from typing import Any

from peewee import SQL, fn
from pydicom.tag import BaseTag, Tag

from storage import extract
from storage.attributes import BY_TAG, TABLE, UNIQUE, Attribute, Level
from storage.errors import IdentifierError
from storage.matching import condition, is_universal
from storage.models import Index, columns_of
from storage.tree import Uids

QUERY_RETRIEVE_LEVEL = Tag(0x0008, 0x0052)
_INSTANCE_AVAILABILITY = Tag(0x0008, 0x0056)
# In an identifier, but not keys of an entity (PS3.4 C.4.1.1.3).
_NOT_KEYS = {
    QUERY_RETRIEVE_LEVEL,
    extract.CHARACTER_SET,
    Tag(0x0008, 0x0053),  # Query/Retrieve View
    Tag(0x0008, 0x0054),  # Retrieve AE Title
    _INSTANCE_AVAILABILITY,
    Tag(0x0008, 0x0201),  # Timezone Offset From UTC
}


class Root(Enum):
    """The information models and their levels (PS3.4 C.6)."""

    PATIENT = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
    STUDY = (Level.STUDY, Level.SERIES, Level.IMAGE)
    PATIENT_STUDY_ONLY = (Level.PATIENT, Level.STUDY)


@dataclass(frozen=True)
class Query:
    """An identifier: information model, level, and the keys with their text, as asked."""

    root: Root
    level: Level
    keys: dict[BaseTag, str]
    character_set: str
    asks_availability: bool

    @classmethod
    def read(cls, root: Root, data: bytes, transfer_syntax: str, charset: str) -> "Query":
        """Decode an identifier; `charset` is for text that names none.

        Raises DataSetError where it cannot be read, and IdentifierError where its level is
        missing, unknown, or not one of the model.
        """
        identifier = extract.read_data_set(BytesIO(data), transfer_syntax)
        keys = extract.text_values(identifier, identifier.keys(), charset)
        name = keys.get(QUERY_RETRIEVE_LEVEL, "")
        if not name:
            raise IdentifierError("No Query/Retrieve Level", QUERY_RETRIEVE_LEVEL)
        levels = {level.name: level for level in root.value}
        if name not in levels:
            raise IdentifierError(
                f"Query/Retrieve Level {name[:16]} is none of {', '.join(levels)}",
                QUERY_RETRIEVE_LEVEL,
            )
        asked = {tag: text for tag, text in keys.items() if _is_key(tag)}
        charset_asked = keys.get(extract.CHARACTER_SET, "")
        return cls(root, levels[name], asked, charset_asked, _INSTANCE_AVAILABILITY in keys)

    def level_of(self, attribute: Attribute) -> Level:
        """Where the attribute belongs: a model begins with the levels above its first."""
        return Level(max(attribute.level, self.root.value[0]))

    @property
    def upper(self) -> list[Attribute]:
        """The unique keys of the levels above the query's."""
        return [UNIQUE[level] for level in self.root.value if level < self.level]

    def check_upper_keys(self) -> None:
        """Raise IdentifierError unless each upper unique key is there and single.

        PS3.4 C.4.1.2.1, for hierarchical queries.
        """
        for attribute in self.upper:
            self._check_single(attribute)

    def check_retrieve_keys(self) -> None:
        """Raise IdentifierError unless the unique keys say exactly what to retrieve.

        PS3.4 C.4.2.1.4.1: one value each, but a list of UIDs at the retrieve's own level.
        """
        self.check_upper_keys()
        own = UNIQUE[self.level]
        self._check_single(own, several=own.vr == "UI")

    def _check_single(self, attribute: Attribute, several: bool = False) -> None:
        key = self.keys.get(attribute.tag, "")
        if is_universal(attribute.vr, key):
            raise IdentifierError(f"No {attribute.keyword}", attribute.tag)
        if "*" in key or "?" in key:
            raise IdentifierError(f"Wildcard in {attribute.keyword}", attribute.tag)
        if "\\" in key and not several:
            raise IdentifierError(f"More than one {attribute.keyword}", attribute.tag)

    @property
    def matched(self) -> list[Attribute]:
        """The keys that narrow the answers: the level's own and the upper unique ones."""
        known = [BY_TAG[tag] for tag in self.keys if tag in BY_TAG]
        return [a for a in known if self.level_of(a) == self.level or a in self.upper]

    @property
    def returned(self) -> list[Attribute]:
        """What an answer holds: the keys asked for, and the upper unique ones."""
        return [
            a
            for a in TABLE
            if a in self.upper or (a.tag in self.keys and self.level_of(a) <= self.level)
        ]

    @property
    def unsupported(self) -> list[BaseTag]:
        """The keys that were asked for and take no part in matching (PS3.4 C.2.2.1.3)."""
        return [
            tag
            for tag, key in self.keys.items()
            if tag not in BY_TAG or (key and not _can_match(BY_TAG[tag], self))
        ]


def _is_key(tag: BaseTag) -> bool:
    # Group lengths (PS3.5 7.2) come from old clients and say nothing.
    return tag not in _NOT_KEYS and tag.element != 0


@dataclass(frozen=True)
class Location:
    """A stored instance: its UIDs and class, and the transfer syntax and size of its data set."""

    uids: Uids
    sop_class_uid: str
    transfer_syntax_uid: str
    file_bytes: int


def answers(index: Index, query: Query) -> Iterator[dict[Attribute, str]]:
    """One dict an entity that matches: attribute -> text. Rows are read as they are asked for."""
    returned = query.returned
    columns = [_selected(index, attribute) for attribute in returned] or [index[query.level].id]
    rows = _joined(index, query.level, columns)
    for found in _conditions(index, query, query.matched):
        rows = rows.where(found)
    for row in rows.tuples().iterator():
        yield dict(zip(returned, map(_text, row), strict=False))


def locations(index: Index, query: Query) -> list[Location]:
    """The instances that a retrieve's unique keys name, in the order of their arrival."""
    study, series, instance = (index[level] for level in list(Level)[1:])
    columns = [
        study.StudyInstanceUID,
        series.SeriesInstanceUID,
        instance.SOPInstanceUID,
        instance.SOPClassUID,
        instance.TransferSyntaxUID,
        instance.file_bytes,
    ]
    rows = _joined(index, Level.IMAGE, columns).order_by(instance.id)
    for found in _conditions(index, query, [*query.upper, UNIQUE[query.level]]):
        rows = rows.where(found)
    return [Location(row[:3], *row[3:]) for row in rows.tuples().iterator()]


def _joined(index: Index, level: Level, columns: list[Any]) -> Any:
    rows = index[level].select(*columns)
    for lower in range(level, 0, -1):
        child, parent = index[Level(lower)], index[Level(lower - 1)]
        rows = rows.join_from(child, parent)
    return rows


def _conditions(index: Index, query: Query, attributes: list[Attribute]) -> Iterator[Any]:
    for attribute in attributes:
        key = query.keys.get(attribute.tag, "")
        if attribute.stored:
            columns = columns_of(index[attribute.level], attribute)
            found = condition(attribute.vr, attribute.multiple, columns, key)
        elif attribute.keyword in _IN_STUDY:
            found = _any_in_study(index, attribute, key)
        else:
            found = None
        if found is not None:
            yield found


# Computed attributes, PS3.4 C.3.4: keyword -> what is counted, below which level.
_COUNTS = {
    "NumberOfPatientRelatedStudies": (Level.STUDY, Level.PATIENT),
    "NumberOfPatientRelatedSeries": (Level.SERIES, Level.PATIENT),
    "NumberOfPatientRelatedInstances": (Level.IMAGE, Level.PATIENT),
    "NumberOfStudyRelatedSeries": (Level.SERIES, Level.STUDY),
    "NumberOfStudyRelatedInstances": (Level.IMAGE, Level.STUDY),
    "NumberOfSeriesRelatedInstances": (Level.IMAGE, Level.SERIES),
}
# keyword -> the attribute of the study's series or instances whose values it lists.
_IN_STUDY = {
    "ModalitiesInStudy": (Level.SERIES, "Modality"),
    "SOPClassesInStudy": (Level.IMAGE, "SOPClassUID"),
}


def _can_match(attribute: Attribute, query: Query) -> bool:
    computed = attribute.keyword in _IN_STUDY
    return (attribute.stored or computed) and attribute in query.matched


def _selected(index: Index, attribute: Attribute) -> Any:
    if attribute.stored:
        return getattr(index[attribute.level], attribute.keyword)
    if attribute.keyword in _COUNTS:
        below, above = _COUNTS[attribute.keyword]
        return _below(index, index[below].alias(), below, above, fn.COUNT(SQL("*")))
    level, keyword = _IN_STUDY[attribute.keyword]
    series = index[level].alias()
    value = getattr(series, keyword)
    distinct = _below(index, series, level, Level.STUDY, value.alias("value"))
    listed = distinct.where(value != "").distinct().order_by(value)
    return listed.alias("listed").select_from(fn.GROUP_CONCAT(SQL("value"), "\\"))


def _any_in_study(index: Index, attribute: Attribute, key: str) -> Any:
    level, keyword = _IN_STUDY[attribute.keyword]
    below = index[level].alias()
    found = condition(attribute.vr, False, (getattr(below, keyword),), key)
    if found is None:
        return None
    return fn.EXISTS(_below(index, below, level, Level.STUDY, SQL("1")).where(found))


def _below(index: Index, alias: Any, level: Level, above: Level, selected: Any) -> Any:
    """A subquery on the rows of `level` that lie below the outer query's row of `above`."""
    rows, child = alias.select(selected), alias
    for between in range(level - 1, above, -1):
        parent = index[Level(between)].alias()
        rows = rows.join_from(child, parent, on=(child.parent == parent.id))
        child = parent
    return rows.where(child.parent == index[above].id)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
