"""Nodes of one archive: which may serve together, and whose jobs go to others when one dies."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send
from support.data.shared_archives import objects_without_row, put_alone, states
from support.data.shared_nodes import new_node as of_new_node
from support.data.shared_nodes import new_place
from support.machine.cluster import Engines, new_archive
from support.network.destinations import Gate
from support.network.receivers import Receiver
from support.network.requestor import Requestor
from support.program import run

from scp.node.upkeep import sweeper
from storage import Archive
from storage.sharing.ledger import State
from storage.sharing.sweeping import look_through

SECONDS = 5.0  # of a lease, and until a node is gone
LOOK = threading.Event()  # never set
QUICK = {
    "storage.sharing.nodes.leases.LEASE_SECONDS": SECONDS,
    "storage.sharing.nodes.registry.GONE_SECONDS": SECONDS,
    "storage.sharing.nodes.registry.BEAT_SECONDS": 0.3,
    "scp.forwarding.process.LOOK_SECONDS": 0.2,
    "scp.forwarding.process.GRACE_SECONDS": SECONDS / 4,
    "scp.forwarding.process._RETRY_SECONDS": 0.3,
    "scp.forwarding.destination.RETRY_SECONDS": (0.3, 0.3),
    "scp.network.services.commitment_reporter.RETRY_SECONDS": (0.5, 0.5),
}
NewNode = Callable[..., RunningNode]


@pytest.fixture
def new_node(engines: Engines, tmp_path: Path) -> Iterator[NewNode]:
    """Nodes of one archive, whose leases are short; each ends well, unless it was killed."""
    shared = engines.tables(new_archive())
    with ExitStack() as stack:
        count = iter(range(9))

        def make(**tables: Any) -> RunningNode:
            folder = tmp_path / f"node{next(count)}"
            folder.mkdir()
            node = RunningNode(folder, {**shared, **tables})
            node.constants = {**QUICK}
            stack.callback(_end, node)
            return node

        yield make


def _end(node: RunningNode) -> None:
    try:
        if node.is_running:
            assert node.stop() == 0, "\n".join(node.log[-50:])
            assert not node.bugs(), "\n".join(node.bugs())
    finally:
        if node.is_running:
            node.kill()


def store(node: RunningNode, numbers: range) -> dict[str, bytes]:
    """C-STORE instances, each acknowledged, and what they were."""
    sent = {}
    with node.association((CT, EXPLICIT)) as association:
        for number in numbers:
            uid = f"1.3.{number}"
            data = sent[uid] = encoded(ct("1.1", "1.1.2", uid))
            assert send(association, CT, uid, data).Status == 0x0000
    return sent


def wait_until(node: RunningNode, title: str, **wanted: int) -> None:
    """Wait until a node tells that of a destination."""
    deadline = time.monotonic() + CLIENT_SECONDS
    while True:
        done = minipacs("forward", node, "--json")
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)["forwarding"].get(title, {})
        if all(found.get(key) == count for key, count in wanted.items()):
            return
        assert time.monotonic() < deadline, f"not {wanted}: {found}"
        LOOK.wait(0.2)


@pytest.mark.long
def test_an_instance_is_forwarded_whatever_node_took_it_and_whichever_dies(
    new_node: NewNode,
) -> None:
    gate = Gate()

    def answer(uid: str) -> int:
        if uid == "1.3.4":
            gate.hold()
        return 0x0000

    receiver = Receiver("WARD")
    receiver.answer = answer
    with receiver.up():
        tables = {"peers": {"WARD": receiver.peer}, "forward": [{"to": ["WARD"]}]}
        nodes = [new_node(**tables).start() for _ in range(2)]
        sent = store(nodes[0], range(8))
        gate.wait_until_reached()
        forwards = [any("forwarding to=WARD" in line for line in node.log) for node in nodes]
        assert sorted(forwards) == [False, True]
        dies, lives = nodes if forwards[0] else nodes[::-1]
        dies.kill()
        gate.open()
        sent |= store(lives, range(8, 10))
        wait_until(lives, "WARD", sent=10, waiting=0, failed=0)
        assert {uid for uid, _ in receiver.acknowledged} == sent.keys()
        assert sum(receiver.acknowledged.values()) <= 11  # one was under way


@pytest.mark.long
def test_a_commitment_asked_of_a_node_that_dies_is_reported_by_another(new_node: NewNode) -> None:
    requestor = Requestor()
    requestor.server.shutdown()  # it takes no report yet
    tables = {"peers": {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}}
    dies, lives = new_node(**tables).start(), new_node(**tables).start()
    store(lives, range(1))
    assert requestor.ask(dies, "1.9.1", [(CT, "1.3.0"), (CT, "1.3.9")]).Status == 0x0000
    assert dies.wait_for_log("commitment not reported", "transaction=1.9.1")
    dies.kill()
    assert lives.wait_for_log("commitment not reported", "transaction=1.9.1")
    again = Requestor(requestor.port)
    try:
        assert again.report() == (2, "1.9.1", {(CT, "1.3.0")}, {(CT, "1.3.9"): 0x0112})
        assert lives.wait_for_log("commitment ended", "transaction=1.9.1")
    finally:
        again.server.shutdown()


def test_what_is_to_go_is_removed_each_hour_and_the_store_listed_each_day_by_one_of_the_nodes(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper.child, "be_nice", lambda: None)
    monkeypatch.setattr(sweeper, "look_through", partial(look_through, young=0.0))
    place = new_place(engines.postgres, tmp_path)
    nodes = [of_new_node(tmp_path / f"node{number}", place, {}) for number in range(2)]
    archive = Archive(nodes[0].storage.path)
    put_alone(archive)
    for node in nodes:
        sweeper.run(node)  # the second one has nothing to do
        assert states(archive) == [State.HELD]
        put_alone(archive)
    assert len(objects_without_row(archive)) == 2
    monkeypatch.setattr(sweeper, "_LISTED_SECONDS", 0.0)
    sweeper.run(nodes[1])
    assert sorted(states(archive)) == [State.HELD, State.TO_DELETE, State.TO_DELETE]
    sweeper.run(nodes[0])
    assert len(states(archive)) == 3  # not an hour has passed
    monkeypatch.setattr(sweeper, "_EVERY_SECONDS", 0.0)
    sweeper.run(nodes[0])
    assert (states(archive), objects_without_row(archive)) == ([State.HELD], [])


def test_a_node_that_would_do_otherwise_is_refused_while_one_serves(new_node: NewNode) -> None:
    first = new_node().start()
    other = new_node(storage={"on_conflict": "keep"})
    done = run("serve", "-c", other.config)
    assert done.returncode == 2
    words = "serves this archive with other settings, [storage] on_conflict: these have to be the"
    assert f"node MINIPACS@127.0.0.1:0 {words} same on all of its nodes" in done.stderr
    assert "Traceback" not in done.stderr
    assert first.echoes()
    assert first.stop() == 0
    # That one has left; what was refused may serve now.
    other.start()
