"""Transactions that write, one at a time, to the file that is in its place."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from peewee import SqliteDatabase
from playhouse.pool import PooledSqliteDatabase

from storage.diagnostics import ResourceError
from storage.files import sqlite_words
from storage.index.engines.sqlite.database import (
    ERRORS,
    Connection,
    connection_of,
    let_go,
    not_locked,
    suspects,
)


class Writer:
    """The connection by which a process writes, lent to whichever thread has something to write.

    SQLite drops all pages that a connection has at hand once another has written, so that threads
    which write by one each would read them again for each row. Lent where connections are pooled.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._is_pooled = isinstance(database, PooledSqliteDatabase)
        self._idle: list[Connection] = []  # one at most
        self._process = os.getpid()
        self._inherited: list[Connection] = []
        self.is_there = False  # or was a moment ago

    def lent(self, transaction: "writing") -> AbstractContextManager[None]:
        """A transaction by it; by one of the thread's own while another thread has it."""
        return _Lent(self, transaction) if self._is_pooled else transaction

    def take(self) -> None:
        """Have it be the calling thread's connection. Raises what a connection does."""
        state = self._database._state  # type: ignore[attr-defined]
        if self._process != os.getpid():  # neither used nor closed in a process that was forked
            self._process, self._inherited, self._idle = os.getpid(), self._idle, []
        try:
            state.set_connection(self._idle.pop())
        except IndexError:
            state.reset()
            self._database.connect()

    def give_back(self, is_well: bool) -> None:
        """Have the calling thread's connection wait for who comes next, if nothing is wrong."""
        if is_well and not self._idle and not self._database.is_closed():
            self._idle.append(self._database._state.conn)  # type: ignore[attr-defined]
            self._database._state.reset()  # type: ignore[attr-defined]
        else:
            self._database.close()
        self.is_there = is_well


class _Lent(AbstractContextManager[None]):
    """A transaction over the connection of a `Writer`; then the thread has its own again."""

    def __init__(self, writer: Writer, transaction: "writing") -> None:
        self._writer, self._transaction = writer, transaction

    def __enter__(self) -> None:
        database = self._writer._database
        state: Any = database._state  # type: ignore[attr-defined]
        self._own = None if state.closed else (state.conn, state.ctx)
        try:
            try:
                self._writer.take()
            except ERRORS as error:
                raise self._transaction.told(error) from error
            self._transaction.__enter__()
        except BaseException:
            self._give_back(False)
            raise

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        is_well = False
        try:
            self._transaction.__exit__(kind, error, trace)
            is_well = error is None
        finally:
            self._give_back(is_well)

    def _give_back(self, is_well: bool) -> None:
        database = self._writer._database
        try:
            self._writer.give_back(is_well)
        finally:
            if self._own is not None:
                state: Any = database._state  # type: ignore[attr-defined]
                state.set_connection(self._own[0])
                state.ctx = self._own[1]
                if suspects:  # it cannot write either, and keeps others from it
                    database.close()


class writing(AbstractContextManager[None]):
    """A transaction that holds the write lock from its start.

    A read that turns into a write would fail at once where another has written meanwhile.
    `taken_back` is called, before another has the turn, where nothing comes of it. Raises
    ResourceError where the index cannot be written, or not by the deadline, in monotonic seconds.
    """

    def __init__(
        self,
        database: SqliteDatabase,
        deadline: float | None = None,
        taken_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._deadline, self._taken_back = database, deadline, taken_back
        self._is_part = False  # of a larger one

    def __enter__(self) -> None:
        try:
            connection: Connection = self._database.connection()  # type: ignore[no-untyped-call]
            self._is_part = connection.in_transaction
            if self._is_part:
                connection.execute("SAVEPOINT part")
            else:
                connection = _begun(self._database, self._deadline)
            self._connection = connection
        except (OSError, *ERRORS) as error:
            raise self.told(error) from error

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        try:
            if self._is_part:
                self._end_part(error)
            else:
                self._end(error)
        except (OSError, *ERRORS) as failure:
            raise self.told(failure) from failure
        if isinstance(error, (OSError, *ERRORS)):
            raise self.told(error) from error

    def _end(self, error: BaseException | None) -> None:
        connection = self._connection
        try:
            if error is None:
                try:
                    connection.execute("COMMIT")
                    suspects.clear()
                    return
                except BaseException:
                    self._take_back()
                    raise
            self._take_back()
        finally:
            connection.give_turn_back()

    def _take_back(self) -> None:
        self._taken_back()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _end_part(self, error: BaseException | None) -> None:
        try:
            if error is not None:
                self._taken_back()
                self._connection.execute("ROLLBACK TO part")
        finally:
            self._connection.execute("RELEASE part")

    def told(self, error: BaseException) -> ResourceError:
        """What is raised in the place of an error."""
        if isinstance(error, OSError):
            return not_locked(self._database, error)
        let_go(self._database, error)
        return ResourceError(f"The index cannot be written: {sqlite_words(error)}")


def _begun(database: SqliteDatabase, deadline: float | None) -> Connection:
    """The calling thread's connection, with the turn to write, in a transaction.

    To the file that is in its place: it may have been replaced while the turn was waited for.
    Raises OSError, ResourceError, sqlite3.Error.
    """
    connection: Connection = database.connection()  # type: ignore[no-untyped-call]
    while True:
        connection.take_turn(deadline)
        try:
            if not connection.is_replaced:
                connection.execute("BEGIN IMMEDIATE")
                return connection
            if connection.streams:  # what it reads is of the file that was there
                raise ResourceError("The index was made anew meanwhile; try again")
        except BaseException:
            connection.give_turn_back()
            raise
        connection.give_turn_back()
        connection = connection_of(database)
