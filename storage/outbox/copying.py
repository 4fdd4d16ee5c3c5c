"""All that a queue holds, read by pages and put in the place of what another holds."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from storage.outbox.contract import Statements

_PAGE = 5000


class _Table(NamedTuple):
    name: str
    columns: str  # but for a number that each database gives by itself
    key: str


_TABLES = (
    _Table(
        "item",
        "destination, study, series, instance, sop_class, syntax, bytes, digest, charset, since, "
        "quiet, state, due, attempts, refused, words, request",
        "id",
    ),
    _Table("study", "uid, last", "uid"),
    _Table("done", "destination, uids, digest", "destination, uids"),
    _Table(
        "destination",
        "name, sent, committed, error, error_at, sent_at, ask_error, ask_error_at, asked_at",
        "name",
    ),
    _Table("request", "uid, destination, at, ended", "uid"),
)


def digest_of(held: Statements) -> str:
    """A digest of all that a queue holds, whatever database it lies in; empty where that is none.

    How far it has followed is no part of it.
    """
    told = hashlib.sha256()
    has_rows = False
    for table in _TABLES:
        for rows in _pages(held, table):
            has_rows = True
            _tell(told, table, rows)
    return told.hexdigest() if has_rows else ""


def replace(there: Statements, held: Statements | None) -> tuple[str, int]:
    """Have a queue hold what another holds, which may be none: digest and number of items.

    Of a transaction.
    """
    told, items, has_rows = hashlib.sha256(), 0, False
    for table in _TABLES:
        there.execute(f"DELETE FROM {table.name}")
        places = ", ".join("?" for _ in table.columns.split(","))
        for rows in _pages(held, table) if held else ():
            statement = f"INSERT INTO {table.name} ({table.columns}) VALUES ({places})"
            there.executemany(statement, rows)
            _tell(told, table, rows)
            has_rows = True
            items += len(rows) if table.name == "item" else 0
    return (told.hexdigest() if has_rows else ""), items


def items_in(held: Statements) -> int:
    """How many items a queue holds."""
    return int(held.execute("SELECT COUNT(*) FROM item").fetchone()[0])


def _tell(told: "hashlib._Hash", table: _Table, rows: list[tuple[Any, ...]]) -> None:
    for row in rows:
        told.update(repr((table.name, *row)).encode())


def _pages(held: Statements, table: _Table) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table without what is its key alone, many at a time, in the key's order."""
    names = table.key.split(", ")
    places = ", ".join("?" for _ in names)
    width, condition, last = len(names), "", ()
    while True:
        found = held.execute(
            f"SELECT {table.key}, {table.columns} FROM {table.name} {condition} "
            f"ORDER BY {table.key} LIMIT {_PAGE}", last,
        ).fetchall()  # fmt: skip
        if not found:
            return
        yield [_plain(row[width:]) for row in found]
        condition, last = f"WHERE ({table.key}) > ({places})", tuple(found[-1][:width])


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(one) if isinstance(one, memoryview) else one for one in row)
