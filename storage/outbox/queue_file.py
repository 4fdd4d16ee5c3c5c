"""The queue in a file of its own, of SQLite: made, checked, and begun anew where it is damaged."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from storage.diagnostics import ResourceError
from storage.files import damage_found, require_sound, sqlite_words
from storage.outbox.tables import VERSION, fault_of_version, statements_from

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 30
# Of SQLite's virtual machine, between two looks at the clock: well below a millisecond.
_STEPS = 10_000


def path_of(data: Path) -> Path:
    """Where the queue of a data folder lies."""
    return data / "forward.sqlite"


class QueueFile:
    """The file, open: a `QueueDatabase`."""

    def __init__(self, data: Path, sync: bool) -> None:
        self._path = path_of(data)
        self._lock = threading.Lock()
        with errors():
            self.connection = connect(self._path, sync)
            self._inode = self._path.stat().st_ino

    @property
    def name(self) -> str:
        """Its path."""
        return str(self._path)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, which is on the disk behind the block."""
        with self._lock, errors():
            if self._path.stat().st_ino != self._inode:
                raise ResourceError(f"{self._path}: is another file than it was")
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def select(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads."""
        with self._lock, errors():
            return self.connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close it."""
        self.connection.close()


def put_aside_damaged(data: Path) -> None:
    """Give a file that cannot go on another name. Raises ResourceError, OSError."""
    path = path_of(data)
    if path.exists() and (fault := fault_of(path)):
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            if (old := path.with_name(name)).exists():
                old.replace(path.with_name(name.replace(".sqlite", ".damaged.sqlite")))
        logger.error("forwarding queue %s, kept as %s; what waited is not sent",
                     fault, "forward.damaged.sqlite")  # fmt: skip


def connect(path: Path, sync: bool) -> sqlite3.Connection:
    """A connection to the file, made where there is none. Raises sqlite3.Error, OSError."""
    with suppress(FileExistsError):  # only then: to close it would drop the locks of SQLite's own
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = wal")
        db.execute(f"PRAGMA synchronous = {'full' if sync else 'off'}")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
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
        if 0 < version < VERSION:
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
    if fault := fault_of_version(version):
        raise ResourceError(f"The forwarding queue: {fault}")
    for statement in statements_from(version):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def fault_of(path: Path) -> str:
    """Why a queue cannot go on. Raises ResourceError where the disk or the system is at fault."""
    with errors():
        return damage_found(path, lambda: _fault_seen(path))


def _fault_seen(path: Path) -> str:
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if fault := fault_of_version(version):
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
