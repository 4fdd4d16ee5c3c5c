"""`minipacs fetch` from a node that goes away midway: what came stays, and another run has all."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send

from scp.testing import Node, start_node

__all__ = ["start_node"]  # the fixture
UIDS = [("1.1", "1.2", f"1.3.{n}") for n in range(4)] + [("2.1", "2.2", f"2.3.{n}") for n in (1, 2)]


@pytest.fixture
def source(start_node: Callable[..., Node], tmp_path: Path) -> Node:
    held = start_node(node={"ae_title": "SRC"})
    (tmp_path / "client").mkdir()
    filling = RunningNode(tmp_path / "client")  # the same node, as the tests' clients know it
    filling.title, filling.port = held.title, held.port
    with filling.association((CT, EXPLICIT)) as association:
        for uids in UIDS:
            data = encoded(ct(*uids, PatientID="P1"))
            assert send(association, CT, uids[2], data).Status == 0x0000
    return held


@pytest.fixture
def node(tmp_path: Path, source: Node) -> RunningNode:
    """One that does not run, and holds nothing."""
    (tmp_path / "mine").mkdir()
    peer = {"host": source.host, "port": source.port, "dimse_timeout": 5, "acse_timeout": 5}
    return RunningNode(tmp_path / "mine", {"peers": {"SRC": peer}})


def fetch(node: RunningNode, code: int) -> str:
    done = minipacs("fetch", node, "SRC", "PatientID=P1")
    told = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in told) == (code, False), told
    return told


def held(node: RunningNode) -> set[str]:
    return {path.stem for path in node.files()}


ALL = {uids[2] for uids in UIDS}


def test_an_association_that_is_aborted(source: Node, node: RunningNode) -> None:
    source.inject("abort", "C-STORE", after=3)
    told = fetch(node, 1)
    assert len(held(node)) == 3
    assert "SRC" in told
    source.clear_faults()
    fetch(node, 0)
    assert held(node) == ALL


def test_a_source_that_is_killed(source: Node, node: RunningNode) -> None:
    stalled = source.inject("stall", "C-STORE", after=3)

    def kill() -> None:
        assert stalled.due.wait(60)
        source.kill()
        source.clear_faults()

    killing = threading.Thread(target=kill)
    killing.start()
    told = fetch(node, 1)
    killing.join()
    assert 3 <= len(held(node)) < len(ALL)
    assert "SRC" in told
    source.start()
    fetch(node, 0)
    assert held(node) == ALL


def test_a_source_that_is_busy_for_a_while(source: Node, node: RunningNode) -> None:
    asked = source.inject("busy", times=2)
    fetch(node, 0)
    assert asked.happened == 2
    assert held(node) == ALL


def test_a_source_that_refuses_the_retrieve(source: Node, node: RunningNode) -> None:
    source.inject("busy", "C-GET")
    told = fetch(node, 1)
    assert "A701" in told
    assert held(node) == set()
