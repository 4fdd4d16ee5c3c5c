"""The engine that is there unless another is set: SQLite, in a file of the data folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from storage.files import require_sound
from storage.index.sqlite import database as db
from storage.index.sqlite.added_keys import AddedKeys
from storage.index.sqlite.added_values import AddedValues
from storage.index.sqlite.high_water import Mark, read_mark, write_mark
from storage.index.sqlite.making import Making
from storage.journal import Journal


class SqliteEngine:
    """A SQLite file, through `database`: an `Engine`, and what is SQLite's own."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database

    @property
    def path(self) -> Path:
        """Its file, or what leads to it."""
        return Path(self.database.database)

    @property
    def entered(self) -> dict[Any, Any]:
        """What was entered over the calling thread's connection."""
        return db.connection_of(self.database).entered

    def execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run a prepared statement; the rows that it gives. Raises sqlite3.Error."""
        return db.execute(self.database, statement, values)

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
        with self.database.atomic():
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that holds the write lock from its start. Raises ResourceError."""
        with db.writing(self.database):
            connection = db.connection_of(self.database)
            (version,) = db.execute(self.database, "PRAGMA data_version", ())[0]
            if version != connection.version:  # another has written
                connection.version = version
                connection.entered.clear()
            yield

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
        return AddedKeys(self.database)

    @property
    def added_values(self) -> AddedValues:
        """The values that it holds for these."""
        return AddedValues(self.database)

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
