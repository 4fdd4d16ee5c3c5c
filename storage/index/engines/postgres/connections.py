"""Connections to PostgreSQL: opened when they are asked for, few, and each of one process."""

import logging
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper, IntLoader
from psycopg.waiting import Ready, Wait

from storage.diagnostics import ResourceError
from storage.index.engines import Stop
from storage.index.engines.postgres.poolers import SESSION, is_pooled, require_sessions

# Of statements that are sent together it logs each that an error of one before it has ended.
logging.getLogger("psycopg").setLevel(logging.ERROR)

# How long anything is waited for before it is given up with A700: a lock, a connection that
# somebody else has, a server that does not answer.
BUSY_SECONDS = 30
# Of one process: so many at one time, of which half may be read from row by row.
MOST_CONNECTIONS = 12
# Between two questions whether to stop, in seconds.
_LOOK_SECONDS = 0.05
_CANCEL_SECONDS = 5.0

# Unless the address says otherwise. A server that is gone without a word is noticed; one that is
# asked for a name of several hosts is tried one by one.
_DEFAULTS = {
    "connect_timeout": 10,
    "application_name": "minipacs",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": BUSY_SECONDS * 1000,
    "client_encoding": "UTF8",
}

# What a process took over from the one that it was forked from: never used, and never closed, for
# that would end what the other one is saying.
_inherited: list[object] = []


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements can be stopped: `stop` is asked while one runs."""

    stop: Stop | None = None
    is_used = False  # it answered before: where it does not now, another one may

    def wait(self, gen: Any, *given: Any, **named: Any) -> Any:
        """Wait for what the server says; what `stop` raises ends the statement."""
        if self.stop is None:
            return super().wait(gen, *given, **named)
        try:
            return self._asking(gen, self.stop)
        except BaseException:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self._end(gen)
            raise

    def _asking(self, gen: Any, stop: Stop) -> Any:
        poll = select.poll()
        try:
            wanted = next(gen)
            while True:
                readable = select.POLLIN if wanted & Wait.R else 0
                poll.register(self.pgconn.socket, readable | (wanted & Wait.W and select.POLLOUT))
                found = poll.poll(_LOOK_SECONDS * 1000)
                if not found:
                    stop()
                ready = int(Ready.NONE)
                for _, event in found:
                    ready |= Ready.R if event & ~select.POLLOUT else 0
                    ready |= Ready.W if event & select.POLLOUT else 0
                wanted = gen.send(ready)
        except StopIteration as ended:
            return ended.value

    def _end(self, gen: Any) -> None:
        """End the statement that runs; where that does not help the connection itself."""
        self.stop = None
        try:
            self.cancel_safe(timeout=_CANCEL_SECONDS)
            super().wait(gen, timeout=_CANCEL_SECONDS)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException:
            self.pgconn.finish()


class Connections:
    """Those of a process to one database; `configuration` are settings that each begins with."""

    def __init__(self, url: str, configuration: dict[str, str]) -> None:
        """Raises ResourceError where the address is none."""
        try:
            given: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(url)}
        except psycopg.Error as error:
            raise ResourceError(f"The address of PostgreSQL is none: {words_of(error)}") from error
        self._conninfo = make_conninfo(**given)
        self._configuration = configuration
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._free = threading.Semaphore(MOST_CONNECTIONS)
        self._streams = threading.Semaphore(MOST_CONNECTIONS // 2)
        self._are_sessions = False  # a pooler was found to keep them

    @contextmanager
    def leased(self, stop: Stop | None = None, is_stream: bool = False) -> Iterator[Connection]:
        """Have a connection for the block, outside of a transaction, whose statements `stop` ends.

        `is_stream`: others may be asked for within. Raises ResourceError, psycopg.Error.
        """
        if self._pid != os.getpid():
            _inherited.append(self._idle)
            self._begin()
        turns = (self._streams, self._free) if is_stream else (self._free,)
        for number, turn in enumerate(turns):
            if not turn.acquire(timeout=BUSY_SECONDS):
                for had in turns[:number]:
                    had.release()
                raise ResourceError(
                    f"All {MOST_CONNECTIONS} connections to PostgreSQL have been in use for "
                    f"{BUSY_SECONDS} s"
                )
        try:
            connection = self._taken(stop)
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            for turn in turns:
                turn.release()

    def _taken(self, stop: Stop | None) -> Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed:
                    connection.is_used, connection.stop = True, stop
                    return connection
        return self._opened(stop)

    @contextmanager
    def opened(self, stop: Stop | None) -> Iterator[Connection]:
        """A new connection, within a block that has one which was cut off."""
        connection = self._opened(stop)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _opened(self, stop: Stop | None) -> Connection:
        """One that has a session of the server, with the settings, for as long as it lasts."""
        connection = self._connected()
        try:
            if is_pooled(connection, self._begun(connection, stop)) and not self._are_sessions:
                with self._connected() as other:
                    self._begun(other, stop)
                    require_sessions(connection, other)
                self._are_sessions = True
        except BaseException:
            connection.close()
            raise
        connection.stop = stop
        return connection

    def _connected(self) -> Connection:
        connection = Connection.connect(
            self._conninfo, autocommit=True, cursor_factory=psycopg.RawCursor
        )
        assert isinstance(connection, Connection)
        # One type for whole numbers, so that a statement is prepared once; sums are whole as well.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_loader("numeric", IntLoader)
        return connection

    def _begun(self, connection: Connection, stop: Stop | None) -> int:
        """Have a connection be one with the settings; the number of its session.

        Settings are a statement, since PgBouncer refuses `options`, or passes none of them on. It
        takes connections for which it has no session, which is waited for here.
        """
        end = time.monotonic() + BUSY_SECONDS

        def look() -> None:
            try:
                if stop:
                    stop()
                if time.monotonic() > end:
                    raise ResourceError(
                        f"PostgreSQL, or a pooler in front of it, has given no session for "
                        f"{BUSY_SECONDS} s"
                    )
            except BaseException:
                connection.pgconn.finish()  # nothing runs yet that would have to be cancelled
                raise

        connection.stop = look
        given = [text for setting in self._configuration.items() for text in setting]
        settings = (f"set_config(${at}, ${at + 1}, false)" for at in range(1, len(given), 2))
        statement = f"SELECT {', '.join((SESSION, *settings))}"
        row = connection.execute(statement, given, prepare=False).fetchone()
        assert row
        return int(row[0])

    def _give_back(self, connection: Connection) -> None:
        connection.stop = None
        is_idle = connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if connection.closed or not is_idle:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def close_idle(self) -> None:
        """Close those that nobody has: as after one of them was found to be cut off."""
        if self._pid != os.getpid():
            return
        with self._lock:
            idle, self._idle = self._idle, []
            self._are_sessions = False
        for connection in idle:
            with suppress(psycopg.Error):
                connection.close()


def words_of(error: BaseException) -> str:
    """What an error says, in a line."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        detail = error.diag.message_detail
        return error.diag.message_primary + (f" ({detail})" if detail else "")
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


def pause(attempt: int) -> None:
    """Wait a moment before what others were in the way of is tried again."""
    chance = int.from_bytes(os.urandom(2)) / 65536
    time.sleep((0.5 + chance) * 0.005 * 2**attempt)
