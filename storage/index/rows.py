"""Rows of the index: what a header makes of them, entered, read, and given other texts."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from storage.dicom import Header
from storage.dicom.values import LONG_CHARACTERS, Attribute, Level, Uids, stored_at
from storage.index.tables import IDENTITY, NAMED_LEVELS, SHARED, TABLES, Index, column_names
from storage.query import (
    NAME_PART_CHARACTERS,
    SQLITE,
    Dialect,
    folded,
    has_several,
    kept_columns,
    kept_forms,
    match_columns,
)

# The columns that say something of an instance's patient, study or series.
ABOVE = tuple(a.column for level in SHARED for a in stored_at(level) if a.level is level)


@dataclass(frozen=True)
class SharedHeader:
    """What an instance says of its patient, study and series: of each a JSON object.

    Of the attributes that have a value, but for what makes the entity the one that it is. `came` is
    a JSON object of all of them as they came, where they came otherwise; else empty.
    """

    texts: tuple[str, ...]
    corrected: bool
    came: str = ""

    @property
    def digest(self) -> str:
        """Tells it from others of a series."""
        whole = "\0".join((*self.texts, str(self.corrected), self.came))
        return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Location:
    """A stored instance: its UIDs and class, and what is known of its data set."""

    uids: Uids
    sop_class_uid: str
    transfer_syntax_uid: str
    file_bytes: int
    digest: str
    charset: str  # what was assumed for its text that names no Specific Character Set
    arrived: int = 0  # the time of its file, in nanoseconds since 1970
    key: str = ""  # names its file, where the UIDs alone do not


def row_of(level: Level, header: Header) -> dict[str, Any]:
    """The row that an instance's header makes at `level`: column -> value, without parents."""
    row = row_from(level, header.values)
    if level is Level.PATIENT:
        row["of_study"] = "" if row["PatientID"] else header["StudyInstanceUID"]
    return row


def row_from(level: Level, values: Mapping[str, str]) -> dict[str, Any]:
    """The row of attributes, column -> text, with the columns that follow from them."""
    texts = tuple([values[column] for _, column, _, _ in _plan(level)])
    if level is Level.IMAGE or sum(map(len, texts)) > LONG_CHARACTERS:
        return _made(level, texts)  # hardly any comes twice
    return dict(_row(level, texts))


def shared_header(header: Header) -> SharedHeader:
    """What an instance says above its own level."""
    texts = tuple(_told(header.values, shared_columns(level)) for level in SHARED)
    if header.came is None:
        return SharedHeader(texts, header.corrected)
    came, shown = _told(header.came, ABOVE), _told(header.values, ABOVE)
    return SharedHeader(texts, header.corrected, "" if came == shown else came)


def _told(values: Mapping[str, str], columns: tuple[str, ...]) -> str:
    """Those of some columns that have a text, as a JSON object."""
    said = {column: values[column] for column in columns if values[column]}
    return _json(said)


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@lru_cache
def shared_columns(level: Level) -> tuple[str, ...]:
    """What of `shared_header` lies in the column of a level: the attributes of its own."""
    own = (a for a in stored_at(level) if a.level is level)
    return tuple(a.column for a in own if a.column not in IDENTITY[level])


@lru_cache(maxsize=256)
def _row(level: Level, texts: tuple[str, ...]) -> Mapping[str, Any]:
    """The same of the attributes alone: of a patient, study and series for many instances."""
    return _made(level, texts)


def _made(level: Level, texts: tuple[str, ...]) -> dict[str, Any]:
    row = dict(_empty(level))
    for place, (plan, text) in enumerate(zip(_plan(level), texts, strict=True)):
        if text:
            attribute, column, columns, can_be_several = plan
            row[column] = text
            if columns:
                fold = _folded_often if len(text) <= LONG_CHARACTERS else _folded
                row.update(fold(level, place, text))
            if can_be_several and "\\" in text and has_several(attribute, text):
                row["several"] = 1
    return row


def _folded(level: Level, place: int, text: str) -> tuple[tuple[str, str], ...]:
    """The folded columns of an attribute by its place in `_plan`, and what they hold."""
    attribute, _, columns, _ = _plan(level)[place]
    return tuple(zip(columns, folded(attribute, text), strict=True))


# Most come again with the next instance; to fold one takes ten times as long as to look it up.
_folded_often = lru_cache(maxsize=4096)(_folded)


@lru_cache
def _empty(level: Level) -> Mapping[str, Any]:
    """The row of attributes that have no text."""
    row: dict[str, Any] = {}
    for attribute, column, columns, _ in _plan(level):
        row |= {column: "", **dict(zip(columns, folded(attribute, ""), strict=bool(columns)))}
    return row | {"several": 0}


@lru_cache
def _plan(level: Level) -> tuple[tuple[Attribute, str, tuple[str, ...], bool], ...]:
    """The stored attributes: column, folded columns, whether several values are too many."""
    return tuple((a, a.column, _folded_columns(a), not a.multiple) for a in stored_at(level))


def _folded_columns(attribute: Attribute) -> tuple[str, ...]:
    """Those of `match_columns` that hold another form of the text."""
    return tuple(name for name in match_columns(attribute) if name != attribute.column)


def holds_several(level: Level, texts: Mapping[str, Any]) -> int:
    """1 where an attribute of one value holds several."""
    return int(any(has_several(a, texts[a.column]) for a in stored_at(level)))


def _kept(dialect: Dialect, level: Level, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row, with what a database keeps that cannot call the rules of matching."""
    if dialect.calls_python:
        return row
    return {**row, **{
        column: form
        for attribute in stored_at(level) if kept_columns(attribute)
        for column, form in _kept_often(attribute, row[attribute.column])
    }}  # fmt: skip


@lru_cache(maxsize=4096)
def _kept_often(attribute: Attribute, text: str) -> tuple[tuple[str, str], ...]:
    return tuple(zip(kept_columns(attribute), kept_forms(attribute, text), strict=True))


@lru_cache
def insert_statement(level: Level, dialect: Dialect = SQLITE) -> str:
    """The INSERT of a row: the parent's id where there is a level above, then the columns."""
    names = _names(level, dialect)
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {TABLES[level]} ({', '.join(names)}) VALUES ({places}) RETURNING id"


def parent_column(level: Level) -> tuple[str, ...]:
    """The column that names a row's parent, if it can have one."""
    return () if level is Level.PATIENT else ("parent_id",)


def insert_row(index: Index, level: Level, row: Mapping[str, Any]) -> int:
    """Enter a row, column -> value; returns its id."""
    dialect = index.engine.dialect
    row = _kept(dialect, level, row)
    values = [row[name] for name in _names(level, dialect)]
    number = int(index.engine.execute(insert_statement(level, dialect), values)[0][0])
    if level in NAMED_LEVELS:
        _enter_name(index, level, number, row)
    return number


def insert_instance(index: Index, row: Mapping[str, Any]) -> None:
    """Enter the row of an instance; nobody asks for its id, which costs half as much again."""
    dialect = index.engine.dialect
    _, values = row_values(dialect, Level.IMAGE, row)
    index.engine.execute(_insert_instance(dialect), values)


def row_values(
    dialect: Dialect, level: Level, row: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[Any]]:
    """The columns of a row as a database has it, and what is in them."""
    names = _names(level, dialect)
    return names, values_in(names, dialect, level, row)


def values_in(
    names: Iterable[str], dialect: Dialect, level: Level, row: Mapping[str, Any]
) -> list[Any]:
    """What is in some columns of a row as a database has it."""
    row = _kept(dialect, level, row)
    return [row[name] for name in names]


@lru_cache
def _names(level: Level, dialect: Dialect) -> tuple[str, ...]:
    return (*parent_column(level), *column_names(level, dialect))


@lru_cache
def _insert_instance(dialect: Dialect) -> str:
    return insert_statement(Level.IMAGE, dialect).removesuffix(" RETURNING id")


def held_row(index: Index, level: Level, number: int) -> dict[str, Any]:
    """A row's columns, or nothing where it is not there."""
    names = index.column_names(level)
    statement = f"SELECT {', '.join(names)} FROM {TABLES[level]} WHERE id = ?"
    found = index.engine.execute(statement, (number,))
    return dict(zip(names, found[0], strict=True)) if found else {}


def update_row(
    index: Index, level: Level, number: int, texts: Mapping[str, Any], speaker: int
) -> None:
    """Give a row these texts of its attributes, and what follows from them."""
    held = held_row(index, level, number)
    row = _kept(index.engine.dialect, level, row_from(level, texts))
    changed = {name: value for name, value in row.items() if held[name] != value}
    if level in NAMED_LEVELS and changed:
        forget_name(index, level, number, held)
        _enter_name(index, level, number, held | changed)
    sets = ", ".join(f"{name} = ?" for name in (*changed, "speaker"))
    statement = f"UPDATE {TABLES[level]} SET {sets} WHERE id = ?"
    index.engine.execute(statement, [*changed.values(), speaker, number])


def said_of(index: Index, level: Level, number: int) -> tuple[dict[str, str], int]:
    """What the instances say of an entity above them: each of its columns; and the speaker."""
    texts, speaker = dict.fromkeys(told_columns(level), ""), 0
    for shared, *told, _ in index.engine.execute(_SAID[level], (number,)):
        speaker = shared
        for part in told:
            texts |= json.loads(part) if isinstance(part, str) else {}
    return texts, speaker


def name_parts(level: Level, row: Mapping[str, Any]) -> set[str]:
    """The parts of a row's folded name, from each of its characters on."""
    names = (row[column] for a in stored_at(level) if a.inside for column in match_columns(a))
    return {
        name[start : start + NAME_PART_CHARACTERS] for name in names for start in range(len(name))
    }


def _enter_name(index: Index, level: Level, number: int, row: Mapping[str, Any]) -> None:
    statement = f"{INSERT_PARTS} VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    parts = [(int(level), part, number) for part in name_parts(level, row)]
    index.engine.execute_each(statement, parts)


def forget_name(index: Index, level: Level, number: int, row: Mapping[str, Any]) -> None:
    """Delete the parts of the name that a row has."""
    statement = "DELETE FROM name_part WHERE level = ? AND part = ? AND entity = ?"
    parts = [(int(level), part, number) for part in (name_parts(level, row) if row else ())]
    index.engine.execute_each(statement, parts)


def renew_name(index: Index, level: Level, number: int) -> None:
    """Have the parts of a row's name be what they should, whatever they were."""
    if level in NAMED_LEVELS:
        statement = "DELETE FROM name_part WHERE level = ? AND entity = ?"
        index.engine.execute(statement, (int(level), number))
        _enter_name(index, level, number, held_row(index, level, number))


INSERT_PARTS = "INSERT INTO name_part (level, part, entity)"


@lru_cache
def told_columns(level: Level) -> tuple[str, ...]:
    """The columns of a level's row that shared headers tell."""
    told = {column for above in SHARED for column in shared_columns(above)}
    return tuple(a.column for a in stored_at(level) if a.column in told)


# Of each level what is said of its entities, by those that were received last the last.
_SAID = {
    level: f"SELECT * FROM (SELECT shared.id, {told}, "
    "(SELECT MAX(arrived) FROM instance WHERE shared_id = shared.id) AS last "
    f"FROM shared_header AS shared {joins} WHERE {key} = ?) AS said "
    f"WHERE last IS NOT NULL ORDER BY {order}"
    for level, told, joins, key, order in (
        (Level.SERIES, "shared.series AS told", "", "shared.parent_id", "last, told"),
        (
            Level.STUDY,
            "shared.patient AS told, shared.study AS told_too",
            "JOIN series ON shared.parent_id = series.id",
            "series.parent_id",
            "last, told, told_too",
        ),
        (
            Level.PATIENT,
            "shared.patient AS told, shared.corrected AS corrected",
            "JOIN series ON shared.parent_id = series.id JOIN study ON series.parent_id = study.id",
            "study.parent_id",
            "corrected DESC, last, told",
        ),
    )
}
