"""kill -9 in the middle of everything: what was answered Success is there afterwards."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pynetdicom.association import Association
from support import (
    CT,
    EXPLICIT,
    RunningNode,
    ct,
    data_set_bytes,
    encoded,
    found,
    got,
    running_node,
    send,
)

CLIENTS, EACH = 4, 40

# When the node is killed: the so manyth Success has come, or the so manyth request is on its way
# and gets so many milliseconds.
ROUNDS = [
    ("success", 1, 0.0),
    ("success", 40, 0.0),
    ("success", 80, 0.0),
    ("request", 4, 2.0),
    ("request", 61, 0.0),
    ("request", 75, 6.0),
]


@dataclass
class Load:
    """What several clients sent until the node was killed, and what was acknowledged."""

    node: RunningNode
    number: int
    event: str
    count: int
    milliseconds: float
    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _killed: bool = False

    def study(self, client: int) -> str:
        return f"1.2.{self.number}.{client}"

    def run(self) -> None:
        """Store from all clients at once, and kill the node in the midst of it."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._store, range(CLIENTS)))
        assert self._killed, "the load was over before"

    def _store(self, client: int) -> None:
        study, chance = self.study(client), random.Random(f"{self.number}.{client}")
        association = self.node.associate((CT, EXPLICIT))
        if not association.is_established:
            assert self._killed
            return
        for number in range(EACH):
            uid = f"{study}.1.{number}"
            data_set = ct(study, f"{study}.1", uid, InstanceNumber=str(number))
            data_set.PixelData = chance.randbytes(chance.randrange(2, 60_000, 2))
            data = encoded(data_set)
            if not self._send(association, uid, data):
                break
        association.abort()

    def _send(self, association: Association, uid: str, data: bytes) -> bool:
        """False where the node is gone."""
        self._note("request", self.sent, uid, data)
        try:
            response = send(association, CT, uid, data)
        except AssertionError:
            assert self._killed
            return False
        assert response.Status == 0x0000
        self._note("success", self.acknowledged, uid, data)
        return True

    def _note(self, event: str, noted: dict[str, bytes], uid: str, data: bytes) -> None:
        with self._lock:
            noted[uid] = data
            if event == self.event and len(noted) == self.count:
                self._killed = True
                delay = threading.Timer(self.milliseconds / 1000, self.node.kill)
                delay.start()
                if event == "success":
                    delay.join()


def found_of(node: RunningNode, study: str) -> set[str]:
    return set(found(node, study, f"{study}.1"))


def in_tree(node: RunningNode, study: str) -> dict[str, bytes]:
    folder = node.data / "tree" / study
    return {path.stem: data_set_bytes(path) for path in folder.rglob("*.dcm")}


def everything(node: RunningNode, load: Load) -> dict[str, bytes]:
    """What the node gives back of a load, after a look at all ways that lead to it."""
    back: dict[str, bytes] = {}
    for client in range(CLIENTS):
        study = load.study(client)
        of_study = got(node, study)
        assert found_of(node, study) == set(of_study)
        assert in_tree(node, study) == of_study
        back |= of_study
    return back


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningNode, list[Load]]]:
    """A node on a folder that sees crash after crash, and the loads that it went through."""
    folder: Path = tmp_path_factory.mktemp("crash")
    with running_node(folder, {"node": {"workers": 2}}) as node:
        yield node, []


@pytest.mark.parametrize(("event", "count", "milliseconds"), ROUNDS)
def test_what_was_acknowledged_survives_a_kill(
    crashed: tuple[RunningNode, list[Load]], event: str, count: int, milliseconds: float
) -> None:
    node, loads = crashed
    load = Load(node, len(loads), event, count, milliseconds)
    loads.append(load)
    load.run()
    node.start()
    assert node.incoming() == []
    for study in map(load.study, range(CLIENTS)):
        of_study = {uid: data for uid, data in load.sent.items() if uid.startswith(f"{study}.")}
        acknowledged = load.acknowledged.keys() & of_study.keys()
        # No file is half a file, not even of what was never acknowledged.
        held = in_tree(node, study)
        assert held.items() <= of_study.items()
        assert acknowledged <= found_of(node, study) <= held.keys()
    # What was under way was never acknowledged, so its sender sends it again.
    with node.association((CT, EXPLICIT)) as association:
        for uid in load.sent.keys() - load.acknowledged.keys():
            assert send(association, CT, uid, load.sent[uid]).Status == 0x0000
    assert len(load.sent) - len(load.acknowledged) <= CLIENTS
    assert everything(node, load) == load.sent


def test_a_deleted_index_is_made_again_from_the_tree(
    crashed: tuple[RunningNode, list[Load]],
) -> None:
    node, loads = crashed
    total = sum(len(load.sent) for load in loads)
    node.kill()
    for path in node.data.glob("index.sqlite*"):
        path.unlink()
    node.start()
    node.wait_for_log(f"index rebuilt instances={total}")
    for load in loads:
        for study in map(load.study, range(CLIENTS)):
            assert found_of(node, study) == in_tree(node, study).keys()
    assert everything(node, loads[-1]) == loads[-1].sent
    assert everything(node, loads[0]) == loads[0].sent


def test_a_kill_while_the_index_is_made_again(crashed: tuple[RunningNode, list[Load]]) -> None:
    """What is left of an unfinished one is not taken for the index."""
    node, loads = crashed
    node.kill()
    (node.data / "index.sqlite").rename(node.data / "index.new")
    for path in node.data.glob("index.sqlite-*"):
        path.unlink()
    node.start()
    total = sum(len(load.sent) for load in loads)
    node.wait_for_log(f"index rebuilt instances={total}")
    for load in loads[:2]:
        assert set().union(*(found_of(node, load.study(n)) for n in range(CLIENTS))) == set(
            load.sent
        )


def test_leftovers_in_incoming_are_cleared(crashed: tuple[RunningNode, list[Load]]) -> None:
    node, _ = crashed
    node.kill()
    leftover = node.data / "incoming" / "1-1.part"
    leftover.write_bytes(b"half a file")
    files = node.files()
    node.start()
    node.wait_for_log("WARNING", "cleared incoming files=1")
    assert node.incoming() == []
    assert node.files() == files
    assert node.echoes()
