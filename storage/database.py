"""The SQLite file: connection, pragmas, transactions, and the functions that queries call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peewee import OperationalError, PeeweeException, SqliteDatabase

from storage.errors import ResourceError
from storage.matching import matches

# How long a writer waits for another before it gives up with A700, in seconds.
BUSY_SECONDS = 30


def connect(path: Path, sync: bool) -> SqliteDatabase:
    """A database that opens a connection per thread, in WAL mode.

    With `sync` a commit is on the disk before it returns; without, a power cut may take the
    last ones, but not the order of them.
    """
    database = SqliteDatabase(
        str(path),
        pragmas={
            "journal_mode": "wal",
            "synchronous": "full" if sync else "off",
            "foreign_keys": 1,
            "cache_size": -16_000,
        },
        timeout=BUSY_SECONDS,
    )
    database.register_function(_dicom_matches, "dicom_matches", 3)
    return database


@contextmanager
def writing(database: SqliteDatabase) -> Iterator[None]:
    """A transaction that holds the write lock from its start.

    A read that turns into a write would fail at once where another has written meanwhile.
    Raises ResourceError where the index cannot be written.
    """
    try:
        with database.atomic("IMMEDIATE"):
            yield
    except PeeweeException as error:
        raise ResourceError(f"The index cannot be written: {error}") from error


@contextmanager
def reading() -> Iterator[None]:
    """Turn a failure to read the index into ResourceError."""
    try:
        yield
    except OperationalError as error:
        raise ResourceError(f"The index cannot be read: {error}") from error


def _dicom_matches(vr: str, text: str, key: str) -> bool:
    return matches(vr, text, key)
