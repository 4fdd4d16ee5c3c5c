"""An index made in a file, once more in PostgreSQL: the same rows, to ask both the same."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from support.machine.postgres import running_postgres

from storage import Archive, Level, prepare
from storage.index.rows import parent_column, row_values
from storage.index.tables import TABLES, column_names
from storage.query import POSTGRESQL
from storage.sharing.opened import share
from storage.sharing.place import SharedPlace, StorePlace

_SCHEMA, _CHARSET = "minipacs", "ISO_IR 100"
# What a machine with as much memory as this takes is given, and as long as filling it takes; the
# rest is as it comes. Nothing is written while it is measured.
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB", "statement_timeout": "0"}
_SHARED_BY_SERIES = "shared_header"
# Beside the levels' tables, whose rows PostgreSQL has more columns of.
_ALIKE = ("name_part", _SHARED_BY_SERIES, "received_sum", "study_arrival")


@contextmanager
def in_postgres(source: Path, folder: Path) -> Iterator[Archive]:
    """An archive whose index is that of a data folder, in a PostgreSQL of its own.

    Raises what `prepare` does, psycopg.Error and sqlite3.Error.
    """
    with running_postgres(**_SETTINGS) as server:
        data, objects = folder / "node", folder / "objects"
        objects.mkdir(parents=True)
        share(data, SharedPlace(server.url, StorePlace(objects.as_uri()), _SCHEMA))
        prepare(data, False, _CHARSET)
        path = (source / "index.sqlite").resolve()
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as held,
            psycopg.connect(server.url, autocommit=True) as taking,
        ):
            held.row_factory = sqlite3.Row
            _copy_all(held, taking)
        yield Archive(data, sync=False)


def _copy_all(held: sqlite3.Connection, taking: psycopg.Connection[Any]) -> None:
    # Neither triggers, whose sums are copied, nor foreign keys, which hold as they are.
    taking.execute("SET session_replication_role = replica")
    taking.execute(f"SET search_path = {_SCHEMA}_index".encode())
    for level in Level:
        names = ("id", *parent_column(level), *column_names(level, POSTGRESQL))
        _copy(taking, TABLES[level], names, _rows(held, level))
    for table in _ALIKE:
        rows = held.execute(f"SELECT * FROM {table}")
        _copy(taking, table, tuple(column[0] for column in rows.description), map(tuple, rows))
    taking.execute("VACUUM ANALYZE")


def _rows(held: sqlite3.Connection, level: Level) -> Iterator[tuple[Any, ...]]:
    for row in held.execute(f"SELECT * FROM {TABLES[level]}"):
        yield row["id"], *row_values(POSTGRESQL, level, dict(row))[1]


def _copy(
    taking: psycopg.Connection[Any], table: str, names: tuple[str, ...],
    rows: Iterator[tuple[Any, ...]],
) -> None:  # fmt: skip
    statement = f"COPY {table} ({', '.join(names)}) FROM STDIN"
    with taking.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
