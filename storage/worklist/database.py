"""The worklist's file: what the folder and the journal tell, in tables; made anew where it is not.

It is to these two what the index is to the tree: disposable. Only the last questions of modalities
are nowhere else.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.files import sqlite_words
from storage.journal import Journal
from storage.journal.segments import Line

logger = logging.getLogger(__name__)

_VERSION = 2
_BUSY_SECONDS = 30
# Of the journal, held in memory at one time.
_PIECE_BYTES = 4 << 20
_KEY_INDEX = "CREATE INDEX entry_key ON entry (of, step)"  # of version 2
_TABLES = """
CREATE TABLE file (name TEXT PRIMARY KEY, written INTEGER, size INTEGER, at INTEGER,
    fault TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL,
    number INTEGER NOT NULL, of TEXT NOT NULL, step TEXT NOT NULL, study TEXT NOT NULL,
    accession TEXT NOT NULL, patient TEXT NOT NULL, day TEXT NOT NULL, document TEXT NOT NULL,
    fault TEXT NOT NULL DEFAULT '', replaced TEXT NOT NULL DEFAULT '',
    looked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX entry_file ON entry (file);
CREATE INDEX entry_study ON entry (study);
CREATE INDEX entry_accession ON entry (accession) WHERE accession <> '';
CREATE INDEX entry_day ON entry (day);
CREATE TABLE step (uid TEXT PRIMARY KEY, status TEXT NOT NULL, peer TEXT NOT NULL,
    created INTEGER NOT NULL, changed INTEGER NOT NULL, by_node INTEGER NOT NULL,
    document TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX step_in_progress ON step (changed) WHERE status = 'IN PROGRESS';
CREATE TABLE scheduled (uid TEXT, number INTEGER, study TEXT, accession TEXT, step TEXT,
    PRIMARY KEY (uid, number)) WITHOUT ROWID;
CREATE INDEX scheduled_study ON scheduled (study);
CREATE INDEX scheduled_accession ON scheduled (accession) WHERE accession <> '';
CREATE TABLE decision (of TEXT, step TEXT, state TEXT NOT NULL, by TEXT NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (of, step)) WITHOUT ROWID;
CREATE TABLE arrival (study TEXT, modality TEXT, accession TEXT NOT NULL, patient TEXT NOT NULL,
    name TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    instances INTEGER NOT NULL, PRIMARY KEY (study, modality)) WITHOUT ROWID;
CREATE INDEX arrival_accession ON arrival (accession) WHERE accession <> '';
CREATE TABLE mark (name TEXT PRIMARY KEY, journal TEXT, position INTEGER, tail TEXT) WITHOUT ROWID;
CREATE TABLE question (id INTEGER PRIMARY KEY AUTOINCREMENT, peer TEXT NOT NULL,
    address TEXT NOT NULL, at INTEGER NOT NULL, answers INTEGER NOT NULL, keys TEXT NOT NULL);
CREATE INDEX question_peer ON question (peer);
"""


def path_of(data: Path) -> Path:
    """Where the tables of a data folder's worklist lie."""
    return data / "worklist.sqlite"


def connect(data: Path) -> sqlite3.Connection:
    """A connection, for any thread that has it alone; one that is damaged is begun anew.

    Raises sqlite3.Error, OSError.
    """
    path = path_of(data)
    for _ in range(2):
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = wal")
            db.execute("PRAGMA synchronous = normal")
            if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION or _made(db):
                return db
            words = "is of another version"
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:
            words = sqlite_words(error)
        db.close()
        logger.warning("%s is made anew: %s", path, words)
        remove(data)
    raise sqlite3.DatabaseError("cannot be made anew")


def _made(db: sqlite3.Connection) -> bool:
    """Whether the tables could be made, or somebody else just has."""
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _TABLES.split(";"):
            db.execute(statement)
    if version in (0, 1):
        db.execute(_KEY_INDEX)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")
    return version in (0, 1, _VERSION)


_CHANGED = (
    "INSERT INTO mark (name, position) VALUES ('changes', 1) "
    "ON CONFLICT (name) DO UPDATE SET position = position + 1"
)


def changes(db: sqlite3.Connection) -> int:
    """A number that is another one whenever something was changed."""
    row = db.execute("SELECT position FROM mark WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def remove(data: Path) -> None:
    """Have it be made anew by who asks next. Raises OSError."""
    path = path_of(data)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that nobody else writes beside; taken back where the block raises.

    It has `changes` be another number.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute(_CHANGED)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def has_all(db: sqlite3.Connection, journal: Journal, name: str) -> bool:
    """Whether the tables hold all lines `name`."""
    size = journal.size(name)
    return _mark(db, name) == (journal.identity(), size, journal.tail(name, size))


def read_on(
    db: sqlite3.Connection, journal: Journal, name: str, forget: Callable[[], None],
    enter: Callable[[Line], None],
) -> None:  # fmt: skip
    """Enter the lines `name` that the tables lack; a transaction is open.

    Of another journal, or where a line that was read is not there, as of a transaction that was
    taken back, what is held is forgotten, and all read anew.
    """
    if has_all(db, journal, name):
        return
    identity, mark, start = journal.make_identity(), _mark(db, name), 0
    if mark and mark[0] == identity and mark[2] == journal.tail(name, mark[1]):
        start = mark[1]
    else:
        forget()
    end = start
    for begin, end in journal.pieces(name, start, journal.size(name), _PIECE_BYTES):
        for line in journal.lines(name, begin, end):
            enter(line)
    journal.sync_lines(name)  # a mark of what the power took would have all be read anew
    held = (name, identity, end, journal.tail(name, end))
    db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", held)


def _mark(db: sqlite3.Connection, name: str) -> tuple[str, int, str] | None:
    row = db.execute("SELECT journal, position, tail FROM mark WHERE name = ?", (name,)).fetchone()
    return (row[0], row[1], row[2]) if row else None


@contextmanager
def errors() -> Iterator[None]:
    """Turn what SQLite and the disk raise into ResourceError."""
    try:
        yield
    except sqlite3.Error as error:
        raise ResourceError(f"The worklist cannot be read: {sqlite_words(error)}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise ResourceError(f"The worklist cannot be read: {where}{error.strerror}") from error
