"""Nodes that serve a worklist."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import RunningNode, running_node
from worklist.modality import Keys


@pytest.fixture
def start_worklist(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Start a node of a test's own: start_worklist(quiet=1)."""
    with ExitStack() as stack:

        def start(tables: Keys | None = None, **settings: Any) -> RunningNode:
            made = {"worklist": settings, "node": {"workers": 1}, **(tables or {})}
            return stack.enter_context(running_node(tmp_path / "node", made))

        yield start
