"""The file of an index made smaller, where much of it holds nothing: as after large deletions.

SQLite keeps pages for later that hold nothing any more. An index that is made with
`auto_vacuum = incremental` can give them back some at a time, and others write in between.
"""

import time
from pathlib import Path

from peewee import SqliteDatabase

from storage.index.engines.sqlite import database as db
from storage.index.engines.sqlite.transactions import writing

# It is worth while from this share of the file on, and this size.
_LEAST_SHARE, _LEAST_BYTES = 0.25, 16 << 20
# How long others that write wait for a step, about.
_STEP_SECONDS = 0.02


def is_loose(path: Path) -> bool:
    """Whether much of the index at `path` holds nothing. Raises ResourceError."""
    database = db.connect(path, sync=True)
    with db.reading(), database.connection_context():
        free, all_pages, size = (_number(database, name) for name in _FACTS)
        is_able = _number(database, "auto_vacuum") != 0
        is_much = free * size >= _LEAST_BYTES and free >= all_pages * _LEAST_SHARE
        return is_able and is_much


def shrink(path: Path) -> int:
    """Give back what holds nothing; how many bytes that were. Raises ResourceError."""
    database = db.connect(path, sync=True)
    with database.connection_context():
        before = _number(database, "page_count")
        while _number(database, "freelist_count"):
            start = time.monotonic()
            with writing(database):
                while (
                    _number(database, "freelist_count") and time.monotonic() < start + _STEP_SECONDS
                ):
                    db.execute(database, "PRAGMA incremental_vacuum(1)", ())
            time.sleep(time.monotonic() - start)  # others have their turn for as long
        db.execute(database, "PRAGMA wal_checkpoint(PASSIVE)", ())
        return (before - _number(database, "page_count")) * _number(database, "page_size")


_FACTS = ("freelist_count", "page_count", "page_size")


def _number(database: SqliteDatabase, pragma: str) -> int:
    return int(db.execute(database, f"PRAGMA {pragma}", ())[0][0])
