"""The index in SQLite: its file, connections and transactions, and how far it holds the journal."""

from storage.index.engines.sqlite.database import ERRORS, connect, index_path, version_of
from storage.index.engines.sqlite.engine import SqliteEngine
from storage.index.engines.sqlite.epoch import EPOCH_TABLES
from storage.index.engines.sqlite.high_water import (
    TABLE,
    applied,
    fault_of_marks,
    mark_at,
    marked_beside,
    read_settled,
    write_settled,
)
from storage.index.engines.sqlite.received_sums import SUM_TABLES
from storage.index.engines.sqlite.replacing import (
    put_in_place,
    remove_index,
    remove_replaced,
    writers_held,
)
from storage.index.engines.sqlite.shrinking import is_loose, shrink

__all__ = [
    "EPOCH_TABLES",
    "ERRORS",
    "SUM_TABLES",
    "TABLE",
    "SqliteEngine",
    "applied",
    "connect",
    "fault_of_marks",
    "index_path",
    "is_loose",
    "mark_at",
    "marked_beside",
    "put_in_place",
    "read_settled",
    "remove_index",
    "remove_replaced",
    "shrink",
    "version_of",
    "write_settled",
    "writers_held",
]
