"""A new instance goes to the database in one trip: all of it is entered, or nothing."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.data.shared_archives import (
    UIDS,
    ended,
    faults,
    in_process,
    names_found,
    receipts,
    received,
    states,
    whole,
)
from support.machine.delaying_proxy import DelayingProxy, delaying
from support.machine.postgres import ScratchPostgres, running_postgres
from support.machine.postgres_proxy import PostgresProxy

from storage import Archive, OnConflict, StoreOutcome, prepare
from storage.archive import fault_of
from storage.archive.commitments import failure_of, make_lasting
from storage.archive.finding import added_keys
from storage.archive.receiving import shared_stores
from storage.archive.receiving.shared_stores import _Commit
from storage.dicom import instance_header
from storage.dicom.values import Level, Uids
from storage.files import FileFacts
from storage.index import record
from storage.index.engines.postgres import PostgresEngine, trips
from storage.journal import Commitment
from storage.maintenance.changes import correction, deletion
from storage.maintenance.check import check
from storage.maintenance.recovery import rebuild
from storage.sharing.ledger import State
from storage.sharing.opened import share, shared_of
from storage.sharing.place import SharedPlace, StorePlace

NewNode = Callable[..., Archive]
SECOND: Uids = (*UIDS[:2], "1.4")
THIRD: Uids = (*UIDS[:2], "1.5")
OPENS: Uids = ("2.1", "2.2", "2.3")  # the first of a study


@pytest.fixture
def slow_ones(monkeypatch: pytest.MonkeyPatch) -> list[Uids]:
    """The instances that are entered statement by statement."""
    found: list[Uids] = []
    write = _Commit.write

    def noted(self: _Commit) -> None:
        found.append(self._header.uids)
        write(self)

    monkeypatch.setattr(_Commit, "write", noted)
    return found


@pytest.fixture
def through(postgres: ScratchPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[DelayingProxy]:
    """On the way to the server; which keys are added is asked once, and not every second."""
    monkeypatch.setattr(added_keys, "_LOOK_SECONDS", 3600.0)
    with delaying(postgres.port, 0) as proxy:
        yield proxy


def by_way_of(place: SharedPlace, port: int) -> SharedPlace:
    return replace(place, index_url=f"postgresql://minipacs@127.0.0.1:{port}/postgres")


def test_a_new_instance_of_a_series_takes_two_round_trips(
    new_node: NewNode, place: SharedPlace, through: DelayingProxy, slow_ones: list[Uids]
) -> None:
    """One to look whether it is held, and one that stores it: others wait for no network."""
    archive = new_node(by_way_of(place, through.port))
    archive.store(received())
    assert slow_ones == [UIDS]
    taken = []
    for number in range(8):
        before = through.turns
        uids = (*UIDS[:2], f"1.3.{number}")
        assert archive.store(received(uids=uids)).outcome is StoreOutcome.STORED
        taken.append(through.turns - before)
    assert sorted(taken) == [2] * 7 + [3]  # once, as what is asked often is prepared
    assert slow_ones == [UIDS]
    assert (len(receipts(archive)), faults(archive)) == (9, [""] * 9)
    assert not list(check(archive, "ISO_IR 100"))


@pytest.mark.parametrize(("uids", "said"), [
    ("{0} {0}.1 {0}.1.1", {"PatientID": "P{0}"}),
    ("{0} {0}.1 {0}.1.1", {}),
    ("1.1 1.2.{0} 1.3.{0}", {}),
])  # fmt: skip
def test_what_opens_a_study_or_a_series_takes_no_more(
    new_node: NewNode, place: SharedPlace, through: DelayingProxy, slow_ones: list[Uids],
    uids: str, said: dict[str, str],
) -> None:  # fmt: skip
    archive = new_node(by_way_of(place, through.port))
    archive.store(received())
    taken = []
    for number in range(7, 15):
        before = through.turns
        study, series, instance = uids.format(number).split()
        values = {keyword: text.format(number) for keyword, text in said.items()}
        one = received(uids=(study, series, instance), **values)
        assert archive.store(one).outcome is StoreOutcome.STORED
        taken.append(through.turns - before)
    assert slow_ones == [UIDS]
    assert sorted(taken) == [2] * 7 + [3]
    assert not list(check(archive, "ISO_IR 100"))


def test_what_is_not_as_remembered_is_looked_for_with_one_trip_more(
    new_node: NewNode, place: SharedPlace, through: DelayingProxy, slow_ones: list[Uids]
) -> None:
    archive, other = new_node(by_way_of(place, through.port)), new_node()
    archive.store(received())
    archive.store(received(uids=SECOND))
    other.store(received("X^Y", OPENS, PatientID="2"))
    deleted_study(other, OPENS[0])  # the epoch is another
    slow_ones.clear()
    before = through.turns
    archive.store(received(uids=THIRD))
    assert (through.turns - before, slow_ones) == (3, [])


def test_nobody_waits_for_the_answers_that_another_waits_for(
    new_node: NewNode, place: SharedPlace, postgres: ScratchPostgres
) -> None:
    """With a network in between: what one node has sent is over before it is told so."""
    proxy = PostgresProxy(postgres.url)
    far, near = new_node(replace(place, index_url=proxy.url)), new_node()
    for archive in (far, near):
        archive.store(received())
    with ThreadPoolExecutor(1) as thread:
        with proxy.holding_back() as held:
            under_way = thread.submit(far.store, received(uids=SECOND))
            assert held.due.wait(60)
            for uids in (THIRD, ("2.1", "2.2", "2.3"), ("2.1", "2.2", "2.4")):
                assert near.store(received(uids=uids)).outcome is StoreOutcome.STORED
            assert not under_way.done()
        assert under_way.result().outcome is StoreOutcome.STORED
    whole(near)
    proxy.close()


def changed_patient(one: Archive) -> None:
    entity = Level.STUDY, UIDS[0]
    correction.correct(one.tree, entity, {"PatientName": "C^D"}, user="u", before={})


def corrected_what_comes(one: Archive) -> None:
    """As of what was deleted since: no row is another."""
    entity = Level.IMAGE, SECOND[2]
    correction.correct(one.tree, entity, {"InstanceNumber": "77"}, user="u", before={})


def deleted_study(one: Archive, study: str = UIDS[0]) -> None:
    list(deletion.delete(one, one.locate_below(study)))


def stored_other(one: Archive) -> None:
    one.store(received("E^F", THIRD))


def stored_same(one: Archive) -> None:
    one.store(received(uids=SECOND))


def stored_under_the_same_uid(one: Archive) -> None:
    one.store(received(uids=("7.1", "7.2", SECOND[2]), PatientID="7"))


def lost_shared_header(one: Archive) -> None:
    engine = shared_of(one.tree.data).engine
    with engine.writing():
        engine.execute("DELETE FROM shared_header", ())


def renewed_index(one: Archive) -> None:
    rebuild(one.tree.data, "ISO_IR 100")


@pytest.mark.parametrize(("change", "outcome", "names", "is_slow"), [
    (changed_patient, StoreOutcome.STORED, ["C^D"], True),
    (corrected_what_comes, StoreOutcome.STORED, ["A^B"], True),
    (deleted_study, StoreOutcome.STORED, ["A^B"], False),
    (stored_other, StoreOutcome.STORED, ["A^B"], True),
    (stored_same, StoreOutcome.UNCHANGED, ["A^B"], False),
    (lost_shared_header, StoreOutcome.STORED, ["A^B"], False),
    (renewed_index, StoreOutcome.STORED, ["A^B"], False),
    (stored_under_the_same_uid, StoreOutcome.STORED, ["A^B", "A^B"], False),
])  # fmt: skip
def test_what_another_node_did_meanwhile_is_seen(
    new_node: NewNode, slow_ones: list[Uids],
    change: Callable[[Archive], None], outcome: StoreOutcome, names: list[str], is_slow: bool,
) -> None:  # fmt: skip
    archive, other = new_node(), new_node()
    archive.store(received())
    change(other)
    slow_ones.clear()
    found = archive.store(received(uids=SECOND))
    assert found.outcome is outcome
    assert bool(slow_ones) is is_slow
    assert names_found(other) == names
    assert not [one for one in faults(other) if one]
    if change is stored_under_the_same_uid:
        assert found.disagreements == (
            f"instance {SECOND[2]} lies in more than one series or study",
        )


@pytest.mark.parametrize(("change", "outcome", "name", "is_slow"), [
    (stored_same, StoreOutcome.UNCHANGED, "A^B", True),
    (lambda one: one.store(received("X^Y", SECOND)), StoreOutcome.REPLACED, "A^B", True),
    (changed_patient, StoreOutcome.STORED, "C^D", True),
    (deleted_study, StoreOutcome.STORED, "A^B", False),
])  # fmt: skip
def test_who_is_overtaken_behind_the_put_is_told_what_became_of_it(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, slow_ones: list[Uids],
    change: Callable[[Archive], Any], outcome: StoreOutcome, name: str, is_slow: bool,
) -> None:  # fmt: skip
    archive, other = new_node(), new_node()
    archive.store(received())
    send = shared_stores._send

    def overtaken(*given: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(shared_stores, "_send", send)
            change(other)
            slow_ones.clear()
        send(*given)

    monkeypatch.setattr(shared_stores, "_send", overtaken)
    assert archive.store(received(uids=SECOND)).outcome is outcome
    assert slow_ones == [SECOND] * is_slow
    assert set(names_found(other)) == {name}
    whole(other)


def test_other_content_is_refused_where_another_was_faster(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, other = new_node(on_conflict=OnConflict.KEEP), new_node()
    archive.store(received())
    other.store(received())
    send = shared_stores._send

    def overtaken(*given: Any) -> None:
        monkeypatch.setattr(shared_stores, "_send", send)
        other.store(received(uids=SECOND))
        send(*given)

    monkeypatch.setattr(shared_stores, "_send", overtaken)
    assert archive.store(received("X^Y", SECOND)).outcome is StoreOutcome.KEPT
    assert len(receipts(other)) == 2
    whole(other)


def test_both_ways_enter_the_same(new_node: NewNode, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = new_node()
    engine = shared_of(archive.tree.data).engine
    archive.store(received())
    rows = []
    for sends, instance in ((True, "1.4"), (False, "1.5")):
        monkeypatch.setattr(PostgresEngine, "sends", sends)
        archive.store(received(uids=(*UIDS[:2], instance)))
        with engine.reading():
            rows.append([
                engine.execute(
                    f"SELECT {columns} FROM {table} WHERE {name} = ?", (instance,)
                )
                for table, name, columns in (
                    ("object", "instance", "bytes, state, syntax, charset, sender, digest"),
                    ("instance", "SOPInstanceUID", "parent_id, shared_id, file_bytes, sender"),
                )
            ])  # fmt: skip
    for one in rows:
        (held,) = one[0]
        one[0] = [held[:-1]]  # the digests differ, as the UIDs do
    assert rows[0] == rows[1]
    first, *lines = receipts(archive)
    assert [sorted(line) for line in lines] == [sorted(first)] * 2


# ---- kills, and answers that are lost


@pytest.mark.parametrize("uids", [SECOND, OPENS])
@pytest.mark.parametrize("is_after", [False, True])
def test_who_is_killed_at_the_commit_has_stored_it_or_not(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, is_after: bool, uids: Uids
) -> None:
    archive, other = new_node(), new_node()
    end = trips.Trip.end

    def kill(self: trips.Trip) -> Any:
        if is_after:
            end(self)
            self._connection._pipeline.sync()  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGKILL)

    def store() -> None:
        archive.store(received())
        monkeypatch.setattr(trips.Trip, "end", kill)
        archive.store(received(uids=uids))

    assert ended(in_process(store)) == -signal.SIGKILL
    found = other.store(received(uids=uids)).outcome
    assert found is (StoreOutcome.UNCHANGED if is_after else StoreOutcome.STORED)
    whole(other)
    assert states(other) == [State.HELD, State.HELD]


@pytest.mark.parametrize("uids", [SECOND, OPENS])
@pytest.mark.parametrize("is_passed", [True, False])
def test_a_trip_whose_answer_is_lost_is_asked_for_and_happens_once(
    new_node: NewNode, place: SharedPlace, postgres: ScratchPostgres, is_passed: bool, uids: Uids
) -> None:
    proxy = PostgresProxy(postgres.url)
    archive, other = new_node(replace(place, index_url=proxy.url)), new_node()
    archive.store(received())
    with proxy.cutting(is_passed=is_passed) as cut:
        assert archive.store(received(uids=uids)).outcome is StoreOutcome.STORED
    assert cut.happened == 1
    assert len(receipts(other)) == 2
    assert not list(check(other, "ISO_IR 100"))
    whole(other)
    assert states(other) == [State.HELD, State.HELD]
    proxy.close()


def test_only_what_is_committed_is_known_to_who_sends(new_node: NewNode) -> None:
    """Another thread's rows may be taken back, and with them what those above them say."""
    archive = new_node()
    archive.store(received())
    engine, before = shared_of(archive.tree.data).engine, []
    known = engine.remembered
    for taken_back in (True, False):
        with suppress(KeyError), engine.writing():
            held = encoded(ct("2.1", "2.2", "2.3", PatientID="2"))
            header = instance_header.header(BytesIO(held), EXPLICIT, "ISO_IR 100")
            record(archive.index, header, FileFacts(EXPLICIT, 1, "d"))
            before.append(engine.remembered)
            if taken_back:
                raise KeyError
        assert (engine.remembered == known) is taken_back
    assert before == [known, known]


def test_rows_that_were_taken_back_are_not_relied_on(
    new_node: NewNode, slow_ones: list[Uids]
) -> None:
    """As where they were damaged: nothing of it is entered below a header that is not there."""
    archive, other = new_node(), new_node()
    archive.store(received())
    engine = shared_of(archive.tree.data).engine
    epoch, known = engine.remembered
    dangling = {key: (given[0], given[1] + 1) for key, given in known.items() if key[0] is False}
    assert dangling
    engine.remembered = epoch, dangling
    slow_ones.clear()
    assert archive.store(received(uids=SECOND)).outcome is StoreOutcome.STORED
    assert engine.remembered == (epoch, {key: known[key] for key in dangling})  # looked for
    assert not slow_ones
    assert not list(check(other, "ISO_IR 100"))


def stored_again(one: Archive) -> None:
    assert one.store(received(uids=SECOND)).outcome is StoreOutcome.UNCHANGED


def committed_to(one: Archive) -> None:
    asked = Commitment("1.2.9", "CT1", ((CT, SECOND[2]),), 0)
    assert failure_of(one, asked, asked.references[0]) is None
    make_lasting(one)


@pytest.fixture(scope="module")
def crashing() -> Iterator[ScratchPostgres]:
    """A server that syncs what is waited for, and nothing by itself."""
    with running_postgres(durable=True, wal_writer_delay="10s", autovacuum="off") as server:
        yield server


@pytest.mark.parametrize("answered", [None, stored_again, committed_to])
def test_what_was_acknowledged_outlasts_a_crash_of_the_server(
    crashing: ScratchPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    answered: Callable[[Archive], None] | None,
) -> None:  # fmt: skip
    """Others see what was sent before it is durable: who answers for it makes it so."""
    (tmp_path / "objects").mkdir()
    store = StorePlace(f"file://{tmp_path / 'objects'}")
    place = SharedPlace(crashing.url, store, f"crashed_{uuid4().hex[:12]}")
    archives = []
    for number in range(2):
        share(data := tmp_path / f"node{number}", place)
        assert prepare(data, sync=True, charset="ISO_IR 100")
        archives.append(Archive(data))
    first, second = archives
    first.store(received())
    if answered:  # its own wait for the disk has not come yet
        with monkeypatch.context() as patch:
            patch.setattr(trips, "LASTING", "SELECT 1")
            first.store(received(uids=SECOND))
        answered(second)
    else:
        first.store(received(uids=SECOND))
    crashing.stop(signal.SIGKILL)
    crashing.start()
    held = [one.uids for one in second.locate_below(UIDS[0])]
    assert sorted(held) == [UIDS, SECOND]
    assert not [one for one in second.locate_below(UIDS[0]) if fault_of(second.tree, one)]
    for one in archives:
        shared_of(one.tree.data).engine.close()
