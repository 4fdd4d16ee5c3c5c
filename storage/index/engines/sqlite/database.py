"""The SQLite file: connection, pragmas, transactions."""

import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from peewee import OperationalError, PeeweeException, SqliteDatabase
from playhouse.pool import PooledSqliteDatabase

from storage.diagnostics import ResourceError
from storage.files import (
    another_descriptor,
    held_for_too_long,
    lock,
    refusal,
    sqlite_words,
    unlock,
)
from storage.index.engines.sqlite.functions import FUNCTIONS

# How long a writer waits for another before it gives up with A700, in seconds.
BUSY_SECONDS = 30
# How many steps of SQLite's machine go by between two questions whether to stop.
_STEPS = 200_000

# Pages of SQLite's log after which who commits brings them into the file, two waits for the disk in
# which nobody else writes: by SQLite's own 1,000, which 110 stores fill, these took half of the
# time of all commits. 16 MB, as segments of the log have.
_CHECKPOINT_PAGES = 4000

# Connections kept for the next thread: those of a crowd of associations would each keep pages.
MAX_IDLE = 8

_PRIMARY = 0xFF  # of an extended result code, the code

# The databases that could not be written the last time: no connection is kept for the next thread.
suspects: set[str] = set()

# What peewee raises, and SQLite where it is asked directly.
ERRORS = (PeeweeException, sqlite3.Error)

# The turn to write is one thread's of each process, by the path of the file that is locked.
_gates: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


class Connection(sqlite3.Connection):
    """A connection to a file that another may take the place of.

    `inode` tells the file from others. While rows are read as they are asked for, `streams` counts
    who reads.
    """

    _turn = -1  # the descriptor of the file by which turns are taken, once there was one

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._path = str(arguments[0])
        # First: another file that takes its place just now is then noticed once too often.
        inode = inode_of(self._path)
        # Not every SQLite follows a link, and keeps its log beside the file.
        super().__init__(os.path.realpath(self._path), *arguments[1:], **named)
        if inode is None:  # of a file that is there it would be written each time
            self.execute("PRAGMA auto_vacuum = incremental")  # see `shrinking`
        self.inode = inode or inode_of(self._path)
        self.streams = 0
        self._is_bound = False
        self.turn_path = Path(arguments[0]).with_name("index.lock")
        self._gate = _gates[self.turn_path]

    @property
    def is_replaced(self) -> bool:
        """Whether another file has taken the place of the one that is open."""
        return inode_of(self._path) not in (None, self.inode)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the turn to write for the block. Raises OSError."""
        self.take_turn()
        try:
            yield
        finally:
            self.give_turn_back()

    def take_turn(self, deadline: float | None = None) -> None:
        """Have the turn to write, against other threads and processes. Raises OSError.

        SQLite's own wait looks again after many milliseconds, and is not fair among threads.
        """
        now = time.monotonic()
        deadline = now + BUSY_SECONDS if deadline is None else deadline
        # One of each process asks for the file's lock; the others are woken by its thread.
        if not self._gate.acquire(timeout=max(deadline - now, 0.0)):
            raise held_for_too_long()
        try:
            if self._turn < 0:
                flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
                self._turn = os.open(self.turn_path, flags, 0o600)
            lock(self._turn, 0, deadline)
        except BaseException:
            self._gate.release()
            raise
        try:
            self._bound(deadline)
        except BaseException:
            self.give_turn_back()
            raise

    def give_turn_back(self) -> None:
        """Let others write."""
        try:
            unlock(self._turn, 0)
        finally:
            self._gate.release()

    def _bound(self, deadline: float) -> None:
        """Who has waited for long waits for SQLite's own lock only as long as is left."""
        left = max(deadline - time.monotonic(), 0.0)
        if left < BUSY_SECONDS / 2 or self._is_bound:
            self._is_bound = left < BUSY_SECONDS / 2
            self.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")

    def __del__(self) -> None:
        self._close_turn()  # of one that was let go of, and not closed

    def _close_turn(self) -> None:
        descriptor, self._turn = self._turn, -1
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Close it, and give back the descriptor; of a file that was replaced beside the caller.

        With its last descriptor the room of such a file is given back: 0.2 s of 350 MB, for which
        nobody who stores is to wait.
        """
        self._close_turn()
        if self.is_replaced:
            threading.Thread(target=self._let_go, name="replaced index", daemon=True).start()
        else:
            super().close()

    def _let_go(self) -> None:
        # SQLite closes a file while no other can be opened or closed: it is not to be the last.
        held = self.inode and another_descriptor(self.inode)
        super().close()
        if held:
            os.close(held)


class _Pool(PooledSqliteDatabase):
    """Keeps what threads close for the next ones, up to a point."""

    def _can_reuse(self, conn: Any) -> bool:
        reusable: bool = super()._can_reuse(conn)  # type: ignore[no-untyped-call]
        kept = not suspects and len(self._connections) < MAX_IDLE
        return reusable and kept and not conn.is_replaced


def inode_of(path: str) -> tuple[int, int] | None:
    """What tells the file at a path from others; None: there is none."""
    try:
        held = os.stat(path)
    except OSError:
        return None
    return held.st_dev, held.st_ino


def index_path(data: Path) -> Path:
    """Where the index of a data folder lies."""
    return data / "index.sqlite"


def connect(path: Path, sync: bool, pooled: bool = False) -> SqliteDatabase:
    """A database in WAL mode that opens a connection per thread.

    `pooled`: what a thread closes is kept for the next one; to open and close it takes longer
    than a store. With `sync` a power cut may take the last commits, which the journal brings
    back, but not the order of them; without, it may take the file.
    """
    make: Any = partial(_Pool, max_connections=None) if pooled else SqliteDatabase
    database: SqliteDatabase = make(
        str(path),
        check_same_thread=False,
        factory=Connection,
        pragmas={
            "busy_timeout": BUSY_SECONDS * 1000,
            "journal_mode": "wal",
            "synchronous": "normal" if sync else "off",
            "foreign_keys": 1,
            "cache_size": -16_000,
            "wal_autocheckpoint": _CHECKPOINT_PAGES,
        },
    )
    for function in FUNCTIONS:
        database.register_function(function, function.__name__, function.__code__.co_argcount)
    return database


def execute(database: SqliteDatabase, statement: str, values: Sequence[Any]) -> list[Any]:
    """Run a prepared statement; the rows that it gives. Raises sqlite3.Error.

    Past peewee, whose way of running one takes longer than most of them.
    """
    return connection_of(database).execute(statement, values).fetchall()


def connection_of(database: SqliteDatabase) -> Connection:
    """The calling thread's connection, to the file that is in its place now.

    Who is within a transaction, or reads rows, goes on with the one that was there.
    """
    connection: Connection = database.connection()  # type: ignore[no-untyped-call]
    if not connection.in_transaction and not connection.streams and connection.is_replaced:
        state: Any = database._state  # type: ignore[attr-defined]
        blocks = state.ctx  # of `connected`, within which this is
        _close(database)
        connection = database.connection()  # type: ignore[no-untyped-call]
        state.ctx = blocks
    return connection


def _close(database: SqliteDatabase) -> None:
    """Close the calling thread's connection, and those that wait for use."""
    database.close()
    if hasattr(database, "close_idle"):
        database.close_idle()


def not_locked(database: SqliteDatabase, error: OSError) -> ResourceError:
    """What is raised where the turn to write cannot be had."""
    path = connection_of(database).turn_path
    return ResourceError(f"The index cannot be locked: {refusal(error, path)}")


@contextmanager
def interruptible(database: SqliteDatabase, stop: Callable[[], None]) -> Iterator[None]:
    """Ask `stop` while the calling thread's statements run; what it raises ends them."""
    raised: list[BaseException] = []

    def ask() -> int:
        try:
            stop()
        except BaseException as error:  # handed on below; SQLite knows only that it was told
            raised.append(error)
        return len(raised)

    connection = connection_of(database)
    connection.set_progress_handler(ask, _STEPS)
    try:
        yield
    except (OperationalError, sqlite3.OperationalError):  # of the query builder, and of `stream`
        if raised:
            raise raised[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def reading() -> Iterator[None]:
    """Turn a failure to read the index into ResourceError."""
    try:
        yield
    except ERRORS as error:
        raise ResourceError(f"The index cannot be read: {sqlite_words(error)}") from error


def let_go(database: SqliteDatabase, error: BaseException) -> None:
    """Close the calling thread's connection where it cannot write, and those that wait for use.

    SQLite opened them without the right to write, which they never get back; the next one writes
    once the rights are mended. The shared memory is opened once for a whole process, so that it
    takes the end of all that are open.
    """
    if getattr(error, "sqlite_errorcode", 0) & _PRIMARY != sqlite3.SQLITE_READONLY:
        return
    suspects.add(str(database.database))
    _close(database)


def version_of(path: Path) -> int:
    """The number of a file's tables, which is not changed by the look. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        ((version,),) = database.execute("PRAGMA user_version")
    return int(version)
