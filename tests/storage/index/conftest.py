"""An index in PostgreSQL."""

from collections.abc import Iterator

import pytest
from support.machine.postgres import ScratchPostgres

from storage.index.opening import PostgresIndex, open_postgres


@pytest.fixture(scope="module")
def index(postgres: ScratchPostgres, request: pytest.FixtureRequest) -> Iterator[PostgresIndex]:
    """One in a schema of its own, for the tests of a file."""
    made = open_postgres(postgres.url, request.path.stem)
    made.create()
    yield made
    made.engine.close()
