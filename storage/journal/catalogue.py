"""What is asked of the journal, in tables: so that nobody reads all of it for one answer.

It is to the journal what the index is to the tree: disposable, made anew from the lines, and
marked with how far it has read them in the transaction that read them. Who asks brings it up first.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.files import sqlite_words
from storage.journal.journal import Journal
from storage.journal.segments import Line

logger = logging.getLogger(__name__)

_VERSION = 3
_BUSY_SECONDS = 30
# Of the journal, read in one transaction: others get their turn behind each.
_BATCH_BYTES = 32 << 20
_TABLES = """
CREATE TABLE mark (name TEXT PRIMARY KEY, journal TEXT, position INTEGER, tail TEXT) WITHOUT ROWID;
CREATE TABLE commitment (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unfinished (key BLOB, duplicate INTEGER, start INTEGER, end INTEGER, worker INTEGER,
    PRIMARY KEY (key, duplicate)) WITHOUT ROWID;
CREATE TABLE pin (study TEXT PRIMARY KEY, at TEXT, start INTEGER) WITHOUT ROWID;
CREATE TABLE study_block (study BLOB, block INTEGER, start INTEGER, end INTEGER,
    PRIMARY KEY (study, block)) WITHOUT ROWID;
CREATE TABLE arrival (study TEXT, run INTEGER, at REAL, PRIMARY KEY (study, run)) WITHOUT ROWID;
CREATE TABLE run (number INTEGER PRIMARY KEY, first REAL, last REAL, lines INTEGER);
CREATE TABLE correction (number INTEGER PRIMARY KEY, level INTEGER, key BLOB, patient BLOB,
    undone BLOB, line BLOB);
CREATE INDEX correction_in_force ON correction (level, key) WHERE undone IS NULL;
CREATE INDEX correction_to_patient ON correction (level, key, patient) WHERE patient IS NOT NULL;
CREATE TABLE correction_number (number INTEGER PRIMARY KEY);
"""

# Enters lines, in their order.
Enter = Callable[[sqlite3.Connection, Iterator[Line]], None]


class Unavailable(ResourceError):
    """The catalogue cannot be written just now, as on a full disk: the journal can be read."""


@contextmanager
def brought_up(
    journal: Journal, name: str, tables: tuple[str, ...], enter: Enter
) -> Iterator[sqlite3.Connection]:
    """The catalogue with all lines `name` in its `tables`; nobody else writes it in the block.

    Raises Unavailable.
    """
    with _catalogue(journal) as db:
        while _read_on(db, journal, name, tables, enter, _BATCH_BYTES):
            db.execute("COMMIT")
        yield db
        db.execute("COMMIT")


def read_on(journal: Journal, name: str, tables: tuple[str, ...], enter: Enter, most: int) -> bool:
    """Have the catalogue read about `most` more bytes of the lines `name`; whether it did.

    Raises Unavailable.
    """
    with _catalogue(journal) as db:
        did = _read_on(db, journal, name, tables, enter, most)
        db.execute("COMMIT")
    return did


def open_brought_up(
    journal: Journal, name: str, tables: tuple[str, ...], enter: Enter, busy_seconds: float
) -> sqlite3.Connection:
    """A connection to the catalogue with all lines `name`, for any thread, and to be closed.

    Nothing is written where it has them, so that nobody is waited for. Raises Unavailable.
    """
    path = path_of(journal)
    with faults_told(path):
        db = _opened(path, busy_seconds)
        try:
            if not _has_all(db, journal, name):
                while _read_on(db, journal, name, tables, enter, _BATCH_BYTES):
                    db.execute("COMMIT")
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
    return db


def path_of(journal: Journal) -> Path:
    """Where the catalogue of a journal lies."""
    return journal.folder / "catalogue.sqlite"


@contextmanager
def _catalogue(journal: Journal) -> Iterator[sqlite3.Connection]:
    """The file, open; what goes wrong with it is Unavailable."""
    path = path_of(journal)
    with faults_told(path), closing(_opened(path)) as db:
        yield db


@contextmanager
def faults_told(path: Path) -> Iterator[None]:
    """What goes wrong with the file is Unavailable; one that is damaged is removed."""
    try:
        yield
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                remove(path)
        raise Unavailable(f"{path}: {sqlite_words(error)}") from error
    except OSError as error:
        raise Unavailable(f"{error.filename or path}: {error.strerror}") from error


def remove(path: Path) -> None:
    """Have it be made anew by who asks next. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(path: Path, busy_seconds: float = _BUSY_SECONDS) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(2):
        db = sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = wal")
            db.execute("PRAGMA synchronous = normal")
            if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                return db
            db.execute("BEGIN IMMEDIATE")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
            if version in (0, _VERSION):
                path.chmod(0o600)
                return db
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:
            logger.warning("%s is made anew: %s", path, sqlite_words(error))
        db.close()
        remove(path)
    raise sqlite3.DatabaseError("cannot be made anew")


def _has_all(db: sqlite3.Connection, journal: Journal, name: str) -> bool:
    """Whether it has all lines `name`, and they are of this journal."""
    size = journal.size(name)
    rows = db.execute("SELECT journal, position, tail FROM mark WHERE name = ?", (name,)).fetchall()
    return rows == [(journal.identity(), size, journal.tail(name, size))]


def _read_on(
    db: sqlite3.Connection, journal: Journal, name: str, tables: tuple[str, ...], enter: Enter,
    most: int,
) -> bool:  # fmt: skip
    """Read the next lines in a transaction that stays open; whether there were any."""
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute("SELECT journal, position, tail FROM mark WHERE name = ?", (name,)).fetchall()
    identity = journal.make_identity()
    start = -1
    if rows:
        held, position, tail = rows[0]
        if held == identity and tail == journal.tail(name, position):
            start = int(position)
    if start < 0:
        for table in tables:
            db.execute(f"DELETE FROM {table}")
        start = 0
    end = journal.end_of_lines(name, start, most)
    if end == start and rows:
        return False
    journal.sync_lines(name)  # a mark of what the power took would have all be read anew
    enter(db, journal.lines(name, start, end))
    db.execute(
        "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)",
        (name, identity, end, journal.tail(name, end)),
    )
    return end > start
