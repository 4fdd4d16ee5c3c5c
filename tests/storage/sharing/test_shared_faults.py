"""A shared archive where processes die, connections are cut, and several store the same at once."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.data.shared_archives import (
    FORK,
    SECONDS,
    UIDS,
    ended,
    faults,
    in_process,
    names_found,
    objects_without_row,
    put_alone,
    receipts,
    received,
    states,
    swept,
    whole,
)
from support.machine.postgres import ScratchPostgres
from support.machine.postgres_proxy import PostgresProxy

from storage import Archive, StoreOutcome
from storage.diagnostics import ResourceError
from storage.dicom.values import Level, Uids
from storage.files.objects.shared_folder import SharedFolder
from storage.index.engines.postgres import engine, session
from storage.maintenance.changes import Selection, deletion
from storage.maintenance.check import check
from storage.maintenance.check.faults import FaultKind
from storage.sharing.answering import SharedEngine, faults_of
from storage.sharing.ledger import Objects, State
from storage.sharing.opened import shared_of
from storage.sharing.place import SharedPlace
from storage.sharing.sweeping import Decided, look_through

NewNode = Callable[..., Archive]


@pytest.fixture
def proxy(postgres: ScratchPostgres) -> Iterator[PostgresProxy]:
    made = PostgresProxy(postgres.url)
    yield made
    made.close()


# ---- several at once


@pytest.mark.parametrize("is_same", [True, False])
def test_the_same_instances_stored_by_two_processes_at_once_are_there_once(
    new_node: NewNode, is_same: bool
) -> None:
    archives = [new_node(), new_node()]
    instances: list[Uids] = [("1.1", "1.2", f"1.3.{number}") for number in range(12)]
    barrier, outcomes = FORK.Barrier(2), FORK.SimpleQueue()

    def store(number: int) -> None:
        name = "A^B" if is_same else f"A^{number}"
        for uids in instances:
            barrier.wait(SECONDS)
            outcomes.put(archives[number].store(received(name, uids)).outcome)

    both = [in_process(lambda number=number: store(number)) for number in (0, 1)]
    told = [outcomes.get() for _ in range(2 * len(instances))]
    assert [ended(one) for one in both] == [0, 0]
    other = StoreOutcome.UNCHANGED if is_same else StoreOutcome.REPLACED
    assert sorted(one.value for one in told) == sorted(
        [StoreOutcome.STORED.value] * len(instances) + [other.value] * len(instances)
    )
    whole(archives[0])
    held = [one for one in states(archives[0]) if one is State.HELD]
    assert len(held) == len(instances)
    assert len(receipts(archives[1])) == len(instances) * (1 if is_same else 2)


# ---- kills


@pytest.mark.parametrize(("owner", "name", "is_after"), [
    (SharedFolder, "put", False),
    (SharedFolder, "put", True),
    (Objects, "held_or_own", True),
    (Objects, "add", True),
    (session, "_commit", False),
])  # fmt: skip
def test_who_is_killed_before_the_commit_leaves_nothing_but_an_object(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, is_after: bool
) -> None:
    archive, other = new_node(), new_node()
    did = getattr(owner, name)

    def kill(*given: Any, **named: Any) -> Any:
        if is_after:
            did(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    def store() -> None:
        monkeypatch.setattr(owner, name, kill)
        archive.store(received())

    assert ended(in_process(store)) == -signal.SIGKILL
    assert (names_found(other), states(other), receipts(other)) == ([], [], [])
    assert other.store(received()).outcome is StoreOutcome.STORED
    whole(other)
    assert states(other) == [State.HELD]


def test_an_acknowledged_instance_outlasts_who_stored_it(new_node: NewNode) -> None:
    archive, other = new_node(), new_node()

    def store() -> None:
        archive.store(received())
        os.kill(os.getpid(), signal.SIGKILL)

    assert ended(in_process(store)) == -signal.SIGKILL
    assert names_found(other) == ["A^B"]
    whole(other)


@pytest.mark.parametrize("step", ["turn", "held"])
def test_a_deletion_that_is_killed_has_happened_or_not(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    archive, other = new_node(), new_node()
    archive.store(received())

    def delete() -> None:
        did = getattr(Objects, step)

        def kill(*given: Any) -> Any:
            did(*given)
            os.kill(os.getpid(), signal.SIGKILL)

        found = list(archive.locate_below(UIDS[0]))
        monkeypatch.setattr(Objects, step, kill)
        list(deletion.delete(archive, found))

    assert ended(in_process(delete)) == -signal.SIGKILL
    assert (names_found(other), states(other)) == (["A^B"], [State.HELD])
    assert len(receipts(other)) == 1
    assert list(deletion.delete(other, other.locate_below(UIDS[0]))) == [UIDS]
    assert (names_found(archive), states(archive)) == ([], [State.SUPERSEDED])


# ---- a commit of which nobody knows


@pytest.mark.parametrize("is_passed", [True, False])
def test_a_commit_whose_answer_is_lost_is_asked_for_and_happens_once(
    new_node: NewNode, place: SharedPlace, proxy: PostgresProxy, is_passed: bool
) -> None:
    archive = new_node(replace(place, index_url=proxy.url))
    other = new_node()
    with proxy.cutting(is_passed=is_passed) as cut:
        assert archive.store(received()).outcome is StoreOutcome.STORED
    assert cut.happened == 1
    assert len(receipts(other)) == 1
    assert (names_found(other), states(other)) == (["A^B"], [State.HELD])
    whole(other)


def test_a_commit_that_stays_unknown_is_no_success_and_its_object_stays(
    new_node: NewNode, place: SharedPlace, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_ATTEMPTS", 2)
    archive = new_node(replace(place, index_url=proxy.url))
    other = new_node()
    with proxy.cutting(cut_connects=True) as cut, pytest.raises(ResourceError):
        archive.store(received())
    assert cut.is_answered.wait(SECONDS)
    # It was committed: as it is for who asks, and for the sender, who sends again.
    assert (names_found(other), faults(other)) == (["A^B"], [""])
    assert archive.store(received()).outcome is StoreOutcome.UNCHANGED
    assert states(other) == [State.HELD]


def test_a_deletion_whose_commit_is_lost_can_be_asked_for_again(
    new_node: NewNode, place: SharedPlace, proxy: PostgresProxy
) -> None:
    archive = new_node(replace(place, index_url=proxy.url))
    other = new_node()
    archive.store(received())
    with proxy.cutting(is_passed=False), pytest.raises(ResourceError):
        list(deletion.delete(archive, list(archive.locate_below(UIDS[0]))))
    assert names_found(other) == ["A^B"]
    assert list(deletion.delete(archive, list(archive.locate_below(UIDS[0])))) == [UIDS]


# ---- the sweeper


def test_what_is_young_is_left_to_who_is_about_to_commit_it(new_node: NewNode) -> None:
    archive = new_node()
    put_alone(archive, "A^B")
    assert look_through(shared_of(archive.tree.data)) == Decided()
    assert len(objects_without_row(archive)) == 1


def test_of_objects_without_a_row_those_go_whose_content_is_held(new_node: NewNode) -> None:
    archive = new_node()
    put_alone(archive, "A^B")
    archive.store(received())
    assert swept(archive) == (1, 0, 0)
    assert (states(archive), faults(archive)) == ([State.HELD], [""])


def test_the_last_copy_stays_where_the_object_that_is_held_is_gone(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received())
    shared = shared_of(archive.tree.data)
    held = shared.objects.held(UIDS)
    assert held
    put_alone(archive, "A^B")
    shared.store().remove(held.key)
    assert swept(archive) == (0, 0, 1)
    assert len(list(shared.store().list())) == 1


def test_an_object_of_which_nothing_was_ever_told_is_entered(new_node: NewNode) -> None:
    """As after a database came back without its last commits."""
    archive = new_node()
    put_alone(archive, "A^B")
    assert swept(archive) == (0, 1, 0)
    assert (names_found(archive), faults(archive)) == (["A^B"], [""])
    assert archive.store(received()).outcome is StoreOutcome.UNCHANGED


def test_a_copy_of_an_object_under_the_uids_of_another_instance_is_told_from_it(
    new_node: NewNode, place: SharedPlace
) -> None:
    archive = new_node()
    archive.store(received())
    held = shared_of(archive.tree.data).objects.held(UIDS)
    assert held
    folder = Path(urlsplit(place.store.url).path)
    copied = held.key.replace("1.3.", "1.9.")
    for suffix in (".dcm", ".json"):
        shutil.copy((folder / held.key).with_suffix(suffix), (folder / copied).with_suffix(suffix))
    assert copied in objects_without_row(archive)
    assert swept(archive) == (0, 0, 1)
    assert (sorted(states(archive)), faults(archive)) == ([State.HELD, State.SUPERSEDED], [""])


def test_an_object_with_other_content_is_kept_and_can_be_restored(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received("C^D"))
    list(deletion.delete(archive, archive.locate_below(UIDS[0])))
    put_alone(archive, "A^B")
    assert swept(archive) == (0, 0, 1)
    assert (names_found(archive), states(archive)) == ([], [State.SUPERSEDED, State.SUPERSEDED])
    kept = deletion.restorable(archive, Selection(Level.STUDY, UIDS[0]), "ISO_IR 100")
    assert list(deletion.restore(archive, kept, "ISO_IR 100")) == [UIDS]
    assert (names_found(archive), faults(archive)) == (["A^B"], [""])


@pytest.mark.parametrize("is_held", [True, False])
def test_who_was_held_up_while_its_object_was_swept_does_not_rely_on_it(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, is_held: bool
) -> None:
    archive, other = new_node(), new_node()
    tree = shared_of(archive.tree.data).tree
    put = tree.put

    def put_late(*given: Any) -> str:
        key = put(*given)
        if is_held:
            other.store(received())
        swept(other)
        return key

    monkeypatch.setattr(tree, "put", put_late)
    if is_held:
        assert archive.store(received()).outcome is StoreOutcome.UNCHANGED
        assert (names_found(other), faults(other)) == (["A^B"], [""])
    else:
        with pytest.raises(ResourceError, match="swept"):
            archive.store(received())
        assert (names_found(other), faults(other)) == (["A^B"], [""])


def test_who_comes_an_hour_late_does_not_commit(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    monkeypatch.setattr("storage.archive.receiving.shared_stores._IN_TIME_SECONDS", -1.0)
    with pytest.raises(ResourceError, match="too long"):
        archive.store(received())
    assert (names_found(archive), states(archive)) == ([], [])


def test_a_sweep_that_is_killed_is_gone_on_with(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    put_alone(archive, "A^B")
    archive.store(received())

    def sweep_and_die() -> None:
        def kill(*_: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(Objects, "forget", kill)
        swept(archive)

    assert ended(in_process(sweep_and_die)) == -signal.SIGKILL
    assert sorted(states(archive)) == [State.HELD, State.TO_DELETE]
    assert swept(archive) == (1, 0, 0)
    assert (states(archive), faults(archive)) == ([State.HELD], [""])


# ---- check


def test_check_tells_of_objects_without_a_row_and_repair_enters_them(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    put_alone(archive, "A^B")
    assert not list(check(archive, "ISO_IR 100"))  # it may be on its way
    monkeypatch.setattr("storage.maintenance.check.lost._ON_THEIR_WAY_SECONDS", 0.0)
    for mended in (False, True):
        found = list(check(archive, "ISO_IR 100", repair=mended))
        assert [(one.kind, one.mended) for one in found] == [(FaultKind.WITHOUT_ROW, mended)]
    assert not list(check(archive, "ISO_IR 100"))
    assert names_found(archive) == ["A^B"]


def test_check_tells_of_rows_whose_object_is_gone_and_repair_drops_them(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received())
    shared = shared_of(archive.tree.data)
    held = shared.objects.held(UIDS)
    assert held
    shared.store().remove(held.key)
    for mended in (False, True):
        found = list(check(archive, "ISO_IR 100", repair=mended))
        assert [(one.kind, one.mended) for one in found] == [(FaultKind.MISSING, mended)]
    assert not list(check(archive, "ISO_IR 100"))
    assert archive.store(received()).outcome is StoreOutcome.STORED
    whole(archive)


@pytest.mark.parametrize(("statement", "kind"), [
    ("UPDATE instance SET InstanceNumber = '7'", FaultKind.ROW),
    ("DELETE FROM instance", FaultKind.NOT_INDEXED),
    ("UPDATE instance SET digest = ''", FaultKind.ROW),
])  # fmt: skip
def test_rows_that_are_wrong_are_found_and_made_anew(
    new_node: NewNode, statement: str, kind: FaultKind
) -> None:
    archive = new_node()
    archive.store(received())
    shared = shared_of(archive.tree.data)
    with shared.engine.writing():
        shared.engine.execute(statement, ())
    found = list(check(archive, "ISO_IR 100", repair=True))
    assert (kind, True) in [(one.kind, one.mended) for one in found]
    assert not list(check(archive, "ISO_IR 100"))
    assert names_found(archive) == ["A^B"]


def test_an_engine_that_hangs_holds_up_nobody_who_asks_how_it_is(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    data = archive.tree.data
    asked, over = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        over.wait(60)

    assert faults_of(data) == {SharedEngine.DATABASE: "", SharedEngine.STORE: ""}
    monkeypatch.setattr(shared_of(data).store(), "probe", hang)
    found = faults_of(data, 0.5)
    assert asked.wait(60)
    over.set()
    assert found[SharedEngine.STORE] == "has not answered for 0.5 s"
    assert found[SharedEngine.DATABASE] in ("", "has not answered for 0.5 s")
