"""The index: SQLite tables that answer queries, and how rows get there."""

from storage.index import counts, disagreements, orphans, pages, search
from storage.index.database import (
    Stop,
    checkpoint,
    connect,
    connection_of,
    fault_of_pages,
    index_path,
    interruptible,
    never,
    reading,
    sync_commits,
    user_version,
    version_of,
    writing,
)
from storage.index.disagreements import about
from storage.index.high_water import (
    applied,
    carry,
    fault_of_marks,
    mark_at,
    read_settled,
    write_mark,
    write_settled,
)
from storage.index.pages import Chain, Row, shortened
from storage.index.rows import row_of, shared_header
from storage.index.search import Location, is_entered
from storage.index.tables import TABLES, Index, build, signature
from storage.index.writer import FileFacts, digest_in, forget, prune, record, refresh

__all__ = [
    "TABLES",
    "Chain",
    "FileFacts",
    "Index",
    "Location",
    "Row",
    "Stop",
    "about",
    "applied",
    "build",
    "carry",
    "checkpoint",
    "connect",
    "connection_of",
    "counts",
    "digest_in",
    "disagreements",
    "fault_of_marks",
    "fault_of_pages",
    "forget",
    "index_path",
    "interruptible",
    "is_entered",
    "mark_at",
    "never",
    "orphans",
    "pages",
    "prune",
    "read_settled",
    "reading",
    "record",
    "refresh",
    "row_of",
    "search",
    "shared_header",
    "shortened",
    "signature",
    "sync_commits",
    "user_version",
    "version_of",
    "write_mark",
    "write_settled",
    "writing",
]
