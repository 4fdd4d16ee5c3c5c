"""Fixtures: the node, started as a user starts it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import RunningNode, StartNode, running_node


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes that end with the test, each in a folder of its own: start_node(node={...})."""
    with ExitStack() as stack:
        folders = (tmp_path / f"node{number}" for number in range(100))

        def start(**tables: Mapping[str, Any]) -> RunningNode:
            return stack.enter_context(running_node(next(folders), tables))

        yield start


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with default settings, one for all tests of a module."""
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running
