"""Retrieves whose index fails when they have begun."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import (
    CT,
    EXPLICIT,
    RunningNode,
    ct,
    encoded,
    identifier,
    running_node,
    send,
)
from support.network.destinations import Destination
from support.network.retrieving import MOVE
from support.node import Code
from support.retrieves import GET, Inbox, getting, retrieved

COUNT, PAGE = 10, 4
# Of all pages but the first the index tells nothing.
FAILING = """(lambda real, calls: lambda index, rows: calls.append(1) or (
    real(index, rows) if len(calls) < 2 else index.engine.execute("no SQL", ())
))(__import__("importlib").import_module("storage.index.pages").locations, [])"""


@pytest.fixture
def destination() -> Iterator[Destination]:
    with Destination().serving([(CT, [EXPLICIT])]) as there:
        yield there


@pytest.fixture
def node(tmp_path: Path, destination: Destination) -> Iterator[RunningNode]:
    peers = {"PEER": {"host": "127.0.0.1", "port": destination.port}}
    with running_node(tmp_path / "node", {"peers": peers, "node": {"workers": 1}}) as running:
        with running.association((CT, EXPLICIT)) as association:
            for number in range(COUNT):
                data = encoded(ct("1.1", "1.2", f"1.3.{number}"))
                assert send(association, CT, f"1.3.{number}", data).Status == 0
        running.stop()
        running.constants = {
            "storage.archive.selected._PAGE": PAGE, "storage.index.pages.locations": Code(FAILING),
        }  # fmt: skip
        running.start()
        yield running


@pytest.mark.parametrize("service", ["move", "get"])
def test_what_the_index_does_not_tell_of_any_more_was_not_sent(
    node: RunningNode, destination: Destination, service: str
) -> None:
    """The counts say so, and the status; what was told of before is sent."""
    query = identifier("STUDY", StudyInstanceUID="1.1")
    if service == "move":
        with destination.does(), node.association((MOVE["STUDY"], EXPLICIT)) as association:
            found = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
            arrived = destination.inbox.data_sets()
    else:
        inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
        with node.association(*contexts, **getting(inbox, contexts)) as association:
            found = retrieved(association.send_c_get(query, GET["STUDY"]))
        arrived = inbox.data_sets()
    assert found.status == 0xB000
    assert len(arrived) == PAGE
    assert found.counts == (PAGE, COUNT - PAGE, 0)
    assert node.logged('near "no"') or node.wait_for_log("The index cannot be read")
