"""kill -9 of nodes, database and store while several nodes take the same instances."""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, encoded, found, got, send
from support.machine.cluster import Engines, new_archive, running_engines, running_nodes
from support.machine.postgres import running_standby
from support.program import run

from scp.config import loader, sharing
from storage.sharing.opened import shared_of
from storage.sharing.sweeping import look_through, remove_due

STUDY, SERIES = "1.2.7", "1.2.7.1"
SENDERS, INSTANCES = 8, 400
INSTANCES_OF = {
    uid: encoded(ct(STUDY, SERIES, uid, PixelData=random.Random(uid).randbytes(20_000)))
    for uid in (f"{SERIES}.{number}" for number in range(INSTANCES))
}


class Senders:
    """Clients that send the same instances to all nodes, each in an order of its own."""

    def __init__(self, nodes: list[RunningNode], seed: int) -> None:
        self.acknowledged: set[str] = set()
        self._nodes, self._seed = nodes, seed
        self._stop, self._changed = threading.Event(), threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=[number], daemon=True)
            for number in range(SENDERS)
        ]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a sender hangs"

    def wait_for(self, more: int) -> None:
        """Wait until so many more instances were acknowledged."""
        with self._changed:
            wanted = min(len(self.acknowledged) + more, INSTANCES)
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= wanted, 120)

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        while not self._stop.is_set():
            association = chance.choice(self._nodes).associate((CT, EXPLICIT))
            if not association.is_established:
                self._stop.wait(0.1)
                continue
            try:
                for uid in chance.sample(sorted(INSTANCES_OF), 20):
                    self._send(association, uid)
                association.release()
            except (AssertionError, RuntimeError):  # the node is gone
                association.abort()

    def _send(self, association: object, uid: str) -> None:
        assert not self._stop.is_set()
        if send(association, CT, uid, INSTANCES_OF[uid]).Status == 0x0000:  # type: ignore[arg-type]
            with self._changed:
                self.acknowledged.add(uid)
                self._changed.notify_all()


@contextmanager
def killed(what: str, engines: Engines, nodes: list[RunningNode], seed: int) -> Iterator[None]:
    """Something killed, and started again behind the block."""
    if what == "node":
        node = random.Random(seed).choice(nodes)
        node.kill()
        yield
        node.start()
    elif what == "database":
        engines.postgres.stop(signal.SIGKILL)
        yield
        engines.postgres.start()
    else:
        engines.store.kill()
        yield
        engines.store.start()


@pytest.mark.long
def test_what_any_node_acknowledged_all_have_whatever_was_killed(tmp_path: Path) -> None:
    archive = new_archive()
    with (
        running_engines(tmp_path, durable=True) as engines,
        running_nodes(engines, tmp_path, 3, archive) as nodes,
    ):
        with Senders(nodes, seed=7) as senders:
            for turn, what in enumerate(["node", "database", "store", "node", "database", "node"]):
                senders.wait_for(15)
                with killed(what, engines, nodes, turn):
                    pass
            senders.wait_for(15)
        acknowledged = senders.acknowledged
        assert len(acknowledged) > 60
        require_all(nodes, acknowledged)


@pytest.mark.long
def test_what_was_acknowledged_is_there_when_a_standby_is_promoted(tmp_path: Path) -> None:
    """The address of the database names both; the first is gone, with all that only it had."""
    with (
        running_engines(tmp_path, durable=True) as engines,
        running_standby(engines.postgres) as standby,
    ):
        at = f"127.0.0.1:{engines.postgres.port},127.0.0.1:{standby.port}"
        url = f"postgresql://minipacs@{at}/postgres?target_session_attrs=read-write"
        with running_nodes(engines, tmp_path, 2, new_archive(), url) as nodes:
            with Senders(nodes, seed=11) as senders:
                senders.wait_for(40)
                engines.postgres.crash()
                before = set(senders.acknowledged)
                standby.promote()
                senders.wait_for(40)
            assert senders.acknowledged > before
            require_all(nodes, senders.acknowledged)


def require_all(nodes: list[RunningNode], acknowledged: set[str]) -> None:
    """See that each node has what was acknowledged, and the store what is named, and no more."""
    for node in nodes:
        held = got(node, STUDY)
        assert acknowledged <= held.keys()
        assert all(INSTANCES_OF[uid] == data for uid, data in held.items())
        assert found(node, STUDY, SERIES) == sorted(held)
    settings = loader.load(nodes[0].config)
    sharing.share(settings, sharing.place_of(settings))
    shared = shared_of(settings.storage.path)
    look_through(shared, young=0)
    remove_due(shared)
    named = {one.key for one in shared.objects.all_held()}
    named |= {one.key for one in shared.objects.superseded()}
    assert {one.key for one in shared.store().list()} == named
    done = run("check", "-c", nodes[0].config)
    assert done.returncode == 0, done.stdout + done.stderr
