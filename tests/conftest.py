"""Fixtures: the node, started as a user starts it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import RunningNode

StartNode = Callable[..., RunningNode]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes that end with the test; each in a folder of its own."""
    started: list[RunningNode] = []

    def start(config: str = "", **node: object) -> RunningNode:
        folder = tmp_path / f"node{len(started)}"
        folder.mkdir()
        running = RunningNode(folder, _roomy(config), **node)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.process.poll() is None:
            assert running.stop() == 0, "\n".join(running.log)


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    """A node with default settings."""
    return start_node()


def _roomy(config: str) -> str:
    """The disk of a test machine may be nearly full; that is tested where it is meant."""
    return config if "[limits]" in config else config + "\n[limits]\nfree_bytes = 0\n"
