"""A schema of PostgreSQL that holds what nodes know of each other, and what they have to do.

It is none of the index's, nor are its transactions: who stores does not wait for who forwards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from storage.diagnostics import ResourceError

if TYPE_CHECKING:
    from storage.index.engines.postgres import PostgresEngine

_MAKE = (
    'CREATE TABLE IF NOT EXISTS job (name TEXT COLLATE "C" PRIMARY KEY, holder TEXT NOT NULL, '
    "turn BIGINT NOT NULL, until TIMESTAMPTZ NOT NULL, done TIMESTAMPTZ)",
    'CREATE TABLE IF NOT EXISTS node (id TEXT COLLATE "C" PRIMARY KEY, name TEXT NOT NULL, '
    "run BIGINT NOT NULL, seen TIMESTAMPTZ NOT NULL, version TEXT NOT NULL, "
    "settings TEXT NOT NULL)",
)
_IS_MADE = "SELECT 1 WHERE to_regclass('node') IS NOT NULL"


class Schema:
    """The schema, for who is told of it as `what` where something is wrong."""

    def __init__(self, url: str, name: str, what: str) -> None:
        """Nothing is read or made. Raises ResourceError where the address is none."""
        self.engine, self.what = _engine(url, name), what

    def version(self) -> int:
        """Of the queue's tables that lie here; 0: there are none. Raises ResourceError."""
        with self.errors():
            is_there = self.engine.execute("SELECT 1 WHERE to_regclass('meta') IS NOT NULL", ())
            return self.engine.version() if is_there else 0

    def is_made(self) -> bool:
        """Whether the tables of nodes and jobs are there. Raises ResourceError."""
        with self.errors():
            return bool(self.engine.execute(_IS_MADE, ()))

    def make(self) -> None:
        """Make the tables of nodes and jobs where they are not there. Raises ResourceError."""
        if self.is_made():
            return
        with self.writing() as engine:
            engine.execute(f'CREATE SCHEMA IF NOT EXISTS "{engine.schema}"', ())
            for statement in _MAKE:
                engine.execute(statement, ())

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what PostgreSQL raises into ResourceError."""
        from storage.index.engines.postgres import ERRORS, words_of

        try:
            yield
        except ERRORS as error:
            raise ResourceError(f"{self.what}: {words_of(error)}") from error

    @contextmanager
    def writing(self) -> Iterator["PostgresEngine"]:
        """A transaction, beside which no other one writes here. Raises ResourceError."""
        with self.errors(), self.engine.turn():
            yield self.engine

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End what takes longer. Raises ResourceError."""
        end = time.monotonic() + seconds

        def stop() -> None:
            if time.monotonic() > end:
                raise ResourceError(f"{self.what}: no answer within {seconds:g} s, interrupted")

        with self.errors(), self.engine.interruptible(stop):
            yield


@cache
def _engine(url: str, name: str) -> "PostgresEngine":
    """One for all of a process: its connections are shared."""
    from storage.index.engines.postgres import PostgresEngine

    return PostgresEngine(url, name, ())
