"""What the queue asks of the database that it lies in.

Statements are the same for each: with `?` for each value, and only of what SQLite and PostgreSQL
write alike.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement gave, or how many rows it changed."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def fetchone(self) -> Any:
        """The next row, or None."""


class Statements(Protocol):
    """What statements are run by."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Run one."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one that gives nothing, with each of some rows of values."""


class QueueDatabase(Protocol):
    """A database that holds the queue's tables; safe to use from many threads."""

    @property
    def name(self) -> str:
        """Where it lies, for who is told what is wrong with it."""

    def writing(self) -> AbstractContextManager[Statements]:
        """A transaction, which no power cut takes back behind the block. Raises ResourceError."""

    def select(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads. Raises ResourceError."""

    def close(self) -> None:
        """Close it."""
