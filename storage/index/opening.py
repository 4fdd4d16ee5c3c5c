"""Where the index of a data folder lies, and how one in PostgreSQL is opened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.diagnostics import ResourceError
from storage.dicom.values import BY_KEYWORD, PATIENT_IDENTITY, UNIQUE, Level, stored_at
from storage.index.engines.sqlite import applied as applied_in_file
from storage.index.engines.sqlite import index_path
from storage.index.tables import (
    ABOVE,
    TABLES,
    Index,
    built,
    columns_kept,
    is_indexed_column,
    open_index,
)
from storage.query import POSTGRESQL, SHORT_CHARACTERS, kept_columns

if TYPE_CHECKING:
    from storage.index.engines.postgres import PostgresEngine

_elsewhere: dict[Path, Callable[[], "PostgresIndex"]] = {}


def index_of(data: Path, sync: bool = True, pooled: bool = False) -> Index:
    """The index of a data folder: in its file, as `open_index` has it, or where it was put."""
    elsewhere = _elsewhere.get(data)
    return elsewhere() if elsewhere else open_index(index_path(data), sync, pooled)


def put_elsewhere(data: Path, opened: Callable[[], "PostgresIndex"]) -> None:
    """Have the index of a data folder be another, in this process and those that it forks."""
    _elsewhere[data] = opened


def put_back(data: Path) -> None:
    """Have it be its own again."""
    _elsewhere.pop(data, None)


def applied(data: Path, name: str) -> int:
    """How far the index of a data folder surely holds the lines `name` of its journal.

    0 where nobody can tell. Raises ResourceError.
    """
    elsewhere = _elsewhere.get(data)
    return elsewhere().engine.marked(name) if elsewhere else applied_in_file(data, name)


def which(data: Path) -> tuple[int, ...]:
    """What tells the index of a data folder from one that takes its place. Raises ResourceError."""
    if elsewhere := _elsewhere.get(data):
        return (elsewhere().engine.number(),)
    try:
        found = index_path(data).stat()
    except OSError as error:
        raise ResourceError(f"The index cannot be read: {error.strerror}") from error
    return found.st_dev, found.st_ino


@dataclass(frozen=True)
class PostgresIndex(Index):
    """An index in a schema of PostgreSQL."""

    engine: "PostgresEngine"

    def create(self) -> None:
        """Make the schema and the tables. Raises ResourceError."""
        with self.engine.writing():
            self.engine.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.engine.schema}"', ())
            super().create()

    def statements(self) -> tuple[str, ...]:
        """What makes all that stands beside the models."""
        from storage.index.engines.postgres import beside_tables

        return (*_text_indexes(), *beside_tables(ABOVE))


def open_postgres(url: str, schema: str, beside: str = "") -> PostgresIndex:
    """The index in a schema of the database at `url`; nothing is read or made yet.

    Statements find the tables of the schema `beside`, too. Raises ResourceError where the address
    is none, and where psycopg is not installed.
    """
    try:
        from storage.index.engines.postgres import PostgresEngine
    except ImportError as error:
        raise ResourceError(
            f'PostgreSQL takes a package more: pip install "minipacs[postgres]" ({error})'
        ) from error
    engine = PostgresEngine(url, schema, ABOVE, beside)
    return PostgresIndex(engine, *built(engine.database, engine.dialect))


def _text_indexes() -> Iterator[str]:
    """The indexes of texts, of which PostgreSQL takes only so much; both are compared."""
    yield (
        "CREATE UNIQUE INDEX patient_identity ON patient "
        "(md5(PatientID), md5(IssuerOfPatientID), of_study)"
    )
    columns = [
        (level, name)
        for level in Level
        for a in stored_at(level)
        for name in columns_kept(a, POSTGRESQL)
        if a.column == PATIENT_IDENTITY[0] or is_indexed_column(a, name)
    ]
    for level, name in columns:
        is_uid = BY_KEYWORD.get(name) is UNIQUE[level] and level is not Level.PATIENT
        short = name if is_uid else f"left({name}, {SHORT_CHARACTERS})"
        yield f"CREATE INDEX {TABLES[level]}_{name} ON {TABLES[level]} ({short})"
    for level in Level:
        for attribute in stored_at(level):
            if attribute.vr == "PN":
                letters = kept_columns(attribute)[-1]
                table = TABLES[level]
                yield f"CREATE INDEX {table}_{letters} ON {table} (id) WHERE {letters} <> ''"
