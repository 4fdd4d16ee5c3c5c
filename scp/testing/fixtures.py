"""Fixtures of pytest's: a node that ends with the test."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scp.testing.faulty_node import Node, running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with default settings that holds nothing, on 127.0.0.1 and a port of its own."""
    with running(tmp_path / "node") as started:
        yield started


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Start nodes with settings, the tables of config.toml: `start_node(limits={"idle": 5})`."""
    with ExitStack() as stack:
        started: list[Node] = []

        def start(**tables: Mapping[str, Any]) -> Node:
            folder = tmp_path / f"node{len(started)}"
            started.append(stack.enter_context(running(folder, tables)))
            return started[-1]

        yield start
