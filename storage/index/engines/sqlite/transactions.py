"""Transactions that write, one at a time, to the file that is in its place."""

from collections.abc import Callable

from peewee import SqliteDatabase

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


class writing:
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
            raise self._told(error) from error

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        try:
            if self._is_part:
                self._end_part(error)
            else:
                self._end(error)
        except (OSError, *ERRORS) as failure:
            raise self._told(failure) from failure
        if isinstance(error, (OSError, *ERRORS)):
            raise self._told(error) from error

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

    def _told(self, error: BaseException) -> ResourceError:
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
