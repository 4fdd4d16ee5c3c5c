"""Poolers in front of the server, as PgBouncer: whether a connection through one is a session.

Settings, plans of statements and rows that are read as they are asked for belong to a session of
the server. A pooler that gives each transaction another one (PgBouncer's `pool_mode = transaction`)
would have one archive's statements run with another's settings, in its schema.
"""

from typing import Any

import psycopg

from storage.diagnostics import ResourceError

SESSION = "pg_backend_pid()"
# A session that is free is given to who comes next, mostly: others of its pool may be in between.
_ROUNDS = 5
_REFUSED = (
    "a pooler in front of PostgreSQL gives each transaction another session, as PgBouncer does "
    "with pool_mode = transaction: set pool_mode = session for this database and user, or name "
    "PostgreSQL itself in `url`"
)

_Connection = psycopg.Connection[tuple[Any, ...]]


def is_pooled(connection: _Connection, session: int) -> bool:
    """Whether the session that answers is not the one which the connection began with.

    A pooler tells a number of its own, by which it knows what is to be cancelled.
    """
    return connection.info.backend_pid != session


def require_sessions(one: _Connection, other: _Connection) -> None:
    """Raise ResourceError unless two connections have each a session for as long as they last.

    While the other has a transaction, the one would be given another session than before, or have
    had the one that it was given.
    """
    session = _session(one)
    for _ in range(_ROUNDS):
        other.execute("BEGIN", prepare=False)
        found = _session(one), _session(other)
        other.execute("ROLLBACK", prepare=False)
        if found[0] != session or found[1] == session:
            raise ResourceError(_REFUSED)


def _session(connection: _Connection) -> Any:
    row = connection.execute(f"SELECT {SESSION}", prepare=False).fetchone()
    assert row
    return row[0]
