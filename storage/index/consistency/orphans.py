"""Rows that hang in the air: without a parent, without children, or named by nothing."""

from storage.dicom.values import UNIQUE, Level
from storage.index import NAMED_LEVELS, TABLES, Index

# What no instance says any more.
_UNUSED = (
    "SELECT id FROM shared_header WHERE NOT EXISTS "
    "(SELECT 1 FROM instance WHERE shared_id = shared_header.id)"
)
_DELETE_UNUSED = _UNUSED.replace("SELECT id", "DELETE", 1)
_DELETE_PARTS = "DELETE FROM name_part WHERE level = ? AND entity = ?"


def without_parent(index: Index, level: Level) -> list[tuple[int, str]]:
    """The number and UID of each row of a level below patients whose parent is not there."""
    parent = TABLES[Level(level - 1)]
    return _rows(index, level, f"SELECT 1 FROM {parent} WHERE id = {TABLES[level]}.parent_id")


def without_children(index: Index, level: Level) -> list[tuple[int, str]]:
    """The number and UID of each row of a level above instances that nothing is below."""
    child = TABLES[Level(level + 1)]
    return _rows(index, level, f"SELECT 1 FROM {child} WHERE parent_id = {TABLES[level]}.id")


def _rows(index: Index, level: Level, absent: str) -> list[tuple[int, str]]:
    unique, table = UNIQUE[level].column, TABLES[level]
    statement = f"SELECT id, {unique} FROM {table} WHERE NOT EXISTS ({absent})"
    with index.engine.reading():
        return [(number, uid) for number, uid in index.engine.execute(statement, ())]


def stray_name_parts(index: Index) -> list[tuple[Level, int]]:
    """The rows that are not there, by level and number, and have parts of a name."""
    with index.engine.reading():
        return [(level, number) for level in NAMED_LEVELS for number in _strays(index, level)]


def _strays(index: Index, level: Level) -> list[int]:
    statement = (
        "SELECT DISTINCT entity FROM name_part WHERE level = ? "
        f"AND entity NOT IN (SELECT id FROM {TABLES[level]})"
    )
    return [number for (number,) in index.engine.execute(statement, (int(level),))]


def unused_shared_headers(index: Index) -> list[int]:
    """The numbers of shared headers that are of no instance."""
    with index.engine.reading():
        return [number for (number,) in index.engine.execute(_UNUSED, ())]


def cut(index: Index, level: Level, number: int) -> None:
    """Remove a row and all below it. Raises ResourceError."""
    with index.engine.writing():
        below = {level: [number]}
        for lower in range(level + 1, len(Level)):
            statement = f"SELECT id FROM {TABLES[Level(lower)]} WHERE parent_id = ?"
            below[Level(lower)] = [
                row[0]
                for parent in below[Level(lower - 1)]
                for row in index.engine.execute(statement, (parent,))
            ]
        for at in reversed(below):
            for each in below[at]:
                index.engine.execute(f"DELETE FROM {TABLES[at]} WHERE id = ?", (each,))
                index.engine.execute(_DELETE_PARTS, (int(at), each))
            if at is Level.IMAGE:  # before the series, which they name
                index.engine.execute(_DELETE_UNUSED, ())


def forget_name_parts(index: Index, level: Level, number: int) -> None:
    """Remove the parts of a name, unless the row has come since. Raises ResourceError."""
    with index.engine.writing():
        there = f"SELECT 1 FROM {TABLES[level]} WHERE id = ?"
        if not index.engine.execute(there, (number,)):
            index.engine.execute(_DELETE_PARTS, (int(level), number))


def forget_shared_header(index: Index, number: int) -> None:
    """Remove a shared header, unless an instance has come since. Raises ResourceError."""
    with index.engine.writing():
        index.engine.execute(f"{_DELETE_UNUSED} AND id = ?", (number,))
