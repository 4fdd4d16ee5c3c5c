"""A number in the index that every UPDATE and DELETE of some tables raises, whoever makes it.

Triggers do it, in the transaction of the statement: so none can forget it, also not one of another
process or an earlier version. An INSERT leaves it as it is, and costs nothing.
"""

import sqlite3
from collections.abc import Iterable

_READ = "SELECT number FROM epoch"
_TABLE = "CREATE TABLE IF NOT EXISTS epoch (number INTEGER)"
# Of no other file: one that takes its place is then at another number.
_BEGIN = "INSERT INTO epoch SELECT ABS(RANDOM() >> 16) WHERE NOT EXISTS (SELECT 1 FROM epoch)"
EPOCH_TABLES = _TABLE, _BEGIN
_TRIGGER = (
    "CREATE TRIGGER IF NOT EXISTS epoch_{table}_{event} AFTER {event} ON {table} "
    "BEGIN UPDATE epoch SET number = number + 1; END"
)
_EVENTS = ("UPDATE", "DELETE")


def make_epoch(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Have the tables raise it, where they do not yet; of a transaction. Raises sqlite3.Error."""
    connection.execute(_TABLE)
    connection.execute(_BEGIN)
    for table in tables:
        for event in _EVENTS:
            connection.execute(_TRIGGER.format(table=table, event=event))


def read_epoch(connection: sqlite3.Connection) -> int:
    """The number, as the connection's transaction sees it. Raises sqlite3.Error."""
    return int(connection.execute(_READ).fetchone()[0])
