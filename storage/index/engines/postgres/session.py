"""Statements and transactions of threads: each has a connection for as long as one of these."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any

import psycopg

from storage.index.engines import Stop
from storage.index.engines.postgres.connections import Connection, Connections
from storage.index.engines.postgres.database import Rows
from storage.index.engines.postgres.streaming import StreamCursor
from storage.index.engines.postgres.translation import taken, told, translated
from storage.index.engines.postgres.trips import Trip

# What of the rows above instances was seen, and the epoch of then; with -1, nothing.
Known = tuple[int, dict[Any, Any]]
NOTHING: Known = (-1, {})
# Rows that are read at once of a statement whose rows are read as they are asked for.
_PAGE = 256
_CHANGES = ("UPDATE", "DELETE")
_cursors = count(1)


class ThreadState(threading.local):
    """What a thread is about: its transaction, and who asks to stop."""

    connection: Connection | None = None
    is_writing = False
    trip: Trip | None = None
    epoch: int | None = None
    entered: Known = NOTHING
    stop: Stop | None = None


class Session:
    """What the threads of a process have under way over some connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._thread = ThreadState()

    def execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run a prepared statement; the rows that it gives. Raises psycopg.Error."""
        return self.statement(statement, values).fetchall()

    def statement(self, statement: str, values: Sequence[Any]) -> Rows:
        """The same, with what is known of the rows."""
        text, given = translated(statement), taken(values)
        with self._used() as run:
            cursor = run(lambda connection: connection.execute(text, given))
            self._note(statement)
            return Rows(cursor)

    def execute_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that changes rows, with each of some rows. Raises psycopg.Error."""
        if rows:
            text, given = translated(statement), [taken(row) for row in rows]
            with self._used() as run:
                run(lambda connection: connection.cursor().executemany(text, given))
                self._note(statement)

    def _note(self, statement: str) -> None:
        """Whether what is read anew of the epoch may be another one."""
        if statement.startswith(_CHANGES):
            self._thread.epoch = None

    @contextmanager
    def _used(self) -> Iterator[Callable[[Callable[[Connection], Any]], Any]]:
        """How something is done over the thread's connection, or one for this alone.

        Where that one answered before and is cut off now, as by a restart, it is done over another.
        """
        if held := self._thread.connection:
            yield lambda work: work(held)
            return
        with self._connections.leased(self._thread.stop) as connection:

            def run(work: Callable[[Connection], Any]) -> Any:
                try:
                    return work(connection)
                except (psycopg.OperationalError, psycopg.errors.FeatureNotSupported) as error:
                    if not _is_of_before(connection, error):
                        raise
                self._connections.close_idle()
                with self._connections.opened(self._thread.stop) as other:
                    return work(other)

            yield run

    def stream(self, statement: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of a statement, as they are asked for.

        Few are read at once, and then nobody waits for who asks; of more the rest is read over a
        connection that is kept for that long.
        """
        text, given = translated(statement), taken(values)
        if held := self._thread.connection:
            with psycopg.RawServerCursor(held, f"rows{next(_cursors)}") as cursor:
                cursor.itersize = _PAGE
                cursor.execute(text, given)
                for row in cursor:
                    yield told(row)
            return
        with self._streaming(text, given) as (first, rows):
            if len(first) == _PAGE:
                yield from first
                first = []
                for number, row in enumerate(rows):
                    if self._thread.stop and not number % _PAGE:
                        self._thread.stop()
                    yield told(row)
        yield from first

    @contextmanager
    def _streaming(self, text: str, given: list[Any]) -> Iterator[tuple[list[Any], Iterator[Any]]]:
        """The first rows of a statement, and those behind; over another one as in `_used`."""
        with ExitStack() as held:
            stop = self._thread.stop
            connection = held.enter_context(self._connections.leased(stop, is_stream=True))
            try:
                begun = _begun_rows(connection, text, given)
            except (psycopg.OperationalError, psycopg.errors.FeatureNotSupported) as error:
                if not _is_of_before(connection, error):
                    raise
                self._connections.close_idle()
                connection = held.enter_context(self._connections.opened(stop))
                begun = _begun_rows(connection, text, given)
            yield begun

    @contextmanager
    def interruptible(self, stop: Stop) -> Iterator[None]:
        """Ask `stop` while the calling thread's statements run; what it raises ends them."""
        thread = self._thread
        before, thread.stop = thread.stop, stop
        if thread.connection:
            thread.connection.stop = stop
        try:
            yield
        finally:
            thread.stop = before
            if thread.connection:
                thread.connection.stop = before

    @contextmanager
    def _transaction(self, begin: str, is_writing: bool = False) -> Iterator[None]:
        if self._thread.connection:
            with self._part():
                yield
            return
        thread = self._thread
        with self._begun(begin) as connection:
            thread.connection, thread.is_writing, thread.epoch = connection, is_writing, None
            try:
                yield
                _commit(connection)
                self._publish(thread.entered)
            except BaseException as error:
                self._forget()
                if isinstance(error, psycopg.errors.FeatureNotSupported):  # see `_PASSING`
                    connection.close()
                with suppress(psycopg.Error):
                    connection.rollback()
                raise
            finally:
                thread.connection, thread.is_writing, thread.epoch = None, False, None
                thread.entered = NOTHING

    @contextmanager
    def _begun(self, begin: str) -> Iterator[Connection]:
        """A connection in a transaction; another one where the first was cut off before that."""
        with self._connections.leased(self._thread.stop) as connection:
            try:
                connection.execute(begin, prepare=False)
            except psycopg.OperationalError:
                if not (connection.closed and connection.is_used):
                    raise
            else:
                yield connection
                return
            self._connections.close_idle()
            with self._connections.opened(self._thread.stop) as other:
                other.execute(begin, prepare=False)
                yield other

    @contextmanager
    def _part(self) -> Iterator[None]:
        """A part of a larger transaction."""
        self.execute("SAVEPOINT part", ())
        try:
            yield
        except BaseException:
            self._forget()
            self.execute("ROLLBACK TO part", ())
            raise
        finally:
            with suppress(psycopg.Error):
                self.execute("RELEASE part", ())

    def _forget(self) -> None:
        """Forget what was done in a transaction that is taken back."""

    def _publish(self, known: Known) -> None:
        """Have others know it, as it is committed."""


def _begun_rows(
    connection: Connection, text: str, given: list[Any]
) -> tuple[list[Any], Iterator[Any]]:
    rows = StreamCursor(connection).stream(text, given, size=_PAGE)
    return [told(row) for _, row in zip(range(_PAGE), rows, strict=False)], rows


def _is_of_before(connection: Connection, error: psycopg.Error) -> bool:
    """Whether an error comes of what was before: the server, or a plan of other tables."""
    if isinstance(error, psycopg.errors.FeatureNotSupported):  # see `_PASSING`
        connection.close()
        return True
    return connection.closed and connection.is_used


def _commit(connection: Connection) -> None:
    ended = connection.execute("COMMIT", prepare=False)
    if ended.statusmessage != "COMMIT":  # a statement had failed, and went on as if it had not
        raise psycopg.InternalError("what was written was taken back")
