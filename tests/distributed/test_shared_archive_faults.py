"""An archive on PostgreSQL and a bucket, of which the one or the other fails."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from support.data.shared_archives import (
    CHARSET,
    UIDS,
    faults,
    names_found,
    received,
    states,
    whole,
)
from support.machine.postgres import ScratchPostgres, running_postgres
from support.machine.seaweed import ACCESS_KEY, SECRET_KEY, ScratchSeaweed
from support.machine.store_proxy import StoreProxy, once_back

from storage import Archive, StoreOutcome, prepare
from storage.diagnostics import ArchiveError, ResourceError
from storage.dicom.values import Uids
from storage.files.objects import s3
from storage.sharing.ledger import State
from storage.sharing.opened import share
from storage.sharing.place import SharedPlace, StorePlace

IMPATIENT = s3.Patience(connect=2, answer=2, request=5, tries=1, trying=1)


@pytest.fixture(scope="module")
def durable() -> Iterator[ScratchPostgres]:
    """A server that syncs, and may be killed: who does so starts it again."""
    with running_postgres(durable=True) as server:
        yield server


@pytest.fixture
def proxy(seaweed: ScratchSeaweed) -> Iterator[StoreProxy]:
    made = StoreProxy(seaweed.endpoint)
    yield made
    made.close()


@pytest.fixture
def place(durable: ScratchPostgres, proxy: StoreProxy) -> SharedPlace:
    name = uuid4().hex[:12]
    store = StorePlace(f"s3://shared/{name}", proxy.endpoint, "", ACCESS_KEY, SECRET_KEY)
    return SharedPlace(durable.url, store, f"archive_{name}")


@pytest.fixture
def archive(place: SharedPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """A node whose store answers soon, or not at all."""
    bucket = s3.Bucket
    monkeypatch.setattr(
        s3, "Bucket", lambda *given, **named: replace(bucket(*given, **named), patience=IMPATIENT)
    )
    share(tmp_path / "node", place)
    assert prepare(tmp_path / "node", sync=True, charset=CHARSET)
    return Archive(tmp_path / "node")


@contextmanager
def killed(server: ScratchPostgres) -> Iterator[None]:
    """The postmaster is killed for the time of the block."""
    server.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        server.start()


def test_a_put_whose_answer_is_lost_is_stored_once(archive: Archive, proxy: StoreProxy) -> None:
    with proxy.happening(method="PUT", cut_answer=True, times=1) as fault:
        outcome = archive.store(received()).outcome
    assert (outcome, fault.happened) == (StoreOutcome.STORED, 1)
    assert states(archive) == [State.HELD]
    whole(archive)


@pytest.mark.parametrize("how", [
    {"cut_request": True},
    pytest.param({"status": 503}, marks=pytest.mark.long),
    pytest.param({"status": 507}, marks=pytest.mark.long),
])  # fmt: skip
def test_nothing_is_acknowledged_without_the_store_and_it_goes_on_by_itself(
    archive: Archive, proxy: StoreProxy, how: dict[str, object]
) -> None:
    archive.store(received())
    with proxy.happening(**how):
        with pytest.raises(ResourceError):
            archive.store(received("C^D", ("2.1", "2.2", "2.3")))
        with pytest.raises(ResourceError):  # nor is it said to be there while nobody can tell
            archive.store(received())
        assert names_found(archive) == ["A^B"]  # queries go on
        assert faults(archive) != [""]
    stored = once_back(lambda: archive.store(received("C^D", ("2.1", "2.2", "2.3"))))
    assert stored.outcome is StoreOutcome.STORED
    assert faults(archive) == [""]
    whole(archive)


@pytest.mark.long
def test_nothing_is_acknowledged_without_the_database_and_it_goes_on_by_itself(
    archive: Archive, durable: ScratchPostgres
) -> None:
    archive.store(received())
    with killed(durable):
        with pytest.raises(ResourceError):
            archive.store(received("C^D", ("2.1", "2.2", "2.3")))
        with pytest.raises(ResourceError):
            names_found(archive)
    assert names_found(archive) == ["A^B"]
    assert archive.store(received("C^D", ("2.1", "2.2", "2.3"))).outcome is StoreOutcome.STORED
    whole(archive)


@pytest.mark.long
def test_what_was_acknowledged_outlasts_a_crash_of_the_database(
    archive: Archive, durable: ScratchPostgres
) -> None:
    acknowledged: list[Uids] = []
    begun, over = threading.Semaphore(0), threading.Event()

    def store(thread: int) -> None:
        for number in range(1000):
            uids = UIDS[0], UIDS[1], f"1.3.{thread}.{number}"
            try:
                archive.store(received("A^B", uids))
                acknowledged.append(uids)
            except ArchiveError:
                if over.is_set():
                    return
            begun.release()
            if over.is_set():
                return

    threads = [threading.Thread(target=store, args=[number]) for number in range(3)]
    for one in threads:
        one.start()
    for _ in range(12):
        assert begun.acquire(timeout=60)
    with killed(durable):
        pass
    for _ in range(12):
        assert begun.acquire(timeout=60)
    over.set()
    for one in threads:
        one.join(60)
    held = {one.uids for one in archive.locate_below(UIDS[0])}
    assert set(acknowledged) <= held
    assert len(acknowledged) >= 12
    whole(archive)
