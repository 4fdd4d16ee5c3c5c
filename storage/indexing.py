"""Rows of the index: record an instance, forget one, ask for one.

Where the instances of a patient, study or series disagree on an attribute, the value received
last answers; an empty one never displaces another.

Statements are prepared once: built by the query builder for every row they took two thirds of
the time that a store takes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from storage.attributes import Level, stored_at
from storage.database import connection_of, execute, reading, writing
from storage.extract import Header
from storage.matching import NAME_PART_CHARACTERS, folded, match_columns
from storage.models import IDENTITY, TABLES, Index, column_names
from storage.places import Uids
from storage.rows import holds_several, row_of

_OF_INSTANCE = (
    "FROM instance JOIN series ON instance.parent_id = series.id "
    "JOIN study ON series.parent_id = study.id "
    "WHERE study.StudyInstanceUID = ? AND series.SeriesInstanceUID = ? "
    "AND instance.SOPInstanceUID = ?"
)


# Rows that a connection remembers: one patient, study and series are sent at a time.
_MAX_ENTERED = 256


@dataclass(frozen=True)
class FileFacts:
    """What the index holds of a file beside its header; bytes and digest are the data set's."""

    transfer_syntax_uid: str
    file_bytes: int
    digest: str
    charset: str = ""


def record(index: Index, header: Header, facts: FileFacts) -> None:
    """Enter an instance, in place of any row under the same UIDs. Raises ResourceError."""
    rows = [row_of(level, header) for level in Level]
    rows[-1] |= {
        "TransferSyntaxUID": facts.transfer_syntax_uid,
        "file_bytes": facts.file_bytes,
        "digest": facts.digest,
        "charset": facts.charset,
    }
    with _writing(index):
        emptied = _delete(index, header.uids)
        parent: int | None = None
        for level, row in zip(Level, rows, strict=True):
            if parent is not None:
                row["parent_id"] = parent
            enter = _insert if level is Level.IMAGE else _enter
            parent = enter(index, level, row)
        _prune(index, emptied)


@contextmanager
def _writing(index: Index) -> Iterator[None]:
    """A transaction; what was entered over this connection counts until another one writes."""
    with writing(index.database):
        connection = connection_of(index.database)
        (version,) = execute(index.database, "PRAGMA data_version", ())[0]
        if version != connection.version:
            connection.version = version
            connection.entered.clear()
        yield


def forget(index: Index, uids: Uids) -> None:
    """Delete an instance's row, and of its parents those that hold nothing else."""
    with _writing(index):
        _prune(index, _delete(index, uids))


def amend(index: Index, level: Level, number: int, texts: Mapping[str, tuple[str, str]]) -> bool:
    """Give a row's attributes other texts, column -> (held, new), where it still holds these.

    Its folded forms are made anew. Returns whether there was such a row. Raises ResourceError.
    """
    names = column_names(level)
    statement = f"SELECT {', '.join(names)} FROM {TABLES[level]} WHERE id = ?"
    with _writing(index):
        found = execute(index.database, statement, (number,))
        if not found:
            return False
        held = dict(zip(names, found[0], strict=True))
        row = held | {n: new for n, (old, new) in texts.items() if held[n] == old}
        for attribute in stored_at(level):
            forms = folded(attribute, row[attribute.column])
            row |= zip(match_columns(attribute), forms, strict=True)
        row["several"] = holds_several(level, row)
        sets = ", ".join(f"{name} = ?" for name in names)
        values = [*(row[name] for name in names), number]
        execute(index.database, f"UPDATE {TABLES[level]} SET {sets} WHERE id = ?", values)
        if level is Level.PATIENT:
            execute(index.database, "DELETE FROM name_part WHERE patient = ?", (number,))
            _enter_name(index, number, row)
        connection_of(index.database).entered.clear()
    return True


def prune(index: Index, level: Level, number: int) -> None:
    """Delete a row above the instances that holds nothing, and so on upwards."""
    with _writing(index):
        _prune(index, [number], level)


def digest_in(index: Index, uids: Uids) -> str | None:
    """The digest in the instance's row, which may be empty; None where there is no row.

    Raises ResourceError.
    """
    with reading():
        found = execute(index.database, f"SELECT instance.digest {_OF_INSTANCE}", uids)
    return str(found[0][0]) if found else None


def _enter(index: Index, level: Level, row: dict[str, Any]) -> int:
    """The id of the row of the same identity, brought up to date, or of a new one."""
    identity = tuple(row[name] for name in (*_parent(level), *IDENTITY[level]))
    entered = connection_of(index.database).entered
    known = entered.get((level, identity))
    if known and known[0] == row:
        return int(known[1])
    number = _update(index, level, row, identity)
    if len(entered) >= _MAX_ENTERED:
        entered.clear()
    entered[level, identity] = row, number
    return number


def _update(index: Index, level: Level, row: dict[str, Any], identity: tuple[Any, ...]) -> int:
    found = execute(index.database, _select(level), identity)
    if not found:
        return _insert(index, level, row)
    names = column_names(level)
    held = dict(zip(names, found[0][1:], strict=True))
    changed: dict[str, Any] = {}
    for attribute in stored_at(level):
        text = row[attribute.column]
        if text and text != held[attribute.column]:
            changed |= {n: row[n] for n in (attribute.column, *match_columns(attribute))}
    number = int(found[0][0])
    if changed:
        if level is Level.PATIENT:
            _forget_name(index, number, held)
            _enter_name(index, number, held | changed)
        changed["several"] = holds_several(level, held | changed)
        sets = ", ".join(f"{name} = ?" for name in changed)
        statement = f"UPDATE {TABLES[level]} SET {sets} WHERE id = ?"
        execute(index.database, statement, [*changed.values(), number])
    return number


def _insert(index: Index, level: Level, row: dict[str, Any]) -> int:
    names = (*_parent(level), *column_names(level))
    values = [row[name] for name in names]
    number = int(execute(index.database, insert_statement(level), values)[0][0])
    if level is Level.PATIENT:
        _enter_name(index, number, row)
    return number


def name_parts(row: dict[str, Any]) -> set[str]:
    """The parts of a patient's folded name, from each of its characters on."""
    names = (
        row[column] for a in stored_at(Level.PATIENT) if a.inside for column in match_columns(a)
    )
    return {
        name[start : start + NAME_PART_CHARACTERS] for name in names for start in range(len(name))
    }


def _enter_name(index: Index, patient: int, row: dict[str, Any]) -> None:
    for part in name_parts(row):
        execute(index.database, "INSERT OR IGNORE INTO name_part VALUES (?, ?)", (part, patient))


def _forget_name(index: Index, patient: int, row: dict[str, Any]) -> None:
    for part in name_parts(row):
        statement = "DELETE FROM name_part WHERE part = ? AND patient = ?"
        execute(index.database, statement, (part, patient))


@lru_cache
def insert_statement(level: Level) -> str:
    """The INSERT of a row: the parent's id where there is a level above, then the columns."""
    names = (*_parent(level), *column_names(level))
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {TABLES[level]} ({', '.join(names)}) VALUES ({places}) RETURNING id"


@lru_cache
def _select(level: Level) -> str:
    same = " AND ".join(f"{name} = ?" for name in (*_parent(level), *IDENTITY[level]))
    return f"SELECT id, {', '.join(column_names(level))} FROM {TABLES[level]} WHERE {same}"


def _parent(level: Level) -> tuple[str, ...]:
    return () if level is Level.PATIENT else ("parent_id",)


def _delete(index: Index, uids: Uids) -> list[int]:
    """Delete the instance's rows; returns the ids of the series that they were in."""
    held = execute(index.database, f"SELECT instance.id, instance.parent_id {_OF_INSTANCE}", uids)
    for number, _ in held:
        execute(index.database, "DELETE FROM instance WHERE id = ?", (number,))
    return [parent for _, parent in held]


def _prune(index: Index, ids: list[int], lowest: Level = Level.SERIES) -> None:
    """Delete the rows of `ids`, of `lowest`, that have nothing below them, and so on upwards."""
    if ids:
        connection_of(index.database).entered.clear()
    for level in reversed(list(Level)[: lowest + 1]):
        table, child = TABLES[level], TABLES[Level(level + 1)]
        parents: list[int] = []
        for number in ids:
            left = execute(
                index.database, f"SELECT 1 FROM {child} WHERE parent_id = ? LIMIT 1", (number,)
            )
            if left:
                continue
            for name in _parent(level):
                above = f"SELECT {name} FROM {table} WHERE id = ?"
                parents += [row[0] for row in execute(index.database, above, (number,))]
            if level is Level.PATIENT:
                names = column_names(level)
                held = execute(
                    index.database,
                    f"SELECT {', '.join(names)} FROM {table} WHERE id = ?",
                    (number,),
                )
                _forget_name(index, number, dict(zip(names, held[0], strict=True)))
            execute(index.database, f"DELETE FROM {table} WHERE id = ?", (number,))
        ids = parents
