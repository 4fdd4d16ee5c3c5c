"""[[forward]] on an archive of several nodes: by one at a time, and whatever node dies."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from support import CLIENT_SECONDS, CT, EXPLICIT, ct, encoded
from support.data.shared_nodes import CHARSET, new_node, new_place
from support.machine.postgres import ScratchPostgres, running_postgres
from support.network.destinations import Gate
from support.network.receivers import Receiver

from scp.forwarding import destination, process
from scp.network.tls import contexts
from storage import Archive, Received
from storage.diagnostics import ResourceError
from storage.outbox import Outbox, commitment_requests, standings
from storage.sharing.nodes import LeaseLostError, jobs_of, leases
from storage.sharing.place import SharedPlace

# Of a lease that is to end, and of one that is to be kept however busy the machine is.
SECONDS, LONG_SECONDS = 4.0, 600.0
LOOK = threading.Event()  # never set: PostgreSQL tells nobody that it has changed
_PROCESSES = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def postgres() -> Iterator[ScratchPostgres]:
    with running_postgres() as server:
        yield server


class ForwardingNode:
    """A node of the archive: its folder, and its process that forwards, once it is started."""

    def __init__(self, folder: Path, name: str, place: SharedPlace, to: Receiver) -> None:
        tables = {"peers": {to.title: to.peer}, "forward": [{"to": [to.title]}]}
        self.settings = new_node(folder / name, place, tables)
        self.data = self.settings.storage.path
        self.archive = Archive(self.data)
        self.process = self._new_process()

    def _new_process(self) -> BaseProcess:
        return _PROCESSES.Process(target=self._run)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        while True:  # as the supervisor starts another
            try:
                process._run(self.settings, contexts(self.settings))
            except Exception:
                time.sleep(0.1)
                continue
            os._exit(0)

    def start(self) -> "ForwardingNode":
        process.Forwarder(self.settings, contexts(self.settings)).begin()
        self.process.start()
        return self

    def signal(self, number: int) -> None:
        assert self.process.pid
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def start_again(self) -> None:
        self.process = self._new_process()
        self.process.start()

    def store(self, *numbers: int) -> dict[str, bytes]:
        """Store instances; what they are."""
        sent = {}
        for number in numbers:
            uids = "1.1", "1.1.2", f"1.3.{number}"
            data = sent[uids[2]] = encoded(ct(*uids))
            self.archive.store(Received(CT, uids[2], EXPLICIT, data, CHARSET, "CT1"))
        return sent

    def wait_until_all_are_sent(self, title: str, count: int) -> None:
        """Wait until nothing is left to be sent to a destination, that has so many."""
        end = time.monotonic() + CLIENT_SECONDS
        with closing(Outbox(self.data)) as outbox:
            while (found := standings(outbox).get(title)) is None or (
                found.waiting or found.failed or found.sent != count
            ):
                assert time.monotonic() < end, found
                LOOK.wait(0.05)


Nodes = Callable[[Receiver], ForwardingNode]


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have waits be short that are none for a lease."""
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(process, "GRACE_SECONDS", SECONDS / 4)
    monkeypatch.setattr(destination, "RETRY_SECONDS", (0.3, 0.3))


@pytest.fixture
def nodes(
    postgres: ScratchPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Nodes]:
    """Nodes of one archive."""
    make_quick(monkeypatch)
    monkeypatch.setattr(leases, "LEASE_SECONDS", LONG_SECONDS)
    place = new_place(postgres, tmp_path)
    made: list[ForwardingNode] = []

    def make(to: Receiver) -> ForwardingNode:
        made.append(ForwardingNode(tmp_path, f"node{len(made)}", place, to))
        return made[-1]

    yield make
    for one in made:
        if one.process.pid:
            one.kill()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver("WARD").up() as made:
        yield made


def holder(*among: ForwardingNode) -> tuple[ForwardingNode, ForwardingNode]:
    """The one of two nodes that has the job, once one has, and the other."""
    end = time.monotonic() + CLIENT_SECONDS
    while time.monotonic() < end:
        jobs = jobs_of(among[0].data)
        assert jobs
        name = jobs.holders().get(process.JOB)
        for one in among:
            if name == (one.data / "node").read_text().strip():
                return one, next(other for other in among if other is not one)
        LOOK.wait(0.05)
    raise AssertionError("none has it")


def test_what_any_node_takes_goes_on_once(nodes: Nodes, receiver: Receiver) -> None:
    one, two = nodes(receiver).start(), nodes(receiver).start()
    sent = {**one.store(*range(10)), **two.store(*range(10, 20))}
    receiver.wait_for(20)
    one.wait_until_all_are_sent("WARD", 20)
    assert receiver.has(sent)


def test_what_was_acknowledged_goes_on_though_its_node_and_who_forwards_die(
    nodes: Nodes, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", SECONDS)
    one, two = nodes(receiver).start(), nodes(receiver).start()
    first, second = holder(one, two)
    gate = Gate()

    def answer(uid: str) -> int:
        if uid == "1.3.5":
            gate.hold()
        return 0x0000

    receiver.answer = answer
    sent = first.store(*range(20))
    gate.wait_until_reached()
    first.kill()
    gate.open()
    second.wait_until_all_are_sent("WARD", 20)
    assert receiver.acknowledged.keys() == {key for key in receiver.acknowledged if key[0] in sent}
    assert {uid for uid, _ in receiver.acknowledged} == sent.keys()
    # At most what was under way, and of which nobody had written down that it was taken.
    assert sum(receiver.acknowledged.values()) <= 21
    assert holder(one, two)[0] is second


def test_a_node_that_was_held_up_writes_nothing_down_that_another_has_done(
    nodes: Nodes, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", SECONDS)
    one, two = nodes(receiver).start(), nodes(receiver).start()
    first, second = holder(one, two)
    gate, waits = Gate(), ["1.3.3"]

    def answer(uid: str) -> int:
        if uid in waits:
            waits.remove(uid)
            gate.hold()
        return 0x0000

    receiver.answer = answer
    sent = first.store(*range(8))
    gate.wait_until_reached()
    first.signal(signal.SIGSTOP)
    second.wait_until_all_are_sent("WARD", 8)
    gate.open()
    first.signal(signal.SIGCONT)
    sent |= first.store(8)
    second.wait_until_all_are_sent("WARD", 9)
    assert {uid for uid, _ in receiver.acknowledged} == sent.keys()
    assert [uid for (uid, _), count in receiver.acknowledged.items() if count > 1] in (
        [], ["1.3.3"],
    )  # fmt: skip
    assert holder(one, two)[0] is second


def test_a_node_that_ends_hands_the_job_on_at_once(nodes: Nodes, receiver: Receiver) -> None:
    one, two = nodes(receiver).start(), nodes(receiver).start()
    first, second = holder(one, two)
    first.signal(signal.SIGTERM)
    first.process.join(CLIENT_SECONDS)
    assert first.process.exitcode == 0
    sent = first.store(*range(5))
    second.wait_until_all_are_sent("WARD", 5)
    assert receiver.has(sent)


def test_what_a_holder_writes_is_held_to_its_lease(nodes: Nodes, receiver: Receiver) -> None:
    node = nodes(receiver)
    process.Forwarder(node.settings, contexts(node.settings)).begin()
    jobs = jobs_of(node.data)
    assert jobs
    lease = jobs.take(process.JOB)
    assert lease
    with lease, closing(Outbox(node.data, lease=lease)) as outbox:
        outbox.take([], set(), outbox.position, "")
    with closing(Outbox(node.data, lease=lease)) as outbox, closing(Outbox(node.data)) as other:
        assert jobs.take(process.JOB)
        with pytest.raises(LeaseLostError):
            outbox.blame("WARD", "cannot be reached")
        other.blame("WARD", "cannot be reached")  # as a command may, and who takes reports
        assert commitment_requests.is_any(other, "WARD") is False


@pytest.mark.long
def test_whatever_is_killed_and_whenever_all_goes_on(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.5)
    chance, sent = random.Random(11), dict[str, bytes]()
    with running_postgres(durable=True) as server:
        place = new_place(server, tmp_path)
        nodes = [ForwardingNode(tmp_path, f"node{one}", place, receiver) for one in range(3)]
        try:
            for node in nodes:
                node.start()
            for round_ in range(20):
                storing = chance.choice(nodes)
                for number in range(round_ * 5, round_ * 5 + 5):
                    with suppress(ResourceError):  # which was not acknowledged
                        sent |= storing.store(number)
                LOOK.wait(chance.random())  # anywhere in what they do
                if chance.random() < 0.2:
                    server.stop(signal.SIGKILL)
                    server.start()
                else:
                    dies = chance.choice(nodes)
                    dies.kill()
                    dies.start_again()
            assert len(sent) > 80
            end = time.monotonic() + CLIENT_SECONDS
            while {uid for uid, _ in receiver.acknowledged} < sent.keys():
                assert time.monotonic() < end, len(receiver.acknowledged)
                LOOK.wait(0.1)
        finally:
            for node in nodes:
                node.kill()
    assert set(receiver.acknowledged) >= {
        (uid, sha256(data).hexdigest()) for uid, data in sent.items()
    }
