"""Poolers in front of the server, as PgBouncer: whether a connection through one is a session.

Settings, plans of statements and rows that are read as they are asked for belong to a session of
the server. A pooler that gives each transaction another one (PgBouncer's `pool_mode = transaction`)
would have one archive's statements run with another's settings, in its schema.
"""

from typing import Any

import psycopg

from storage.diagnostics import ResourceError

SESSION = "pg_backend_pid()"
_ROUNDS = 8
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

    What the one was given for a statement the other is given next, for a transaction, so that the
    one is given another then: unless somebody else comes in between, hence several times.
    """
    session = _session(one)
    for _ in range(_ROUNDS):
        is_kept = _session(one) == session
        other.execute("BEGIN", prepare=False)
        is_kept = is_kept and _session(other) != session == _session(one)
        other.execute("ROLLBACK", prepare=False)
        if not is_kept:
            raise ResourceError(_REFUSED)


def _session(connection: _Connection) -> Any:
    row = connection.execute(f"SELECT {SESSION}", prepare=False).fetchone()
    assert row
    return row[0]
