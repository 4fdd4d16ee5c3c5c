"""The index in PostgreSQL: a schema, its connections and transactions."""

from storage.index.engines.postgres.connections import words_of
from storage.index.engines.postgres.engine import ERRORS, PassingError, PostgresEngine
from storage.index.engines.postgres.schema import beside_tables
from storage.index.engines.postgres.trips import Told

__all__ = ["ERRORS", "PassingError", "PostgresEngine", "Told", "beside_tables", "words_of"]
