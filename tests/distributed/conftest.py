"""Engines that run on other hosts elsewhere, started here for as long as there are tests."""

from collections.abc import Iterator

import pytest
from support.machine.ceph import ScratchCeph, running_ceph
from support.machine.cluster import Engines, running_engines
from support.machine.seaweed import ScratchSeaweed, running_seaweed


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """PostgreSQL and an object store, for tests that let them run, or start them again."""
    with running_engines(tmp_path_factory.mktemp("engines")) as running:
        yield running


@pytest.fixture(scope="session")
def seaweed() -> Iterator[ScratchSeaweed]:
    """An object store with the bucket `shared`, for tests that let it run."""
    with running_seaweed() as server:
        server.make_bucket("shared")
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[ScratchCeph]:
    """The same of Ceph, which syncs."""
    with running_ceph() as cluster:
        cluster.make_bucket("shared")
        yield cluster
