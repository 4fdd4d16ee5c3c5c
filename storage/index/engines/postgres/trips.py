"""Transactions that go to the server as a whole, and whose answers come as a whole.

While one is under way nobody else writes: asked and answered statement by statement it lasts as
long as the network takes for all of these, for all nodes. A whole one lasts as long as the server
takes for it. Nor does it wait for the disk while others wait for it: others may see what was
written before it outlasts a crash, and who sent it is answered once it does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from storage.index.engines.postgres.connections import Connection
from storage.index.engines.postgres.translation import taken, told, translated

# What is committed behind it outlasts a crash only together with all that was committed before, on
# whatever connection. (A transaction that wrote nothing is not waited for, whatever its number.)
LASTING = "SELECT pg_logical_emit_message(true, 'minipacs', '')"
_BEGIN = "SELECT pg_advisory_xact_lock({}), set_config('synchronous_commit', 'off', true)"

_Cursor = psycopg.Cursor[tuple[Any, ...]]


class Told:
    """The rows that a statement gives, once its trip is over."""

    def __init__(self) -> None:
        self._cursor: _Cursor | None = None

    def come(self, cursor: _Cursor) -> None:
        """Have them come by a cursor."""
        self._cursor = cursor

    def rows(self) -> list[Any]:
        """The rows; none where the statement was not sent."""
        return [told(row) for row in self._cursor] if self._cursor else []


class Trip:
    """One that is under way; what is said is sent at once, and nothing is waited for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._behind: list[tuple[Told, str, list[Any]]] = []

    def say(self, statement: str, values: Sequence[Any]) -> Told:
        """A statement of the transaction."""
        answer = Told()
        answer.come(self._connection.execute(translated(statement), taken(values)))
        return answer

    def say_behind(self, statement: str, values: Sequence[Any]) -> Told:
        """One that only reads, and that is asked once the transaction is over."""
        answer = Told()
        self._behind.append((answer, translated(statement), taken(values)))
        return answer

    def end(self) -> _Cursor:
        """Have it be committed and last; what comes behind it is sent, too."""
        commit = self._connection.execute("COMMIT", prepare=False)
        self._connection.execute(LASTING)
        for answer, statement, values in self._behind:
            answer.come(self._connection.execute(statement, values))
        return commit


@contextmanager
def whole_trip(connection: Connection, lock: int) -> Iterator[Trip]:
    """A transaction that has the right to write, of what is said in the block.

    When it ends without an error all is committed, and outlasts a crash. Raises psycopg.Error.
    """
    try:
        with connection.pipeline():
            connection.execute("BEGIN", prepare=False)
            connection.execute(_BEGIN.format(lock))
            trip = Trip(connection)
            yield trip
            commit = trip.end()
        if commit.statusmessage != "COMMIT":
            raise psycopg.InternalError("what was written was taken back")
    except BaseException as error:
        if isinstance(error, psycopg.errors.FeatureNotSupported):  # a plan of other tables
            connection.close()
        with suppress(psycopg.Error):
            connection.rollback()
        raise
