"""The queue's file: made, checked, and begun anew where it is damaged."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.files import damage_found, require_sound, sqlite_words
from storage.journal import RECEIPTS, Journal, journal_of

logger = logging.getLogger(__name__)

_VERSION = 3
_BUSY_SECONDS = 30
# Of SQLite's virtual machine, between two looks at the clock: well below a millisecond.
_STEPS = 10_000
# What brings the tables of a version to those of the next.
_FROM = {
    # Which journal it followed is not known, and believed.
    1: """
ALTER TABLE position ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE position ADD COLUMN tail TEXT NOT NULL DEFAULT '';
""",
    # Whether an error was in sending is not known: most are.
    2: """
ALTER TABLE destination ADD COLUMN sent_at REAL;
ALTER TABLE destination ADD COLUMN ask_error TEXT NOT NULL DEFAULT '';
ALTER TABLE destination ADD COLUMN ask_error_at REAL;
ALTER TABLE destination ADD COLUMN asked_at REAL;
CREATE INDEX item_tried ON item (destination, state) WHERE attempts > 0;
""",
}
_TABLES = """
CREATE TABLE position (journal INTEGER, identity TEXT NOT NULL DEFAULT '',
    tail TEXT NOT NULL DEFAULT '');
CREATE TABLE item (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, study TEXT NOT NULL, series TEXT NOT NULL,
    instance TEXT NOT NULL, sop_class TEXT NOT NULL, syntax TEXT NOT NULL, bytes INTEGER NOT NULL,
    digest TEXT NOT NULL, charset TEXT NOT NULL, since REAL NOT NULL, quiet REAL,
    state TEXT NOT NULL DEFAULT 'waiting', due REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    words TEXT NOT NULL DEFAULT '', request TEXT,
    UNIQUE (destination, study, series, instance));
CREATE INDEX item_state ON item (destination, state, due);
CREATE INDEX item_request ON item (request) WHERE request IS NOT NULL;
CREATE INDEX item_study ON item (study);
CREATE INDEX item_tried ON item (destination, state) WHERE attempts > 0;
CREATE TABLE study (uid TEXT PRIMARY KEY, last REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE done (destination TEXT, uids BLOB, digest BLOB, PRIMARY KEY (destination, uids))
    WITHOUT ROWID;
CREATE TABLE destination (name TEXT PRIMARY KEY, sent INTEGER NOT NULL DEFAULT 0,
    committed INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', error_at REAL,
    sent_at REAL, ask_error TEXT NOT NULL DEFAULT '', ask_error_at REAL, asked_at REAL);
CREATE TABLE request (uid TEXT PRIMARY KEY, destination TEXT NOT NULL, at REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0);
"""


def path_of(data: Path) -> Path:
    """Where the queue of a data folder lies."""
    return data / "forward.sqlite"


def prepare(data: Path, sync: bool) -> None:
    """See that there is a queue that is whole; else begin one, with what arrives from now on.

    Raises ResourceError. Nobody else may have it open.
    """
    path, journal = path_of(data), journal_of(data, sync)
    if path.exists() and (fault := _fault_of(path)):
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            if (old := path.with_name(name)).exists():
                old.replace(path.with_name(name.replace(".sqlite", ".damaged.sqlite")))
        logger.error("forwarding queue %s, kept as %s; what waited is not sent",
                     fault, "forward.damaged.sqlite")  # fmt: skip
    with errors():
        db = connect(path, sync)
        try:
            db.execute("BEGIN IMMEDIATE")
            rows = db.execute("SELECT journal, identity, tail FROM position").fetchall()
            fault = _fault_of_position(journal, *rows[0]) if rows else ""
            position = rows[0][0] if rows and not fault else journal.size(RECEIPTS)
            if fault:
                words = f"the forwarding queue is of a journal that {fault}"
                logger.error("%s: what arrived since then goes on by `minipacs send`", words)
            if fault or not rows:
                logger.warning("forwarding begins: what arrived before now is not sent on")
            journal.sync_lines(RECEIPTS)
            held = position, journal.make_identity(), journal.tail(RECEIPTS, position)
            db.execute("DELETE FROM position")
            db.execute("INSERT INTO position VALUES (?, ?, ?)", held)
            db.execute("COMMIT")
        finally:
            db.close()


def _fault_of_position(journal: Journal, position: int, identity: str, tail: str) -> str:
    """Why a position is not one of this journal; empty where it is. Raises OSError."""
    if position > journal.size(RECEIPTS):
        return "was longer"
    if identity and identity != journal.make_identity():
        return "is another one"
    return "held other lines" if identity and tail != journal.tail(RECEIPTS, position) else ""


def position_beside(data: Path) -> int | None:
    """The byte of the receipts up to which the queue has followed; None: it follows none.

    Nothing is written or made. Raises ResourceError.
    """
    with errors(), reading(path_of(data), _BUSY_SECONDS) as db:
        rows = db.execute("SELECT journal FROM position").fetchall() if db else []
    return int(rows[0][0]) if rows else None


def leave(data: Path) -> None:
    """Follow the journal no more: another `prepare` begins at its end. Raises ResourceError."""
    if path_of(data).exists() and not _fault_of(path_of(data)):
        with errors():
            db = connect(path_of(data), sync=True)
            db.execute("DELETE FROM position")
            db.close()


def connect(path: Path, sync: bool) -> sqlite3.Connection:
    """A connection to the file, made where there is none. Raises sqlite3.Error, OSError."""
    with suppress(FileExistsError):  # only then: to close it would drop the locks of SQLite's own
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = wal")
        db.execute(f"PRAGMA synchronous = {'full' if sync else 'off'}")
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            _make(db)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def reading(path: Path, seconds: float) -> Iterator[sqlite3.Connection | None]:
    """A connection that reads and has so long for it, or None where no queue is made yet.

    Writers go on beside it: with a write-ahead log nobody waits for who reads. Raises
    sqlite3.Error, OSError, and ResourceError where it is of an earlier version.
    """
    if not path.exists():
        yield None
        return
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=seconds)
    try:
        end = time.monotonic() + seconds
        db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if 0 < version < _VERSION:
            raise ResourceError(f"The forwarding queue: of version {version}: a start takes it on")
        yield db if version else None
    finally:
        db.close()


def _make(db: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an earlier version up; another may do it at once.

    Raises ResourceError where they are of a later one.
    """
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if fault := _fault_of_version(version):
        raise ResourceError(f"The forwarding queue: {fault}")
    steps = [_FROM[one] for one in range(version, _VERSION)] if version else [_TABLES]
    for statement in ";".join(steps).split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def _fault_of_version(version: int) -> str:
    return "" if 0 <= version <= _VERSION else f"of another version, {version}"


def _fault_of(path: Path) -> str:
    """Why a queue cannot go on. Raises ResourceError where the disk or the system is at fault."""
    with errors():
        return damage_found(path, lambda: _fault_seen(path))


def _fault_seen(path: Path) -> str:
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if fault := _fault_of_version(version):
            return fault
        require_sound(str(db.execute("PRAGMA quick_check(1)").fetchone()[0]))
        return ""


@contextmanager
def errors() -> Iterator[None]:
    """Turn what SQLite and the disk raise into ResourceError."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"The forwarding queue: {error.strerror}") from error
    except sqlite3.Error as error:
        raise ResourceError(f"The forwarding queue: {sqlite_words(error)}") from error
