"""Rows against rows: children without a parent, parents without children."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from storage.attributes import UNIQUE, Level
from storage.database import connection_of, execute, reading, writing
from storage.faults import Fault, Kind
from storage.indexing import prune
from storage.models import NAMED_LEVELS, TABLES, Index
from storage.repair import Mended, mending

# What no instance says any more.
_UNUSED = (
    "SELECT id FROM shared_header WHERE NOT EXISTS "
    "(SELECT 1 FROM instance WHERE shared_id = shared_header.id)"
)
_DELETE_UNUSED = _UNUSED.replace("SELECT id", "DELETE", 1)
_DELETE_PARTS = "DELETE FROM name_part WHERE level = ? AND entity = ?"
_CHILDREN = {Level.PATIENT: "studies", Level.STUDY: "series", Level.SERIES: "instances"}


def check(index: Index, repair: bool) -> Iterator[Fault]:
    """The rows that hang in the air. One statement each: no store is seen half done."""
    for level in (Level.STUDY, Level.SERIES, Level.IMAGE):
        parent = TABLES[Level(level - 1)]
        where = f"NOT EXISTS (SELECT 1 FROM {parent} WHERE id = {TABLES[level]}.parent_id)"
        for number, uid in _rows(index, level, where):
            fault = Fault(Kind.NO_PARENT, uids=(uid,), detail=parent)
            yield mending(fault, repair, partial(_cut, index, level, number))
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
        child = TABLES[Level(level + 1)]
        where = f"NOT EXISTS (SELECT 1 FROM {child} WHERE parent_id = {TABLES[level]}.id)"
        for number, uid in _rows(index, level, where):
            fault = Fault(Kind.NO_CHILDREN, uids=(uid,), detail=_CHILDREN[level])
            yield mending(fault, repair, partial(_prune, index, level, number))
    with reading():
        strays = [(level, number) for level in NAMED_LEVELS for number in _strays(index, level)]
        unused = execute(index.database, _UNUSED, ())
    for level, number in strays:
        fault = Fault(Kind.NO_PARENT, detail=f"{TABLES[level]} (parts of a name)")
        yield mending(fault, repair, partial(_forget_parts, index, level, number))
    for (number,) in unused:
        fault = Fault(Kind.NO_CHILDREN, detail="instances (shared header)")
        yield mending(fault, repair, partial(_forget_shared, index, number))


def _rows(index: Index, level: Level, where: str) -> list[Any]:
    unique = UNIQUE[level].column
    with reading():
        return execute(
            index.database, f"SELECT id, {unique} FROM {TABLES[level]} WHERE {where}", ()
        )


def _prune(index: Index, level: Level, number: int) -> Mended:
    prune(index, level, number)
    return Mended("row removed")


def _cut(index: Index, level: Level, number: int) -> Mended:
    """Remove a row and all below it; files that they were of are entered anew."""
    with writing(index.database):
        connection_of(index.database).entered.clear()
        below = {level: [number]}
        for lower in range(level + 1, len(Level)):
            statement = f"SELECT id FROM {TABLES[Level(lower)]} WHERE parent_id = ?"
            below[Level(lower)] = [
                row[0]
                for parent in below[Level(lower - 1)]
                for row in execute(index.database, statement, (parent,))
            ]
        for at in reversed(below):
            for each in below[at]:
                execute(index.database, f"DELETE FROM {TABLES[at]} WHERE id = ?", (each,))
                execute(index.database, _DELETE_PARTS, (int(at), each))
            if at is Level.IMAGE:  # before the series, which they name
                execute(index.database, _DELETE_UNUSED, ())
    return Mended("rows removed; their files are entered anew")


def _strays(index: Index, level: Level) -> list[int]:
    """The rows of a level that are not there, and have parts of a name."""
    statement = (
        "SELECT DISTINCT entity FROM name_part WHERE level = ? "
        f"AND entity NOT IN (SELECT id FROM {TABLES[level]})"
    )
    return [number for (number,) in execute(index.database, statement, (int(level),))]


def _forget_parts(index: Index, level: Level, number: int) -> Mended:
    with writing(index.database):
        there = f"SELECT 1 FROM {TABLES[level]} WHERE id = ?"
        if not execute(index.database, there, (number,)):
            execute(index.database, _DELETE_PARTS, (int(level), number))
    return Mended("rows removed")


def _forget_shared(index: Index, number: int) -> Mended:
    with writing(index.database):
        connection_of(index.database).entered.clear()
        execute(index.database, f"{_DELETE_UNUSED} AND id = ?", (number,))
    return Mended("row removed")
