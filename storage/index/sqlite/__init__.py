"""The index in SQLite: its file, connections and transactions, and how far it holds the journal."""

from storage.index.sqlite.database import ERRORS, connect, index_path, version_of
from storage.index.sqlite.engine import SqliteEngine
from storage.index.sqlite.high_water import (
    TABLE,
    applied,
    fault_of_marks,
    mark_at,
    read_settled,
    write_settled,
)
from storage.index.sqlite.shrinking import is_loose, shrink

__all__ = [
    "ERRORS",
    "TABLE",
    "SqliteEngine",
    "applied",
    "connect",
    "fault_of_marks",
    "index_path",
    "is_loose",
    "mark_at",
    "read_settled",
    "shrink",
    "version_of",
    "write_settled",
]
