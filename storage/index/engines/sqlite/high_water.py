"""How far a database holds what the journal tells: a row of it, written behind what it speaks of.

SQLite keeps the order of its transactions, so a mark never outlives its rows. It names the journal,
and what lay before the position: of another journal, or one that was put back, it tells nothing.
"""

import json
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from peewee import SqliteDatabase

from storage.files import sync_folder
from storage.index.engines.sqlite.database import (
    BUSY_SECONDS,
    execute,
    index_path,
    reading,
)
from storage.index.engines.sqlite.transactions import writing
from storage.journal import CORRECTIONS, RECEIPTS, Journal, journal_of

TABLE = (
    "CREATE TABLE mark (name TEXT PRIMARY KEY, journal TEXT, position INTEGER, tail TEXT, "
    "number INTEGER) WITHOUT ROWID"
)
_READ = "SELECT journal, position, tail, number FROM mark WHERE name = ?"
_WRITE = "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?)"
# Beside the index: what it was settled to last, also where it is gone.
_SETTLED = "settled"
# A number that is no other database's.
_NUMBERS = 1 << 48


@dataclass(frozen=True)
class Mark:
    """A position, of which journal, and a digest of what lay before it; `number` counts them."""

    journal: str
    position: int
    tail: str
    number: int = 0

    def fault(self, journal: Journal, name: str) -> str:
        """Why it does not speak of the lines `name` of a journal; empty where it does."""
        if self.journal != journal.identity():
            return "of another journal"
        if self.position > journal.size(name):
            return "of a journal that was longer"
        if self.tail != journal.tail(name, self.position):
            return "of a journal that held other lines"
        return ""


def mark_at(journal: Journal, name: str, position: int, number: int = 0) -> Mark:
    """The mark of a position. Raises OSError."""
    return Mark(journal.make_identity(), position, journal.tail(name, position), number)


def read_mark(database: SqliteDatabase, name: str) -> Mark | None:
    """What a database is marked with. Raises sqlite3.Error."""
    rows = execute(database, _READ, (name,))
    return Mark(*rows[0]) if rows else None


def write_mark(database: SqliteDatabase, journal: Journal, name: str, position: int) -> None:
    """Mark it, behind what was written until now. Raises OSError, ResourceError."""
    journal.sync_lines(name)
    with writing(database):
        held = read_mark(database, name)
        number = held.number + 1 if held else secrets.randbelow(_NUMBERS)
        mark = mark_at(journal, name, position, number)
        execute(database, _WRITE, (name, *vars(mark).values()))


def applied(data: Path, name: str) -> int:
    """How far the index of a data folder surely holds the lines `name` of its journal.

    0 where nobody can tell. Raises ResourceError.
    """
    with reading():
        mark = _read_of(index_path(data), name, "mode=ro")
    return 0 if mark is None or mark.fault(journal_of(data, sync=False), name) else mark.position


def marked_beside(data: Path, name: str) -> int | None:
    """How far an index is marked that is being made, or was when that was cut off; None: none is.

    Raises ResourceError.
    """
    path = index_path(data).with_suffix(".new")
    with reading():
        mark = _read_of(path, name, "mode=ro")
    return mark.position if mark else 0 if path.exists() else None


def fault_of_marks(data: Path) -> str:
    """Why the index of a data folder is not that of its journal; empty where it is.

    Raises sqlite3.Error, OSError.
    """
    journal, path = journal_of(data, sync=False), index_path(data)
    for name in (RECEIPTS, CORRECTIONS):
        mark = _read_of(path, name, "mode=ro")
        if mark and (fault := mark.fault(journal, name)):
            return fault
        if mark and 0 < mark.position < journal.compacted(name):
            return "of an earlier day, from which lines of the journal have gone"
        if name == RECEIPTS and (fault := _fault_of_log(path, name, mark)):
            return fault
    settled = read_settled(data)
    if settled and (fault := settled.fault(journal, RECEIPTS)):
        return f"beside a journal that was put back: it was {fault}"
    return ""


def _fault_of_log(path: Path, name: str, mark: Mark | None) -> str:
    """Whether the write-ahead log that lies beside the file is that of another.

    All of the file is checkpointed before it is marked: so it holds the last mark, or the one
    before that.
    """
    if mark is None:
        return "without a mark of the journal"
    log = Path(f"{path.resolve()}-wal")
    if not log.exists() or not log.stat().st_size:
        return ""
    alone = None
    with suppress(sqlite3.Error):  # without its log it may look damaged
        alone = _read_of(path, name, "immutable=1")
    if alone and not mark.number - 1 <= alone.number <= mark.number:
        return "put together of the files of two times"
    return ""


def _read_of(path: Path, name: str, how: str) -> Mark | None:
    """The mark in a file, which is not changed by the look. Raises sqlite3.Error."""
    if not path.exists():
        return None
    uri = f"{path.resolve().as_uri()}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as database:
        try:
            rows = database.execute(_READ, (name,)).fetchall()
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return None  # of a version without marks
    return Mark(*rows[0]) if rows else None


def read_settled(data: Path) -> Mark | None:
    """What the index was settled to last, as it is written beside it."""
    try:
        return Mark(**json.loads((data / _SETTLED).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_settled(data: Path, mark: Mark) -> None:
    """Write it down, synced, in the place of the one before. Raises OSError."""
    path = data / _SETTLED
    fresh = data / f"{_SETTLED}.{os.getpid()}.new"
    with fresh.open("w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(json.dumps(asdict(mark)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    sync_folder(data)
