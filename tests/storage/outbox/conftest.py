"""The queue of a data folder: in its file, and in PostgreSQL."""

from pathlib import Path
from uuid import uuid4

import pytest
from support.machine.postgres import ScratchPostgres

from storage.outbox import database as where


@pytest.fixture
def queue_folder(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder, and where its queue lies."""
    if database == "postgresql":
        server: ScratchPostgres = request.getfixturevalue("postgres")
        where.put_elsewhere(tmp_path, server.url, f"queue_{uuid4().hex}")
    return tmp_path
