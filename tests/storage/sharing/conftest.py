"""Fixtures: archives that several nodes have, each test one of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.data.migrations import begun
from support.machine.postgres import ScratchPostgres

from storage import Archive, prepare
from storage.sharing.opened import share, shared_of
from storage.sharing.place import SharedPlace, StorePlace

CHARSET = "ISO_IR 100"

NewNode = Callable[..., Archive]


@pytest.fixture
def place(postgres: ScratchPostgres, tmp_path: Path) -> SharedPlace:
    folder = tmp_path / "objects"
    folder.mkdir()
    schema = f"archive_{uuid4().hex[:12]}"
    return SharedPlace(postgres.url, StorePlace(f"file://{folder}"), schema)


@pytest.fixture
def new_node(place: SharedPlace, tmp_path: Path) -> Iterator[NewNode]:
    """Nodes of one archive, each with a folder of its own; `at`: where they find it."""
    made: list[Archive] = []

    def make(at: SharedPlace = place, **options: object) -> Archive:
        data = tmp_path / f"node{len(made)}"
        share(data, at)
        assert prepare(data, sync=True, charset=CHARSET)
        made.append(Archive(data, **options))
        return made[-1]

    yield make
    for archive in made:
        shared_of(archive.tree.data).engine.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    archive = begun(tmp_path / "alone")
    yield archive
    archive.close_thread()


@pytest.fixture
def shared(postgres: ScratchPostgres, tmp_path: Path) -> Iterator[Path]:
    """The folder of a node of an archive that nobody has made yet."""
    objects = tmp_path / "objects"
    objects.mkdir()
    data = tmp_path / "node"
    place = SharedPlace(postgres.url, StorePlace(f"file://{objects}"), f"to_{uuid4().hex[:12]}")
    share(data, place)
    yield data
    shared_of(data).engine.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "back"


@pytest.fixture(params=["shared", "folder"])
def to(request: pytest.FixtureRequest) -> Path:
    """Where it is brought to: both are filled the same way."""
    found: Path = request.getfixturevalue(request.param)
    return found
