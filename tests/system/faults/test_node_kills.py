"""kill -9 at random instants, under load: everything acknowledged is there after the next start."""

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support import (
    CT,
    EXPLICIT,
    MOVE,
    RunningNode,
    client,
    destination,
    identifier,
    keys,
)
from support.checks.faults import Held, Senders, compare, faults

from storage.maintenance.check.faults import FaultKind

WORKERS = 2
# What is killed: each in turn, and one of ten by chance.
EACH = ["worker", "node", "workers", "node", "supervisor", "worker"]
OFTEN = [*["worker"] * 3, *["workers"] * 2, *["node"] * 4, "supervisor"]


class Queries:
    """Clients that find and move while others store; that a process died under them is no fault."""

    def __init__(self, node: RunningNode, seed: int) -> None:
        self.node, self.answered = node, 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work, f"{seed}"), daemon=True)
            for work in (self._find, self._move)
        ]

    def __enter__(self) -> "Queries":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, work: Callable[[str], None], study: str) -> None:
        while not self._stop.is_set():
            with suppress(AssertionError, RuntimeError, subprocess.TimeoutExpired):
                work(study)
                self.answered += 1
            self._stop.wait(0.05)

    def _find(self, seed: str) -> None:
        query = ["-S", *keys(QueryRetrieveLevel="STUDY", StudyInstanceUID="", PatientID="1.2*")]
        client("findscu", self.node, query)

    def _move(self, seed: str) -> None:
        with self.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=f"1.2.{seed}.0.0")
            for status, _ in association.send_c_move(query, "INBOX", MOVE["STUDY"]):
                assert "Status" in status


def kill(node: RunningNode, kind: str, chance: random.Random) -> None:
    """kill -9 of what `kind` says."""
    if kind == "node":
        node.kill()
    elif kind == "supervisor":
        os.kill(node.process.pid, signal.SIGKILL)
        node._ended()
    else:
        workers = node.workers
        mark = node.mark()
        for process in workers if kind == "workers" else [chance.choice(workers)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        node.wait_for_log("died, starting another", after=mark)


def survive(node: RunningNode, held: Held, seed: int, turn: int, kinds: list[str]) -> None:
    """Load, a kill at a random instant of one of `kinds`, a fresh start, and the comparison."""
    chance = random.Random(f"{seed} {turn}")
    kind = chance.choice(kinds)
    with Queries(node, seed), Senders(node, held, seed, turn) as senders:
        senders.wait_for_answers(3)
        senders.pause(chance.uniform(0, 0.4))
        kill(node, kind, chance)
        if node.is_running:  # another worker takes the place of the one that died
            senders.wait_for_answers(5)
    if node.is_running:
        assert node.stop() == 0
    started_again(node)
    compare(node, held, senders.touched)


def started_again(node: RunningNode) -> None:
    """A fresh start, which says what it had to do."""
    left = len(node.incoming())
    # What was never put into the tree has no row to be caught up.
    fitting = (FaultKind.LOST, FaultKind.EMPTY_FOLDER)
    behind = {fault.uids for fault in faults(node.data) if fault.kind not in fitting}
    node.start()
    assert bool(left) == bool(node.logged("WARNING", f"cleared incoming files={left}")), left
    caught_up = node.logged("WARNING", f"index caught up instances={len(behind)}")
    # Of whom the log alone tells nobody was told Success; it may be brought in all the same.
    if not node.logged("WARNING", "log brought in"):
        assert bool(behind) == bool(caught_up), behind


def survive_kills(folder: Path, seed: int, turns: list[list[str]]) -> None:
    """A node, and a kill of one of the kinds of each turn."""
    print(f"{seed=}")  # shown where it fails
    folder.mkdir()
    with destination("INBOX", CT) as (inbox, port):
        tables = {
            "node": {"workers": WORKERS},
            "peers": {"INBOX": {"host": "127.0.0.1", "port": port}},
        }
        node, held = RunningNode(folder, tables), Held()
        try:
            node.start()
            for turn, kinds in enumerate(turns):
                print(f"{turn=}")
                survive(node, held, seed, turn, kinds)
                inbox.arrived.clear()
            compare(node, held)
            assert held.refused == {}
            assert node.stop() == 0
        finally:
            if node.is_running:
                node.kill()
    shutil.rmtree(folder)


def test_a_kill_of_each_kind(tmp_path: Path) -> None:
    survive_kills(tmp_path / "node", random.randrange(1 << 16), [[kind] for kind in EACH])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_kills(tmp_path: Path, seed: int) -> None:
    survive_kills(tmp_path / "node", seed, [OFTEN] * 20)
