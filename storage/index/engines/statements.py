"""What statements are run by: the part of an engine that the others stand on."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from peewee import Database

from storage.query import Dialect


class Statements(Protocol):
    """A database, asked by statements with `?` for each value."""

    @property
    def database(self) -> Database:
        """For the query builder."""

    @property
    def dialect(self) -> Dialect:
        """How statements are written."""

    def execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run a prepared statement; the rows that it gives. Raises what `reading` turns."""

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that holds the right to write from its start; or a part of a larger one.

        Raises ResourceError where the index cannot be written.
        """
