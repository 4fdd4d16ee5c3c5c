"""The engine for who outgrows one machine: PostgreSQL, a schema for each archive.

Whoever writes holds an advisory lock of the archive for the whole transaction, as SQLite has one
writer: so what is read in it stays true until it is committed, on whatever node. Threads of a
process share transactions.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from peewee import PeeweeException

from storage.diagnostics import ResourceError
from storage.index.engines import AddedKeys, AddedValues, SharedTransactions
from storage.index.engines.postgres.connections import (
    BUSY_SECONDS,
    Connections,
    pause,
    words_of,
)
from storage.index.engines.postgres.database import QueryDatabase
from storage.index.engines.postgres.schema import (
    KEY_TABLES,
    MAKE_META,
    READ_EPOCH,
    READ_MARK,
    READ_NUMBER,
    READ_VERSION,
    WRITE_MARK,
    WRITE_VERSION,
)
from storage.index.engines.postgres.session import NOTHING, Known, Session
from storage.index.engines.postgres.trips import LASTING, Told, Trip, whole_trip
from storage.journal import Journal
from storage.query import POSTGRESQL, Dialect

ERRORS = (PeeweeException, psycopg.Error)

# What another transaction may bring about, and is gone the next time; so is a connection.
_PASSING = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.UniqueViolation,
    psycopg.errors.FeatureNotSupported,  # a plan of before the tables were replaced
)
# How what ends a connection is told: a server by 57P0x, PgBouncer by 08P01 whatever it is.
_CUT_OFF = ("08", "57P")
_ATTEMPTS = 6
# What the settings of a connection are, beside its schema. `jit` takes seconds for a list of all. A
# commit that was answered outlasts a power cut, whatever the server is told to do for others; each
# statement sees what was committed before it, as one behind a lock has to; and who holds a right
# for long, and does other things meanwhile, keeps it.
_SETTINGS = {
    "jit": "off", "lock_timeout": f"{BUSY_SECONDS}s", "synchronous_commit": "on",
    "default_transaction_isolation": "read committed", "idle_in_transaction_session_timeout": "0",
}  # fmt: skip


_SCHEMA = re.compile("[a-z_][a-z0-9_]{0,50}")


class PassingError(ResourceError):
    """What may go well the next time; nor is it known whether it was committed."""


@contextmanager
def _written() -> Iterator[None]:
    """Turn a failure to write into PassingError or ResourceError."""
    try:
        yield
    except ERRORS as error:
        words = f"The index cannot be written: {words_of(error)}"
        if _is_cut_off(error) or isinstance(error, _PASSING):
            raise PassingError(words) from error
        raise ResourceError(words) from error


def _is_cut_off(error: Exception) -> bool:
    """Whether a connection was lost: without a word, or with one of a server that ends."""
    state = error.sqlstate or "" if isinstance(error, psycopg.OperationalError) else None
    return state is not None and (not state or state.startswith(_CUT_OFF))


class PostgresEngine(Session):
    """An `Engine`. `above`: the tables whose rows `entered` speaks of.

    `beside`: a schema with further tables, which are written under the same right.
    """

    def __init__(self, url: str, schema: str, above: Iterable[str], beside: str = "") -> None:
        for name in (schema, beside or schema):
            if not _SCHEMA.fullmatch(name):
                raise ResourceError(f"{name}: a schema's name is of small letters, digits and _")
        self.url, self.schema = url, schema
        path = f"{schema},{beside}" if beside else schema
        super().__init__(Connections(url, _SETTINGS | {"search_path": path}))
        self.database = QueryDatabase(self.statement, self.execute)
        self._above = tuple(above)
        self._lock_key = zlib.crc32(schema.removesuffix("_new").encode())
        # What `entered` was at the last commit here, or was learned by a trip. Who relies on it has
        # the server compare the epoch, and who changes it puts another one in its place.
        self.remembered: Known = NOTHING
        self._transactions = SharedTransactions(self._writing, self._refused)
        self._trips = SharedTransactions(self._on_trip, self._refused)

    @property
    def dialect(self) -> Dialect:
        """How statements are written."""
        return POSTGRESQL

    @property
    def entered(self) -> dict[Any, Any]:
        """What was entered while no row of the tables was changed or deleted.

        Only in a transaction that writes, which sees what was done by all before it.
        """
        thread = self._thread
        if thread.epoch is None:
            thread.epoch = int(self.execute(READ_EPOCH, ())[0][0])
        if thread.entered[0] != thread.epoch:
            epoch, known = self.remembered
            thread.entered = thread.epoch, dict(known) if epoch == thread.epoch else {}
        return thread.entered[1]

    def connect(self) -> None:
        """Have a connection, or see that there is one to be had. Raises ResourceError."""
        with self.reading(), self._connections.leased():
            pass

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn a failure to read the index into ResourceError.

        Within a transaction that writes `writing` does, and knows what is to be tried again.
        """
        try:
            yield
        except ERRORS as error:
            if self._thread.is_writing:
                raise
            raise ResourceError(f"The index cannot be read: {words_of(error)}") from error

    def at_one_time(self) -> AbstractContextManager[None]:
        """Have several statements see one state of the index, or make one change."""
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that holds the right to write from its start. Raises ResourceError."""
        with _written(), self.turn():
            yield

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The same, for who says itself what was not written. Raises `ERRORS`."""
        if self._thread.connection and not self._thread.is_writing:
            self.execute(f"SELECT pg_advisory_xact_lock({self._lock_key})", ())
        begin = f"BEGIN; SELECT pg_advisory_xact_lock({self._lock_key})"
        with self._transaction(begin, is_writing=True):
            yield

    def write(self, work: Callable[[], None]) -> None:
        """Run what writes, in one transaction with what other threads write now.

        It is run again where others were in the way, and where it is not known whether it was
        committed: a work does the same twice. Raises ResourceError.
        """
        if self._thread.connection:
            with self.writing():
                work()
            return
        for attempt in range(_ATTEMPTS):
            try:
                self._transactions.run(work, BUSY_SECONDS)
                return
            except PassingError:
                if attempt == _ATTEMPTS - 1:
                    raise
            pause(attempt)

    @property
    def sends(self) -> bool:
        """Whether `send` can be used: libpq is one that knows how to, from 14 on."""
        return psycopg.Pipeline.is_supported()

    def send(self, work: Callable[[], None]) -> None:
        """Run what writes by `say` alone: in one trip, with what other threads send now.

        It may be run by one of them, and twice. Raises PassingError, where it may have been
        committed, and ResourceError.
        """
        self._trips.run(work, BUSY_SECONDS)

    def say(self, statement: str, values: Sequence[Any]) -> Told:
        """A statement of the trip, whose rows are there once `send` returns."""
        return self._trip().say(statement, values)

    def say_behind(self, statement: str, values: Sequence[Any]) -> Told:
        """One that reads what there is once the trip's transaction is over."""
        return self._trip().say_behind(statement, values)

    def _trip(self) -> Trip:
        if self._thread.trip is None:
            raise AssertionError("said what is to be sent, and `send` does not run it")
        return self._thread.trip

    @contextmanager
    def _on_trip(self, deadline: float) -> Iterator[None]:
        with _written(), self._connections.leased() as connection:
            try:
                with whole_trip(connection, self._lock_key) as self._thread.trip:
                    yield
            finally:
                self._thread.trip = None

    def make_lasting(self) -> None:
        """See that all that can be read by now outlasts a crash of the server.

        Others may see what was sent on a trip before that does. Raises ResourceError.
        """
        with _written():
            self.execute(LASTING, ())

    def _writing(self, deadline: float) -> AbstractContextManager[None]:
        return self.writing()

    def _forget(self) -> None:
        """Forget what was entered and is taken back: its rows have other ids then, or none."""
        self._thread.entered, self._thread.epoch = NOTHING, None

    def _publish(self, known: Known) -> None:
        if known is not NOTHING:  # else it was about other tables
            self.remembered = known

    def _refused(self) -> Exception:
        return ResourceError(f"The index cannot be written: others have for {BUSY_SECONDS} s")

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Nothing is to be ended: a thread has a connection as long as a statement."""
        yield

    def close_thread(self) -> None:
        """Nothing is to be closed, as in `connected`."""

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._connections.close_idle()

    def sync_commits(self) -> None:
        """Nothing is to be done: a commit outlasts a power cut, unless the server is told else."""

    def mark(self, journal: Journal, name: str, position: int) -> None:
        """Note how far it holds the lines `name`. Raises ResourceError."""
        with self.writing():
            self.execute(WRITE_MARK, (name, position))

    def marked(self, name: str) -> int:
        """How far it holds the lines `name`; 0 where nobody can tell. Raises ResourceError."""
        with self.reading():
            found = self.execute(READ_MARK, (name,))
        return int(found[0][0]) if found else 0

    def number(self) -> int:
        """What tells its schema from one that takes the place of it. Raises ResourceError."""
        with self.reading():
            found = self.execute(READ_NUMBER, (self.schema,))
        return int(found[0][0]) if found else 0

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Be the one of all processes that does what has this name. Raises ResourceError.

        Over a connection of its own, in a transaction, as poolers in between keep no other locks.
        """
        key = zlib.crc32(f"{self._lock_key} {name}".encode())
        try:
            with self._connections.leased() as connection:
                connection.execute(f"BEGIN; SELECT pg_advisory_xact_lock({key})", prepare=False)
                yield
                connection.execute("COMMIT", prepare=False)
        except psycopg.errors.LockNotAvailable as error:
            words = f"{name}: another process has been at it for {BUSY_SECONDS} s"
            raise ResourceError(words) from error
        except ERRORS as error:
            raise ResourceError(f"{name}: {words_of(error)}") from error

    def version(self) -> int:
        """The number that tells which tables these are; 0: they are not whole yet."""
        try:
            found = self.execute(READ_VERSION, ())
        except psycopg.errors.UndefinedTable:
            return 0
        return int(found[0][0]) if found else 0

    def set_version(self, version: int) -> None:
        """Set it."""
        with self.writing():
            self.execute(MAKE_META, ())
            self.execute(WRITE_VERSION, (version,))

    @property
    def added_keys(self) -> AddedKeys:
        """The keys that were added to it."""
        return AddedKeys(self, KEY_TABLES)

    @property
    def added_values(self) -> AddedValues:
        """The values that it holds for these."""
        return AddedValues(self)
