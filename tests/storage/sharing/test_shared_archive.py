"""An archive that several nodes have: stored, found, given back and deleted by each of them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support import CT
from support.data.shared_archives import (
    CHARSET,
    UIDS,
    faults,
    names_found,
    receipts,
    received,
    states,
)
from support.machine.postgres import ScratchPostgres

from scp.config import open_archive as open_configured
from storage import (
    Archive,
    ArchiveError,
    IncomingDataSet,
    OnConflict,
    Received,
    Stored,
    StoreOutcome,
    open_archive,
)
from storage.archive.batch import store_all
from storage.diagnostics import DuplicateError, FolderError, MismatchError, ResourceError
from storage.dicom.values import Level
from storage.files import Bounds
from storage.files.objects import keys
from storage.journal import Commitment, commitments, pins
from storage.maintenance.changes import Selection, correction, deletion
from storage.sharing.ledger import Objects, State
from storage.sharing.opened import shared_of
from storage.sharing.place import SharedPlace
from storage.sharing.preparing import prepare_shared, require_prepared
from storage.sharing.sweeping import remove_due
from storage.worklist import StepError, StepFault, Worklist
from storage.worklist.entries import from_values

OF_STUDY = Selection(Level.STUDY, UIDS[0])

NewNode = Callable[..., Archive]
# What a modality says as it begins.
BEGUN = from_values({
    "PerformedProcedureStepID": "P1", "PerformedStationAETitle": "CT1", "Modality": "CT",
    "PerformedProcedureStepStartDate": "20261129", "PerformedProcedureStepStartTime": "0930",
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "ScheduledStepAttributesSequence.StudyInstanceUID": UIDS[0],
})  # fmt: skip


def test_what_one_stores_the_others_find_and_give_back(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    assert first.store(received()).outcome is StoreOutcome.STORED
    assert names_found(second) == ["A^B"]
    assert faults(second) == [""]
    (line,) = receipts(second)
    assert (line["uids"], line["sender"]) == (list(UIDS), "SENDER")


def test_a_large_instance_goes_by_the_spool_and_leaves_nothing_there(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received(PixelData=bytes(3 << 20)))
    assert faults(archive) == [""]
    assert not list((archive.tree.data / "incoming").iterdir())


def test_what_is_expected_is_read_without_another_look_at_what_is_held(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    instances = [(UIDS[0], UIDS[1], f"1.3.{number}") for number in range(3)]
    for uids in instances:
        archive.store(received(uids=uids))
    keys = archive.tree.expect([*instances, ("1", "2", "3")])
    assert sorted(keys) == instances
    contents = {uids: archive.tree.open(uids).read() for uids in instances}
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "held", None)
        assert {uids: archive.tree.open(uids, keys[uids]).read() for uids in instances} == contents


def test_what_is_expected_and_was_replaced_since_is_given_as_it_is_held(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received())
    old = archive.tree.expect([UIDS])[UIDS]
    archive.store(received("C^D"))
    (kept,) = archive.tree.superseded.all()
    archive.tree.superseded.remove(kept.path)
    remove_due(shared_of(archive.tree.data))
    assert archive.tree.open(UIDS, old).read() == archive.tree.open(UIDS).read()
    list(deletion.delete(archive, archive.locate_below(UIDS[0])))
    with pytest.raises(FileNotFoundError):
        archive.tree.open(UIDS, old)


@pytest.mark.parametrize(
    ("policy", "outcome", "name", "held"),
    [
        (OnConflict.REPLACE, StoreOutcome.REPLACED, "C^D", [State.SUPERSEDED, State.HELD]),
        (OnConflict.KEEP, StoreOutcome.KEPT, "A^B", [State.HELD]),
        (OnConflict.REFUSE, None, "A^B", [State.HELD]),
    ],
)
def test_other_content_is_dealt_with_as_is_set(
    new_node: NewNode, policy: OnConflict, outcome: StoreOutcome | None, name: str,
    held: list[State],
) -> None:  # fmt: skip
    first, second = new_node(on_conflict=policy), new_node(on_conflict=policy)
    first.store(received())
    if outcome:
        assert second.store(received("C^D")).outcome is outcome
    else:
        with pytest.raises(DuplicateError):
            second.store(received("C^D"))
    assert names_found(first) == [name]
    assert states(first) == held


def test_the_same_again_changes_nothing_and_puts_nothing(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    assert second.store(received()).outcome is StoreOutcome.UNCHANGED
    assert states(first) == [State.HELD]
    assert len(receipts(first)) == 1


def test_what_is_lost_from_the_store_is_stored_again(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    shared = shared_of(first.tree.data)
    held = shared.objects.held(UIDS)
    assert held
    shared.store().remove(held.key)
    assert faults(first) != [""]
    assert second.store(received()).outcome is StoreOutcome.REPLACED
    assert faults(first) == [""]


def test_what_is_deleted_by_one_is_restored_by_another(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    found = first.locate_below(UIDS[0])
    assert list(deletion.delete(first, found)) == [UIDS]
    assert (names_found(second), states(second)) == ([], [State.SUPERSEDED])
    kept = deletion.restorable(second, OF_STUDY, CHARSET)
    assert list(deletion.restore(second, kept, CHARSET)) == [UIDS]
    assert (names_found(first), faults(first)) == (["A^B"], [""])


def test_what_is_stored_again_after_a_deletion_outlasts_the_purge(new_node: NewNode) -> None:
    """As the same instance twice under one name would not."""
    first, second = new_node(), new_node()
    first.store(received())
    list(deletion.delete(first, first.locate_below(UIDS[0])))
    second.store(received())
    assert len(list(deletion.purge(list(deletion.all_superseded(first)), first))) == 1
    assert states(first) == [State.TO_DELETE, State.HELD]
    assert faults(first) == [""]


def incoming(archive: Archive, one: Received) -> tuple[Received, IncomingDataSet]:
    intake = archive.receive(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
    assert isinstance(one.data_set, bytes)
    intake.write(one.data_set)
    return replace(one, data_set=intake), intake


@pytest.mark.parametrize("fails_together", [False, True])
def test_many_are_stored_together_and_each_has_its_own_outcome(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch, fails_together: bool
) -> None:
    archive, other = new_node(on_conflict=OnConflict.REFUSE), new_node()
    archive.store(received())
    many = [received(uids=("1.1", "1.2", f"1.3.{number}")) for number in range(5)]
    some = [received(), received("C^D"), many[0], *many, received("C^D", ("1.1", "1.2", "1.3.1"))]
    bad = replace(received(), sop_instance_uid="9.9")
    if fails_together:
        write, calls = shared_of(archive.tree.data).engine.write, []

        def fail_once(work: Callable[[], None]) -> None:
            calls.append(1)
            if len(calls) == 1:
                raise ResourceError("together")
            write(work)

        monkeypatch.setattr(shared_of(archive.tree.data).engine, "write", fail_once)
    found = store_all(archive, [incoming(archive, one) for one in (*some, bad)])
    told = [one.outcome if isinstance(one, Stored) else type(one) for one in found]
    stored, same = StoreOutcome.STORED, StoreOutcome.UNCHANGED
    assert told == [same, DuplicateError, stored, same, *[stored] * 4, DuplicateError,
                    MismatchError]  # fmt: skip
    assert faults(other) == [""] * 6
    assert len(receipts(other)) == 6


def test_no_more_copies_are_kept_than_may_be(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node(bounds=Bounds(copies=3))
    for name in ("A", "B", "A", "B", "C", "D"):  # of A and B one copy each is enough
        archive.store(received(name))
    with pytest.raises(ResourceError, match="3 replaced versions"):
        archive.store(received("E"))
    assert names_found(archive) == ["D"]
    monkeypatch.setattr("storage.archive.receiving.shared_stores._SAFE_MILLISECONDS", -1000)
    pins.pin(archive.journal, UIDS[0])
    with pytest.raises(ResourceError, match="3 replaced versions"):
        archive.store(received("E"))
    pins.unpin(archive.journal, UIDS[0])
    assert archive.store(received("E")).outcome is StoreOutcome.REPLACED
    found = states(archive)
    assert (found.count(State.SUPERSEDED), found.count(State.HELD)) == (3, 1)


def test_of_two_nodes_one_begins_a_performed_procedure_step(
    new_node: NewNode,
) -> None:
    archives, barrier = [new_node(), new_node()], threading.Barrier(2)

    def create(archive: Archive) -> str:
        folder = archive.tree.data / "worklist"
        worklist = Worklist(archive.tree.data, archive.journal, folder)
        barrier.wait(60)
        try:
            worklist.create("1.9", "CT1", BEGUN, lenient=True)
        except StepError as error:
            return str(error.fault)
        finally:
            worklist.close()
        return "created"

    with ThreadPoolExecutor(2) as both:
        told = sorted(both.map(create, archives))
    assert told == sorted(["created", str(StepFault.DUPLICATE)])
    assert len(list(archives[0].journal.read("steps"))) == 1


def test_of_two_nodes_that_are_asked_at_once_one_has_the_duplicate_transaction(
    new_node: NewNode,
) -> None:
    archives, barrier = [new_node(), new_node()], threading.Barrier(2)

    def ask(archive: Archive) -> bool:
        barrier.wait(60)
        asked = Commitment("9.1", "CT1", ((CT, UIDS[2]),), 0)
        return commitments.request(archive.journal, asked).duplicate

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(ask, archives)) == [False, True]


def test_a_server_that_does_not_sync_is_warned_of(
    new_node: NewNode, caplog: pytest.LogCaptureFixture
) -> None:
    new_node()
    assert "PostgreSQL runs with fsync = off" in caplog.text


@pytest.mark.parametrize(("setting", "told", "wanted"), [
    ("synchronous_commit", "off", "on"),
    ("default_transaction_isolation", "serializable", "read committed"),
])  # fmt: skip
def test_what_is_relied_on_is_so_whatever_the_server_is_told(
    new_node: NewNode, postgres: ScratchPostgres, setting: str, told: str, wanted: str
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE minipacs SET {setting} = '{told}'".encode())
        try:
            engine = shared_of(new_node().tree.data).engine
            assert engine.execute(f"SHOW {setting}", ()) == [(wanted,)]
        finally:
            connection.execute(f"ALTER ROLE minipacs RESET {setting}".encode())


def test_a_program_reads_it_by_its_place_alone_and_leaves_nothing(
    new_node: NewNode, place: SharedPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    archive = new_node()
    archive.store(received("Wrong^1", PatientID="P1"))
    correction.correct(
        archive.tree, (Level.STUDY, UIDS[0]), {"PatientName": "Right^1"}, user="u", before={}
    )
    with open_archive(place) as reader, open_archive(place) as other:
        (found,) = reader.find("IMAGE", PatientID="P1")
        assert (found["PatientName"], reader.dcmread(found).PatientName) == ("Right^1", "Right^1")
        assert reader.dcmread(found, as_stored=True).PatientName == "Wrong^1"
        with reader.open(found) as file, other.open(found) as same:
            assert file.read() == same.read()
        assert len(list(scratch.iterdir())) == 2
    assert not list(scratch.iterdir())
    with pytest.raises(ArchiveError, match="minipacs serve"):
        open_archive(replace(place, schema="none"))
    config = tmp_path / "config.toml"
    config.write_text(f'[index]\nurl = "{place.index_url}"\nschema = "{place.schema}"\n'
                      f'[store]\nurl = "{place.store.url}"\n')  # fmt: skip
    with open_configured(config) as reader:
        assert [one["PatientName"] for one in reader.find()] == ["Right^1"]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("version", "words"), [
    (1, "tables of version 1, and this minipacs knows version 2: with the minipacs that made them"),
    (3, "tables of version 3, and this minipacs knows version 2: have all nodes be of the newer"),
])  # fmt: skip
def test_tables_of_another_version_are_refused_with_what_to_do(
    new_node: NewNode, version: int, words: str
) -> None:
    data = new_node().tree.data
    engine = shared_of(data).engine
    with engine.writing():
        engine.execute("UPDATE ledger SET version = ?", (version,))
    for begin in (prepare_shared, require_prepared):
        with pytest.raises(FolderError, match=words):
            begin(data)


def test_no_instance_is_given_for_another_whose_place_is_the_same(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = keys._place
    monkeypatch.setattr(keys, "_place", lambda uids: place(uids)[:8].ljust(16, b"."))
    archive, other = new_node(), (*UIDS[:2], "1.9")
    archive.store(received())
    with pytest.raises(ResourceError):
        archive.store(received(uids=other))
    assert not archive.tree.holds(other)
    assert archive.tree.expect([UIDS, other]).keys() == {UIDS}
    assert faults(archive) == [""]
