"""The engine that is there unless another is set: SQLite, in a file of the data folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from storage.files import held_for_too_long, require_sound
from storage.index.engines import AddedKeys, AddedValues, SharedTransactions
from storage.index.engines.sqlite import database as db
from storage.index.engines.sqlite.epoch import make_epoch, read_epoch
from storage.index.engines.sqlite.high_water import Mark, read_mark, write_mark
from storage.index.engines.sqlite.key_tables import TABLES as KEY_TABLES
from storage.index.engines.sqlite.making import Making
from storage.index.engines.sqlite.transactions import writing
from storage.journal import Journal
from storage.query import SQLITE, Dialect


class SqliteEngine:
    """A SQLite file, through `database`: an `Engine`, and what is SQLite's own.

    `above`: the tables whose rows `entered` speaks of.
    """

    def __init__(self, database: SqliteDatabase, above: Iterable[str]) -> None:
        self.database = database
        self._above = tuple(above)
        # Of which file, and at which epoch of that.
        self._entered: tuple[Any, int, dict[Any, Any]] = (None, 0, {})
        self._transactions = SharedTransactions(self._writing, self._not_locked)

    @property
    def dialect(self) -> Dialect:
        """How statements are written."""
        return SQLITE

    @property
    def path(self) -> Path:
        """Its file, or what leads to it."""
        return Path(self.database.database)

    @property
    def entered(self) -> dict[Any, Any]:
        """What was entered while no row of the tables was changed or deleted.

        Of all threads, and only in a transaction that writes.
        """
        connection = db.connection_of(self.database)
        inode, held_at, entered = self._entered
        if inode is None or inode != connection.inode:
            make_epoch(connection, self._above)
        epoch = read_epoch(connection)
        if epoch != held_at or inode != connection.inode:
            entered = {}
            self._entered = connection.inode, epoch, entered
        return entered

    def connect(self) -> None:
        """Have a connection for the calling thread. Raises ResourceError."""
        if self.database.is_closed():
            with db.reading():
                self.database.connect()

    def execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run a prepared statement; the rows that it gives. Raises sqlite3.Error."""
        return db.execute(self.database, statement, values)

    def execute_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that changes rows, with each of some rows. Raises sqlite3.Error."""
        db.connection_of(self.database).executemany(statement, rows)

    def stream(self, statement: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of a statement, as they are asked for."""
        connection = db.connection_of(self.database)
        connection.streams += 1
        try:
            yield from connection.execute(statement, values)
        finally:
            connection.streams -= 1

    def reading(self) -> AbstractContextManager[None]:
        """Turn a failure to read the index into ResourceError."""
        return db.reading()

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """Have several statements see one state of the index, or make one change."""
        try:
            with self.database.atomic():
                yield
        except BaseException:
            self._forget()
            raise

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that holds the write lock from its start. Raises ResourceError."""
        return writing(self.database, None, self._forget)

    def write(self, work: Callable[[], None]) -> None:
        """Run what writes, in one transaction with what other threads write now.

        Raises ResourceError.
        """
        if self.database.connection().in_transaction:  # type: ignore[no-untyped-call]
            with self.writing():
                work()
        else:
            self._transactions.run(work, db.BUSY_SECONDS)

    def _writing(self, deadline: float) -> AbstractContextManager[None]:
        return writing(self.database, deadline, self._forget)

    def _forget(self) -> None:
        """Forget what was entered and is taken back: its rows have other ids then, or none."""
        self._entered = (None, 0, {})

    def _not_locked(self) -> Exception:
        return db.not_locked(self.database, held_for_too_long())

    def interruptible(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Ask `stop` while the calling thread's statements run; what it raises ends them."""
        return db.interruptible(self.database, stop)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Have the calling thread's connection end with the block."""
        with self.database.connection_context():
            yield

    def close_thread(self) -> None:
        """Close the calling thread's connection."""
        if not self.database.is_closed():
            self.database.close()

    def make_lasting(self) -> None:
        """Nothing: files outlast that, of which rows are made anew."""

    def sync_commits(self) -> None:
        """Have a commit be on the disk, also after a power cut: over this connection."""
        self.execute("PRAGMA synchronous = FULL", ())

    def version(self) -> int:
        """The number that an application keeps in the file: 0 in a new one."""
        return int(self.execute("PRAGMA user_version", ())[0][0])

    def set_version(self, version: int) -> None:
        """Set it."""
        self.execute(f"PRAGMA user_version = {version}", ())

    def mark(self, journal: Journal, name: str, position: int) -> None:
        """Mark how far it holds the lines `name` of a journal. Raises OSError, ResourceError."""
        write_mark(self.database, journal, name, position)

    def marked(self, name: str) -> Mark | None:
        """How far it holds the lines `name`, and of which journal."""
        return read_mark(self.database, name)

    @property
    def added_keys(self) -> AddedKeys:
        """The keys that were added to it."""
        return AddedKeys(self, KEY_TABLES)

    @property
    def added_values(self) -> AddedValues:
        """The values that it holds for these."""
        return AddedValues(self)

    @property
    def making(self) -> Making:
        """What it keeps of its own making."""
        return Making(self.database)

    def checkpoint(self) -> bool:
        """Bring what was committed into the file itself; whether all of it is there now."""
        busy, frames, moved = self.execute("PRAGMA wal_checkpoint(PASSIVE)", ())[0]
        return not busy and frames == moved

    def empty_log(self) -> None:
        """Bring what was committed into the file, and have no log beside it."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def require_sound(self) -> None:
        """Read all of the file. Raises sqlite3.Error where it is damaged, or the disk fails."""
        ((found,),) = self.execute("PRAGMA quick_check(1)", ())
        require_sound(str(found))
