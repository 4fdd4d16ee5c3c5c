"""Fixtures: the node, started as a user starts it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import RunningNode, StartNode, running_node


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`: what takes minutes too."""
    parser.addoption("--long", action="store_true", help="run the long tests too")
    parser.addoption("--fuzz-seed", default="1", help="the seed of mutated input")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the long tests."""
    config.addinivalue_line("markers", "long: takes minutes; run with --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, unless they are asked for."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


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
