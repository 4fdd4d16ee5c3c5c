"""The index: SQLite tables that answer queries, and how rows get there."""

from storage.index import counts, disagreements, orphans, pages, search
from storage.index.disagreements import about
from storage.index.engine import Stop, never
from storage.index.pages import Chain, Row, shortened
from storage.index.rows import row_of, shared_header
from storage.index.search import Location, is_entered
from storage.index.sqlite import (
    ERRORS,
    applied,
    fault_of_marks,
    index_path,
    mark_at,
    put_in_place,
    read_settled,
    remove_index,
    remove_replaced,
    version_of,
    write_settled,
    writers_held,
)
from storage.index.tables import TABLES, Index, SqliteIndex, can_answer, open_index, signature
from storage.index.writer import (
    FileFacts,
    digest_in,
    forget,
    prune,
    record,
    refresh,
    without_row,
)

__all__ = [
    "ERRORS",
    "TABLES",
    "Chain",
    "FileFacts",
    "Index",
    "Location",
    "Row",
    "SqliteIndex",
    "Stop",
    "about",
    "applied",
    "can_answer",
    "counts",
    "digest_in",
    "disagreements",
    "fault_of_marks",
    "forget",
    "index_path",
    "is_entered",
    "mark_at",
    "never",
    "open_index",
    "orphans",
    "pages",
    "prune",
    "put_in_place",
    "read_settled",
    "record",
    "refresh",
    "remove_index",
    "remove_replaced",
    "row_of",
    "search",
    "shared_header",
    "shortened",
    "signature",
    "version_of",
    "without_row",
    "write_settled",
    "writers_held",
]
