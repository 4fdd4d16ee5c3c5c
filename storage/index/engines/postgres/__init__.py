"""The index in PostgreSQL: a schema, its connections and transactions."""

from storage.index.engines.postgres.connections import words_of
from storage.index.engines.postgres.engine import ERRORS, PostgresEngine
from storage.index.engines.postgres.schema import beside_tables

__all__ = ["ERRORS", "PostgresEngine", "beside_tables", "words_of"]
