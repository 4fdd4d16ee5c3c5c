"""Fixtures: what an index and an archive may lie in, one after the other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.machine.postgres import ScratchPostgres, running_postgres

from storage.index import Index, open_index
from storage.index.opening import open_postgres, put_elsewhere
from storage.sharing.opened import share, shared_of
from storage.sharing.place import SharedPlace, StorePlace

NewIndex = Callable[[], Index]
# With PostgreSQL these take a minute or more, beside what they take with SQLite.
_LONG = {
    "test_added_keys.py", "test_header_search.py", "test_matching_properties.py",
    "test_query_limits.py", "test_value_forms.py",
}  # fmt: skip

# Few tests, or such as are about what differs most: each makes the tables of an archive.
_SHORT = {"test_pages_of_answers.py", "test_selected.py"}

# Of the rows of a rule PostgreSQL is asked one that matches and one that does not.
_RULES = {"test_a_rule": "keyword", "test_a_rule_of_a_vr": "vr"}


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of what is about files and folders."""
    config.addinivalue_line("markers", "of_folder: of an archive that lies in a folder, alone")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes long in PostgreSQL be a long test there."""
    asked = set()
    items[:] = [item for item in items if not _is_of_folder(item)]
    for item in items:
        of = getattr(item, "callspec", None)
        if of and of.params.get("lies_in") == "shared" and item.path.name not in _SHORT:
            item.add_marker(pytest.mark.long)
        if not of or of.params.get("database") != "postgresql":
            continue
        name = item.function.__name__ if isinstance(item, pytest.Function) else ""
        is_long = item.path.name in _LONG or name == "test_sql_answers_as_python_does"
        if name in _RULES:
            row = name, of.params[_RULES[name]], of.params["expected"]
            is_long = row in asked
            asked.add(row)
        if is_long:
            item.add_marker(pytest.mark.long)


def _is_of_folder(item: pytest.Item) -> bool:
    """Whether what is about a folder was to be asked of an archive that lies elsewhere."""
    of = getattr(item, "callspec", None)
    is_shared = bool(of) and of.params.get("lies_in") == "shared"
    return is_shared and item.get_closest_marker("of_folder") is not None


@pytest.fixture(scope="session")
def postgres() -> Iterator[ScratchPostgres]:
    """A server for all tests of a process; none of which may be about its end."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """What the index lies in."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def new_index(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewIndex]:
    """Make empty indexes."""
    folder, held = tmp_path_factory.mktemp("index"), []

    def make() -> Index:
        if database == "sqlite":
            held.append(open_index(folder / f"{len(held)}.sqlite", sync=False))
        else:
            server: ScratchPostgres = request.getfixturevalue("postgres")
            held.append(open_postgres(server.url, f"index_{uuid4().hex}"))
        held[-1].create()
        held[-1].engine.set_version(1)
        return held[-1]

    yield make
    for one in held:
        one.engine.close_thread()


@pytest.fixture(scope="module")
def place_index(database: str, request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Have the index of a data folder, of which nothing is open yet, lie there."""

    def place(data: Path) -> None:
        if database == "postgresql":
            index = request.getfixturevalue("new_index")()
            put_elsewhere(data, lambda: index)

    return place


@pytest.fixture(params=["folder", "shared"])
def lies_in(request: pytest.FixtureRequest) -> str:
    """Where an archive lies: in a folder, or in PostgreSQL and an object store."""
    name: str = request.param
    return name


@pytest.fixture
def place_archive(
    lies_in: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], None]]:
    """Have the archive of a data folder, of which nothing is open yet, lie there."""
    placed = []

    def place(data: Path) -> None:
        if lies_in == "shared":
            server: ScratchPostgres = request.getfixturevalue("postgres")
            store = StorePlace(f"file://{tmp_path_factory.mktemp('objects')}")
            share(data, SharedPlace(server.url, store, f"archive_{uuid4().hex[:12]}"))
            placed.append(data)

    yield place
    for data in placed:
        shared_of(data).engine.close()
