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

__all__ = [
    "ERRORS",
    "TABLE",
    "SqliteEngine",
    "applied",
    "connect",
    "fault_of_marks",
    "index_path",
    "mark_at",
    "read_settled",
    "version_of",
    "write_settled",
]
