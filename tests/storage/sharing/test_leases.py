"""A job is done by one node at a time: kills, pauses, cut connections, and clocks that are off."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

import pytest
from support import CLIENT_SECONDS
from support.machine.postgres import ScratchPostgres, running_postgres

from storage.diagnostics import ResourceError
from storage.sharing.nodes import Jobs, Lease, LeaseLostError, Schema, leases, opening, turn
from storage.sharing.place import SharedPlace, StorePlace

# Of a lease in these tests: long enough for a machine that is busy to renew it in time.
SECONDS = 2.0
_PROCESSES = multiprocessing.get_context("fork")


def hold(schema: Schema, ends: bool, told: Connection) -> None:
    """What a node does that takes a job and has it, and writes something down when it is asked."""
    while not (lease := Jobs(schema, "other").take("forwarding")):
        pass
    with lease, lease.or_end() if ends else nullcontext():
        told.send("taken")
        while told.recv():
            try:
                with schema.writing():
                    lease.require()
                told.send("written")
            except LeaseLostError as error:
                told.send((str(error), lease.is_held))


@pytest.fixture
def schema(postgres: ScratchPostgres, monkeypatch: pytest.MonkeyPatch) -> Schema:
    monkeypatch.setattr(leases, "LEASE_SECONDS", SECONDS)
    return made(postgres.url)


def made(url: str) -> Schema:
    schema = Schema(url, f"jobs_{uuid4().hex}", "The jobs")
    schema.make()
    return schema


def jobs(schema: Schema, holder: str = "one") -> Jobs:
    return Jobs(schema, holder)


def until(tried: Callable[[], Lease | None]) -> Lease:
    """What comes of trying until something does."""
    end = time.monotonic() + CLIENT_SECONDS
    while time.monotonic() < end:
        if found := tried():
            return found
    raise AssertionError("it never was free")


class Holder:
    """A process that has the job."""

    def __init__(self, schema: Schema, ends: bool) -> None:
        self._told, other = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=hold, args=(schema, ends, other), daemon=True)
        self.process.start()

    def said(self) -> object:
        assert self._told.poll(CLIENT_SECONDS)
        return self._told.recv()

    def ask(self) -> None:
        self._told.send(True)

    def signal(self, number: int) -> None:
        assert self.process.pid
        os.kill(self.process.pid, number)


@contextmanager
def holding(schema: Schema, ends: bool = False) -> Iterator[Holder]:
    held = Holder(schema, ends)
    try:
        assert held.said() == "taken"
        yield held
    finally:
        held.process.kill()
        held.process.join()


def test_a_job_is_had_by_one_and_then_by_the_next(schema: Schema) -> None:
    with until(lambda: jobs(schema).take("forwarding")) as first:
        assert first.is_held
        assert jobs(schema, "two").take("forwarding") is None
        assert jobs(schema).take("forwarding") is None  # nor by another process of the same node
        assert jobs(schema).holders() == {"forwarding": "one"}
        with until(lambda: jobs(schema, "two").take("retention")):
            assert jobs(schema).holders() == {"forwarding": "one", "retention": "two"}
    assert jobs(schema).holders() == {}
    with until(lambda: jobs(schema, "two").take("forwarding")) as second:
        assert second.turn != first.turn
        with pytest.raises(LeaseLostError, match="Another node has the job forwarding by now"):
            first.require()
        second.require()


def test_it_is_kept_for_as_long_as_it_is_held(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 10 * CLIENT_SECONDS)
    monkeypatch.setattr(leases, "_RENEWED", 0.0001)
    ends = set()
    with until(lambda: jobs(schema).take("forwarding")) as first:
        end = time.monotonic() + CLIENT_SECONDS
        while len(ends) < 4:
            ends |= {*schema.engine.execute("SELECT until FROM job", ())}
            assert time.monotonic() < end
        assert first.is_held


def test_the_job_of_a_node_that_is_killed_goes_to_another_when_its_lease_ends(
    schema: Schema,
) -> None:
    with holding(schema) as holder:
        began = time.monotonic()
        assert jobs(schema).take("forwarding") is None
        holder.signal(signal.SIGKILL)
        holder.process.join()
        with until(lambda: jobs(schema).take("forwarding")) as lease:
            assert lease.is_held
        assert time.monotonic() - began >= SECONDS * 0.5  # not at once: it might live


def test_the_job_of_a_node_that_ends_goes_to_another_at_once(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 10 * CLIENT_SECONDS)
    with jobs(schema, "two").take("forwarding") or pytest.fail("it is free"):
        pass
    assert jobs(schema).take("forwarding")


def test_who_was_held_up_over_its_lease_writes_nothing_down(schema: Schema) -> None:
    with holding(schema) as holder:
        holder.ask()
        assert holder.said() == "written"
        holder.signal(signal.SIGSTOP)
        with until(lambda: jobs(schema).take("forwarding")):
            holder.signal(signal.SIGCONT)
            holder.ask()
            assert holder.said() == ("Another node has the job forwarding by now", False)


def test_nobody_takes_it_while_who_has_it_writes(schema: Schema) -> None:
    """A commit of who holds it is before the other's first look at what was written."""
    lease = until(lambda: jobs(schema).take("forwarding"))  # and it is not kept
    taken: list[tuple[Lease, bool]] = []
    ended = False

    def take() -> None:
        taken.append((until(lambda: jobs(schema, "two").take("forwarding")), ended))

    taker = threading.Thread(target=take)
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with schema.writing() as engine:
        lease.require()
        taker.start()
        end = time.monotonic() + CLIENT_SECONDS
        while not engine.execute(waiting, ())[0][0]:
            assert time.monotonic() < end
        lease.require()
        ended = True
    taker.join()
    assert [(one.turn != lease.turn, is_behind) for one, is_behind in taken] == [(True, True)]


def test_a_job_of_an_hour_is_done_once_in_it_whoever_asks(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    with until(lambda: jobs(schema).take("retention", 3600.0)) as lease:
        lease.note_done()
    assert jobs(schema).take("retention", 3600.0) is None
    assert jobs(schema, "two").take("retention", 3600.0) is None
    # Whatever the clocks of the nodes say.
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert jobs(schema, "two").take("retention", 3600.0) is None
    assert jobs(schema, "two").take("retention", 0.0)


def test_a_job_that_was_not_done_is_done_by_another(schema: Schema) -> None:
    with until(lambda: jobs(schema).take("retention", 3600.0)):
        pass
    assert jobs(schema, "two").take("retention", 3600.0)


def test_a_database_that_has_forgotten_who_holds_it_gives_it_to_one(schema: Schema) -> None:
    """As a standby that was promoted, and lacks the last commits."""
    with until(lambda: jobs(schema).take("forwarding")) as first:
        with schema.writing() as engine:
            engine.execute("DELETE FROM job", ())
        with until(lambda: jobs(schema, "two").take("forwarding")) as second:
            end = time.monotonic() + CLIENT_SECONDS
            while first.is_held:
                assert time.monotonic() < end
            with pytest.raises(LeaseLostError):
                first.require()
            second.require()


def test_a_turn_is_for_one_node_and_for_who_has_no_others(
    postgres: ScratchPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SharedPlace(postgres.url, StorePlace("file:///nowhere"), f"of_{uuid4().hex}")
    nodes = [tmp_path / "one", tmp_path / "two"]
    alone = tmp_path / "alone"
    for data in (*nodes, alone):
        data.mkdir()
    monkeypatch.setattr(opening, "shared_place", lambda data: place if data in nodes else None)

    schema = opening.schema_of(nodes[0], "The jobs")
    assert schema
    schema.make()

    def turns(every: float) -> list[bool]:
        found = []
        for data in (*nodes, alone):
            with turn(data, "retention", every) as is_ours:
                found.append(is_ours)
        return found

    assert turns(3600.0) == [True, False, True]
    assert turns(3600.0) == [False, False, True]
    assert turns(0.0) == [True, True, True]
    with pytest.raises(ResourceError, match="no"), turn(nodes[0], "sweeping", 3600.0):
        raise ResourceError("no")
    with turn(nodes[1], "sweeping", 3600.0) as is_ours:  # which was not done
        assert is_ours
        with turn(nodes[0], "sweeping", 0.0) as is_others:
            assert not is_others


def test_a_process_ends_where_its_lease_is_lost(schema: Schema) -> None:
    with holding(schema, ends=True) as holder:
        holder.signal(signal.SIGSTOP)
        with until(lambda: jobs(schema).take("forwarding")):
            holder.signal(signal.SIGCONT)
            holder.process.join(CLIENT_SECONDS)
            assert holder.process.exitcode == 1


@pytest.mark.long
def test_it_is_lost_while_postgres_is_gone_and_had_again_behind_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", SECONDS)
    with running_postgres() as server:
        schema = made(server.url)
        with until(lambda: jobs(schema).take("forwarding")) as lease:
            server.stop()
            with pytest.raises(ResourceError, match="The jobs: "):
                jobs(schema, "two").take("forwarding")
            end = time.monotonic() + CLIENT_SECONDS
            while lease.is_held:
                assert time.monotonic() < end
            server.start()
            # Nobody else has had it meanwhile: it goes on, or the next one takes it.
            while not lease.is_held and not (other := jobs(schema, "two").take("forwarding")):
                assert time.monotonic() < end + CLIENT_SECONDS
            if not lease.is_held:
                assert other
                assert other.turn != lease.turn
