"""The index: SQLite tables that answer queries, and how rows get there."""

from storage.index import corrected_rows, counts, pages, search
from storage.index.engine import Stop, never
from storage.index.pages import Chain, Row, shortened
from storage.index.rows import row_of, shared_header
from storage.index.search import Location, is_entered
from storage.index.sqlite import (
    ERRORS,
    applied,
    fault_of_marks,
    index_path,
    is_loose,
    mark_at,
    read_settled,
    shrink,
    version_of,
    write_settled,
)
from storage.index.tables import (
    IDENTITY,
    NAMED_LEVELS,
    TABLES,
    Index,
    SqliteIndex,
    open_index,
    signature,
)
from storage.index.writer import FileFacts, digest_in, forget, prune, record, refresh

__all__ = [
    "ERRORS",
    "IDENTITY",
    "NAMED_LEVELS",
    "TABLES",
    "Chain",
    "FileFacts",
    "Index",
    "Location",
    "Row",
    "SqliteIndex",
    "Stop",
    "applied",
    "corrected_rows",
    "counts",
    "digest_in",
    "fault_of_marks",
    "forget",
    "index_path",
    "is_entered",
    "is_loose",
    "mark_at",
    "never",
    "open_index",
    "pages",
    "prune",
    "read_settled",
    "record",
    "refresh",
    "row_of",
    "search",
    "shared_header",
    "shortened",
    "shrink",
    "signature",
    "version_of",
    "write_settled",
]
