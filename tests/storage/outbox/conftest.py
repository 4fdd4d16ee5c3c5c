"""The queue of a data folder: in its file, and in PostgreSQL."""

from pathlib import Path
from uuid import uuid4

import pytest
from support.machine.postgres import ScratchPostgres

from storage.sharing.nodes import opening
from storage.sharing.place import SharedPlace, StorePlace


@pytest.fixture
def queue_folder(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A data folder, and where its queue lies: nothing else of it is elsewhere."""
    if database == "postgresql":
        server: ScratchPostgres = request.getfixturevalue("postgres")
        place = SharedPlace(server.url, StorePlace("file:///nowhere"), f"of_{uuid4().hex}")
        monkeypatch.setattr(
            opening, "shared_place", lambda data: place if data == tmp_path else None
        )
    return tmp_path
