"""Storage commitment asked of one node of several (PS3.4 annex J): reported, whichever dies."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from support import CLIENT_SECONDS, CT, EXPLICIT, ct, encoded
from support.data.shared_nodes import CHARSET, new_node, new_place
from support.machine.postgres import ScratchPostgres, running_postgres
from support.network.requestor import Requestor

from scp.config import Settings
from scp.network.association import Counters
from scp.network.services import Reporter, commitment_reporter
from scp.network.tls import contexts
from scp.node.upkeep import membership
from storage import Archive, Received
from storage.archive import commitments
from storage.journal import Commitment
from storage.journal import commitments as lines
from storage.sharing.nodes import OfRun, leases, new_run, registry, registry_of

SECONDS = 4.0  # of a lease, and until a node is gone
HELD, NOT_HELD = (CT, "1.3.1"), (CT, "1.3.2")
LOOK = threading.Event()  # never set
_PROCESSES = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def postgres() -> Iterator[ScratchPostgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def requestor() -> Iterator[Requestor]:
    made = Requestor()
    yield made
    made.server.shutdown()


@pytest.fixture
def nodes(
    postgres: ScratchPostgres, tmp_path: Path, requestor: Requestor, monkeypatch: pytest.MonkeyPatch
) -> list[Settings]:
    """Three nodes of an archive that holds an instance."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", SECONDS)
    monkeypatch.setattr(registry, "GONE_SECONDS", SECONDS)
    place = new_place(postgres, tmp_path)
    peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}
    found = [new_node(tmp_path / f"node{number}", place, {"peers": peers}) for number in range(3)]
    held = encoded(ct("1.1", "1.1.2", HELD[1]))
    archive = Archive(found[0].storage.path)
    archive.store(Received(CT, HELD[1], EXPLICIT, held, CHARSET, "CT1"))
    return found


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], None]], BaseProcess]]:
    """Start a process that is killed at the end, unless it was before."""
    made: list[BaseProcess] = []

    def starting(work: Callable[[], None]) -> BaseProcess:
        made.append(_PROCESSES.Process(target=work))
        made[-1].start()
        return made[-1]

    yield starting
    for one in made:
        one.kill()
        one.join()


Start = Callable[[Callable[[], None]], BaseProcess]


def serve(settings: Settings, run: int) -> Callable[[], None]:
    """What the process for upkeep of a node does."""

    def work() -> None:
        membership.enter(settings, run)
        member = membership.Membership(settings, run)
        while True:
            member.tend()
            time.sleep(0.1)

    return work


def ask(settings: Settings, run: int, transaction: str) -> Commitment:
    """Have a worker of a run be asked, and write that down."""
    nodes = registry_of(settings.storage.path)
    assert nodes
    asked = Commitment(transaction, "MODALITY", (HELD, NOT_HELD), OfRun(nodes, run, 1).worker)
    return commitments.request(Archive(settings.storage.path), asked)


def wait_until_living(settings: Settings, *runs: int) -> None:
    end, nodes = time.monotonic() + CLIENT_SECONDS, registry_of(settings.storage.path)
    assert nodes
    while nodes.living() != {*runs}:
        assert time.monotonic() < end
        LOOK.wait(0.05)


def wait_until_ended(settings: Settings, commitment: Commitment) -> None:
    end, archive = time.monotonic() + CLIENT_SECONDS, Archive(settings.storage.path)
    while not lines.has_ended(archive.journal, commitment):
        assert time.monotonic() < end
        LOOK.wait(0.05)


def test_what_was_asked_of_a_node_that_dies_another_one_reports_once(
    nodes: list[Settings], requestor: Requestor, start: Start
) -> None:
    runs = [new_run() for _ in nodes]
    started = [start(serve(*each)) for each in zip(nodes, runs, strict=True)]
    wait_until_living(nodes[0], *runs)
    asked = ask(nodes[0], runs[0], "1.9.1")
    # The node serves, and it is its worker who has to tell.
    assert not lines.has_ended(Archive(nodes[1].storage.path).journal, asked)
    started[0].kill()
    started[0].join()
    assert requestor.report() == (2, "1.9.1", {HELD}, {NOT_HELD: 0x0112})
    wait_until_ended(nodes[1], asked)
    wait_until_living(nodes[1], *runs[1:])
    assert requestor.reports.empty()


def test_who_reports_for_others_may_die_as_well(
    nodes: list[Settings], requestor: Requestor, start: Start
) -> None:
    runs = [new_run() for _ in nodes]
    first = start(serve(nodes[1], runs[1]))
    wait_until_living(nodes[1], runs[1])
    requestor.server.shutdown()  # nobody can be told
    asked = ask(nodes[0], runs[0], "1.9.2")  # of a run that never was heard of
    start(serve(nodes[2], runs[2]))
    first.kill()
    first.join()
    again = Requestor(requestor.port)
    requestor.server = again.server
    assert again.report() == (2, "1.9.2", {HELD}, {NOT_HELD: 0x0112})
    wait_until_ended(nodes[2], asked)


def test_a_worker_whose_node_is_taken_for_gone_leaves_it_to_the_others(
    nodes: list[Settings], requestor: Requestor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_reporter, "RETRY_SECONDS", (0.1,))
    monkeypatch.setattr(registry, "GONE_SECONDS", 10 * CLIENT_SECONDS)
    nodes_of, run = registry_of(nodes[0].storage.path), new_run()
    assert nodes_of
    archive = Archive(nodes[0].storage.path)
    asked, duty = ask(nodes[0], run, "1.9.3"), OfRun(nodes_of, run, 1)
    looks = threading.Semaphore(0)
    monkeypatch.setattr(
        OfRun, "may_report", lambda self, worker: looks.release() or nodes_of.is_living(run)
    )
    Reporter(nodes[0], archive, contexts(nodes[0]), Counters(1), duty).resume()
    for _ in range(3):  # it was taken up, and is not reported
        assert looks.acquire(timeout=CLIENT_SECONDS)
    assert not lines.has_ended(archive.journal, asked)
    membership.enter(nodes[0], run)  # it is heard of again
    assert requestor.report() == (2, "1.9.3", {HELD}, {NOT_HELD: 0x0112})
    wait_until_ended(nodes[0], asked)
    assert requestor.reports.empty()


def test_settings_are_compared_whatever_process_tells_them(nodes: list[Settings]) -> None:
    one, two, _ = nodes
    assert membership.held_alike(one) == membership.held_alike(two)
    retention = two.retention.model_copy(update={"days": 30})
    other = two.model_copy(update={"retention": retention})
    told = membership.held_alike(other)
    assert {key for key, value in membership.held_alike(one).items() if told[key] != value} == {
        "[retention]"
    }
    read, write = os.pipe()
    process = _PROCESSES.Process(
        target=lambda: os.write(write, str(membership.held_alike(one)).encode())
    )
    process.start()
    process.join()
    assert os.read(read, 65536).decode() == str(membership.held_alike(one))
