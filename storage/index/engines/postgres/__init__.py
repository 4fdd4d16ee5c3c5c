"""The index in PostgreSQL: a schema, its connections and transactions."""

from storage.index.engines.postgres.engine import PostgresEngine
from storage.index.engines.postgres.schema import beside_tables

__all__ = ["PostgresEngine", "beside_tables"]
