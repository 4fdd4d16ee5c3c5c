"""The archive: what is stored is on the disk and in the index, or in neither."""

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from support import CT, EXPLICIT, IMPLICIT, ct, encoded, identifier

from storage import Archive, OnConflict, Query, Received, Root, Stored, StoreOutcome, prepare
from storage.diagnostics.errors import (
    ArchiveError,
    DataSetError,
    DuplicateError,
    MismatchError,
    ResourceError,
)
from storage.dicom import instance_header, part10
from storage.dicom.values.uids import Uids
from storage.index.engines.sqlite.database import MAX_IDLE, connection_of
from storage.index.writer import record
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import FaultKind

UIDS: Uids = ("1.1", "1.2", "1.3")
CHARSET = "ISO_IR 100"
MR = "1.2.840.10008.5.1.4.1.1.4"
SECONDS = 60


@pytest.fixture
def data(tmp_path: Path, place_archive: Callable[[Path], None]) -> Path:
    folder = tmp_path / "data"
    place_archive(folder)
    prepare(folder, sync=False, charset=CHARSET)
    return folder


Open = Callable[..., Archive]


@pytest.fixture
def open_archive(data: Path) -> Iterator[Open]:
    opened = []

    def opening(**options: Any) -> Archive:
        opened.append(Archive(data, **{"sync": False, **options}))
        return opened[-1]

    yield opening
    for archive in opened:
        archive.close_thread()


@pytest.fixture
def archive(open_archive: Open) -> Archive:
    return open_archive()


def content_of(archive: Archive, uids: Uids) -> bytes:
    """The data set that is held of an instance."""
    with archive.tree.open(uids) as file:
        part10.read(file)
        return file.read()


def received(held: Dataset, **command: Any) -> Received:
    """What a C-STORE of `held` brings; `command` is what it says otherwise."""
    said = {
        "sop_class_uid": str(held.SOPClassUID),
        "sop_instance_uid": str(held.SOPInstanceUID),
        "transfer_syntax_uid": EXPLICIT,
        "data_set": encoded(held),
        "charset": CHARSET,
        **command,
    }
    return Received(**said)


def instance(uids: Uids = UIDS, **values: Any) -> Received:
    return received(ct(*uids, **values))


def find(
    archive: Archive, level: str, root: Root = Root.STUDY, **keys: str
) -> list[dict[str, str]]:
    """The answers to a query, keyword -> text."""
    query = Query.read(root, encoded(identifier(level, **keys)), EXPLICIT, CHARSET)
    keywords = [attribute.keyword for attribute in query.returned]
    return [
        dict(zip(keywords, answer.texts, strict=True)) for answer in archive.find(query, CHARSET)
    ]


def located(archive: Archive, **keys: str) -> list[Uids]:
    level = ("STUDY", "SERIES", "IMAGE")[len(keys) - 1]
    query = Query.read(Root.STUDY, encoded(identifier(level, **keys)), EXPLICIT, CHARSET)
    return [location.uids for location in archive.locate(query)]


def everything(archive: Archive) -> dict[str, bytes]:
    """The files of tree, superseded and incoming, by path."""
    folders = ("tree", "superseded", "incoming")
    return {
        str(path.relative_to(archive.tree.data)): path.read_bytes()
        for folder in folders
        for path in (archive.tree.data / folder).rglob("*")
        if path.is_file()
    }


def folders(archive: Archive) -> list[Path]:
    return [path for path in archive.tree.root.rglob("*") if path.is_dir()]


def rows(archive: Archive) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the index."""
    tables = ("patient", "study", "series", "instance", "name_part")
    with archive.index.engine.connected(), archive.index.engine.reading():
        execute = archive.index.engine.execute
        return {table: sorted(execute(f"SELECT * FROM {table}", ())) for table in tables}


def superseded(archive: Archive) -> list[bytes]:
    found = []
    for kept in archive.tree.superseded.all():
        with archive.tree.superseded.open(kept) as file:
            part10.read(file)
            found.append(file.read())
    return sorted(found)


# ---- stored


def test_what_is_stored_is_located_and_found(archive: Archive) -> None:
    one = instance(AccessionNumber="A1")
    assert archive.store(one) == Stored(StoreOutcome.STORED, UIDS)
    assert located(archive, StudyInstanceUID="1.1") == [UIDS]
    assert located(archive, StudyInstanceUID="1.1", SeriesInstanceUID="1.2") == [UIDS]
    assert located(
        archive, StudyInstanceUID="1.1", SeriesInstanceUID="1.2", SOPInstanceUID="1.3"
    ) == [UIDS]
    assert located(archive, StudyInstanceUID="1.9") == []
    asked = {"StudyInstanceUID": "", "PatientName": "doe*", "AccessionNumber": "A1"}
    assert find(archive, "STUDY", **asked) == [
        {"PatientName": "Doe^Jane", "StudyInstanceUID": "1.1", "AccessionNumber": "A1"}
    ]
    assert content_of(archive, UIDS) == one.data_set
    assert list(check(archive, CHARSET)) == []


def test_a_data_set_in_a_view_of_memory_is_stored(archive: Archive) -> None:
    data_set = encoded(ct(*UIDS))
    archive.store(received(ct(*UIDS), data_set=memoryview(data_set)))
    assert content_of(archive, UIDS) == data_set


@pytest.mark.of_folder
def test_the_same_again_writes_nothing(archive: Archive) -> None:
    archive.store(instance())
    path = archive.tree.path(UIDS)
    before, held, at = rows(archive), everything(archive), path.stat()
    journal = (archive.tree.data / "journal" / "receipts.jsonl").read_bytes()
    assert archive.store(instance()) == Stored(StoreOutcome.UNCHANGED, UIDS)
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ino, after.st_ctime_ns) == (
        at.st_mtime_ns,
        at.st_ino,
        at.st_ctime_ns,
    )
    assert (rows(archive), everything(archive)) == (before, held)
    assert (archive.tree.data / "journal" / "receipts.jsonl").read_bytes() == journal


def test_the_same_again_is_entered_where_the_index_lost_it(archive: Archive) -> None:
    archive.store(instance())
    with archive.index.engine.writing():
        archive.index.engine.execute("DELETE FROM instance", ())
    assert located(archive, StudyInstanceUID="1.1") == []
    assert archive.store(instance()).outcome is StoreOutcome.UNCHANGED
    assert located(archive, StudyInstanceUID="1.1") == [UIDS]


@pytest.mark.of_folder
def test_the_same_again_mends_a_damaged_file(archive: Archive) -> None:
    archive.store(instance())
    archive.tree.path(UIDS).write_bytes(b"damaged")
    assert archive.store(instance()).outcome is StoreOutcome.REPLACED
    assert content_of(archive, UIDS) == instance().data_set


# ---- other content

OLD = instance(PatientName="Old^Name", StudyDescription="old", Rows=4)
NEW = instance(PatientName="New^Name", StudyDescription="new", Rows=8)
SHOWN = {"StudyInstanceUID": "1.1", "PatientName": "", "StudyDescription": ""}
SHOWN_OLD = [{"StudyInstanceUID": "1.1", "PatientName": "Old^Name", "StudyDescription": "old"}]
SHOWN_NEW = [{"StudyInstanceUID": "1.1", "PatientName": "New^Name", "StudyDescription": "new"}]


def image_rows(archive: Archive) -> list[str]:
    keys = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.2", "SOPInstanceUID": "", "Rows": ""}
    return [answer["Rows"] for answer in find(archive, "IMAGE", **keys)]


def test_replacing_keeps_the_old_bytes_and_answers_with_the_new(open_archive: Open) -> None:
    archive = open_archive(on_conflict=OnConflict.REPLACE)
    archive.store(OLD)
    assert archive.store(NEW).outcome is StoreOutcome.REPLACED
    assert content_of(archive, UIDS) == NEW.data_set
    assert superseded(archive) == [OLD.data_set]
    assert find(archive, "STUDY", **SHOWN) == SHOWN_NEW
    assert find(archive, "STUDY", StudyInstanceUID="", PatientName="Old^Name") == []
    assert find(archive, "STUDY", StudyInstanceUID="", PatientName="*ld^N*") == []
    assert image_rows(archive) == ["8"]
    assert list(check(archive, CHARSET)) == []


def test_replacing_twice_keeps_both(open_archive: Open) -> None:
    archive = open_archive(on_conflict=OnConflict.REPLACE)
    contents = [instance(StudyDescription=text) for text in ("one", "two", "three")]
    for content in contents:
        archive.store(content)
    assert superseded(archive) == sorted(content.data_set for content in contents[:2])
    assert len(rows(archive)["instance"]) == 1


def test_keeping_leaves_the_old_alone(open_archive: Open) -> None:
    archive = open_archive(on_conflict=OnConflict.KEEP)
    archive.store(OLD)
    before, held = rows(archive), everything(archive)
    assert archive.store(NEW).outcome is StoreOutcome.KEPT
    assert (rows(archive), everything(archive)) == (before, held)
    assert find(archive, "STUDY", **SHOWN) == SHOWN_OLD


def test_refusing_leaves_the_old_alone(open_archive: Open) -> None:
    archive = open_archive(on_conflict=OnConflict.REFUSE)
    archive.store(OLD)
    before, held = rows(archive), everything(archive)
    with pytest.raises(DuplicateError) as refused:
        archive.store(NEW)
    assert len(str(refused.value)) <= 64
    assert (rows(archive), everything(archive)) == (before, held)
    assert archive.store(OLD).outcome is StoreOutcome.UNCHANGED


def test_the_same_data_set_in_another_transfer_syntax_is_other_content(archive: Archive) -> None:
    archive.store(instance())
    implicit = encoded(ct(*UIDS), implicit=True)
    again = received(ct(*UIDS), transfer_syntax_uid=IMPLICIT, data_set=implicit)
    assert archive.store(again).outcome is StoreOutcome.REPLACED
    assert superseded(archive) == [instance().data_set]


# ---- refused


@pytest.mark.parametrize(("command", "tags"), [
    ({"sop_class_uid": MR}, ["SOPClassUID"]),
    ({"sop_instance_uid": "1.9"}, ["SOPInstanceUID"]),
    ({"sop_class_uid": MR, "sop_instance_uid": "1.9"}, ["SOPClassUID", "SOPInstanceUID"]),
])  # fmt: skip
def test_a_command_that_names_another_instance_is_refused(
    archive: Archive, command: dict[str, str], tags: list[str]
) -> None:
    with pytest.raises(MismatchError) as refused:
        archive.store(received(ct(*UIDS), **command))
    assert list(refused.value.offending) == [Tag(keyword) for keyword in tags]
    assert everything(archive) == {}


@pytest.mark.parametrize(("said", "found"), [
    ("1.2.3", "1.2.4"),
    ("1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"),
    ("1" * 27, "2" * 27),
])  # fmt: skip
def test_the_comment_on_a_mismatch_names_both(archive: Archive, said: str, found: str) -> None:
    with pytest.raises(MismatchError) as refused:
        archive.store(received(ct("1.1", "1.2", found), sop_instance_uid=said))
    comment = str(refused.value)
    assert said in comment
    assert found in comment
    assert len(comment) <= 64


LONG = "1.2.826.0.1.3680043.8.498.45787841905188114249"


@pytest.mark.parametrize(("said", "found"), [
    (LONG, LONG[:-1] + "8"),
    (LONG, LONG[:20] + "9" * 30),
    (LONG, "1.2"),
    ("1.2", LONG),
    (LONG, LONG + ".1"),
    (LONG + ".1", LONG),
    ("1" * 64, "2" * 64),
    ("1" * 64, "1" * 63),
    ("1" * 63 + "2", "1" * 63 + "3"),
])  # fmt: skip
def test_of_long_uids_it_shows_where_they_differ(archive: Archive, said: str, found: str) -> None:
    with pytest.raises(MismatchError) as refused:
        archive.store(received(ct("1.1", "1.2", found), sop_instance_uid=said))
    comment = str(refused.value)
    assert len(comment) <= 64
    sent, is_ = comment.removeprefix("sent ").split(", is ")
    assert sent != is_
    assert sent.strip(".") in said
    assert is_.strip(".") in found


def test_the_comment_on_another_class_names_both(archive: Archive) -> None:
    with pytest.raises(MismatchError) as refused:
        archive.store(received(ct(*UIDS), sop_class_uid=MR))
    comment = str(refused.value)
    assert MR in comment
    assert CT in comment
    assert len(comment) <= 64


# pydicom guesses, and says so, at garbage in another encoding than it claims.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data_set", [b"", b"garbage", bytes(1000), encoded(ct(*UIDS))[:100]],
    ids=["nothing", "text", "zeros", "cut short"])  # fmt: skip
def test_garbage_leaves_no_trace(archive: Archive, data_set: bytes) -> None:
    with pytest.raises((DataSetError, MismatchError)):
        archive.store(received(ct(*UIDS), data_set=data_set))
    assert everything(archive) == {}
    assert not any(rows(archive).values())


@pytest.mark.parametrize("uid", ["../../x", "/etc/passwd", "..", "1..2", "", "1" * 65])
@pytest.mark.of_folder
def test_no_uid_leads_out_of_the_tree(archive: Archive, uid: str) -> None:
    for uids in ((uid, "1.2", "1.3"), ("1.1", uid, "1.3"), ("1.1", "1.2", uid)):
        with pytest.raises(MismatchError):
            archive.store(instance(uids))
    assert everything(archive) == {}
    assert folders(archive) == []


# ---- failures


@pytest.mark.of_folder
def test_a_full_disk_takes_nothing(open_archive: Open) -> None:
    archive = open_archive(free_bytes=1 << 62)
    with pytest.raises(ResourceError, match="Disk full") as failed:
        archive.store(instance())
    assert len(str(failed.value)) <= 64
    assert everything(archive) == {}
    assert folders(archive) == []


@pytest.mark.of_folder
def test_the_room_for_the_data_set_counts(
    open_archive: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive(free_bytes=1000)
    size = len(instance().data_set)
    monkeypatch.setattr(archive.tree, "free_bytes", lambda: 1000 + size - 1)
    with pytest.raises(ResourceError):
        archive.store(instance())
    monkeypatch.setattr(archive.tree, "free_bytes", lambda: 1000 + size)
    assert archive.store(instance()).outcome is StoreOutcome.STORED
    monkeypatch.setattr(archive.tree, "free_bytes", lambda: 0)
    assert archive.store(instance()).outcome is StoreOutcome.UNCHANGED  # it takes no room


def failing_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ResourceError("The index cannot be written: test")

    monkeypatch.setattr("storage.archive.archive.record", fail)


@pytest.mark.of_folder
def test_a_new_instance_that_the_index_cannot_take_leaves_no_trace(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing_index(patch)
        with pytest.raises(ResourceError):
            archive.store(instance())
    assert everything(archive) == {}
    assert folders(archive) == []
    assert not any(rows(archive).values())
    assert archive.store(instance()).outcome is StoreOutcome.STORED


@pytest.mark.of_folder
def test_a_neighbour_stays_where_the_index_cannot_take_another(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.store(instance())
    before, held = rows(archive), everything(archive)
    with monkeypatch.context() as patch:
        failing_index(patch)
        with pytest.raises(ResourceError):
            archive.store(instance(("1.1", "1.2", "1.4")))
    assert (rows(archive), everything(archive)) == (before, held)


@pytest.mark.of_folder
def test_what_could_not_be_replaced_is_as_it_was(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.store(OLD)
    before, held = rows(archive), everything(archive)
    with monkeypatch.context() as patch:
        failing_index(patch)
        with pytest.raises(ResourceError):
            archive.store(NEW)
    assert (rows(archive), everything(archive)) == (before, held)
    assert find(archive, "STUDY", **SHOWN) == SHOWN_OLD
    assert list(check(archive, CHARSET)) == []
    assert archive.store(NEW).outcome is StoreOutcome.REPLACED


# What the archive's own code calls; SQLite's calls do not go through `os`.
SYSTEM_CALLS = [
    ("fsync", errno.EIO), ("fdatasync", errno.EIO), ("rename", errno.EROFS),
    ("mkdir", errno.ENOSPC), ("write", errno.ENOSPC), ("open", errno.EMFILE),
    ("link", errno.ENOSPC), ("statvfs", errno.EIO),
]  # fmt: skip
CALL_IDS = [f"{name} {errno.errorcode[number]}" for name, number in SYSTEM_CALLS]


def fail_at(patch: pytest.MonkeyPatch, name: str, number: int, at: int) -> list[int]:
    """Make the `at`-th call of a function of `os` fail; the list then is not empty."""
    whole, calls, hit = getattr(os, name), [], []

    def failing(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            hit.append(at)
            raise OSError(number, os.strerror(number))
        return whole(*args, **options)

    patch.setattr(os, name, failing)
    return hit


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize(("name", "number"), SYSTEM_CALLS, ids=CALL_IDS)
@pytest.mark.of_folder
def test_a_system_call_that_fails_is_told_and_leaves_all_as_it_was(
    open_archive: Open, monkeypatch: pytest.MonkeyPatch, name: str, number: int, replaces: bool
) -> None:
    """Each call in its turn, until a store goes without."""
    archive = open_archive(sync=True)
    failures, wrong = 0, []
    for at in range(1, 40):
        uids = ("1.1", "1.2", f"7.{at}")
        if replaces:
            archive.store(instance(uids, StudyDescription="old"))
        before, held = rows(archive), everything(archive)
        error: BaseException | None = None
        with monkeypatch.context() as patch:
            hit = fail_at(patch, name, number, at)
            try:
                archive.store(instance(uids, StudyDescription="new"))
            except Exception as raised:
                error = raised
        if error is None:  # no call failed, or one without which it is stored as well
            content = instance(uids, StudyDescription="new").data_set
            assert content_of(archive, uids) == content
            if hit:
                continue
            break
        failures += 1
        if not isinstance(error, ResourceError):
            wrong.append(f"call {at}: {error!r}")
        if everything(archive) != held:
            wrong.append(f"call {at}: other files")
        if rows(archive) != before:
            wrong.append(f"call {at}: other rows")
    assert not wrong
    assert failures or (name == "link" and not replaces)
    assert list(check(archive, CHARSET)) == []


@pytest.mark.of_folder
def test_a_locked_index_is_told_and_leaves_no_trace(
    data: Path, open_archive: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.index.engines.sqlite.database.BUSY_SECONDS", 0.05)
    archive = open_archive()
    archive.store(OLD)
    before, held = rows(archive), everything(archive)
    outside = sqlite3.connect(data / "index.sqlite", isolation_level=None)
    try:
        outside.execute("BEGIN IMMEDIATE")
        for refused in (NEW, instance(("2.1", "2.2", "2.3"))):
            with pytest.raises(ResourceError, match="index"):
                archive.store(refused)
        assert (rows(archive), everything(archive)) == (before, held)
        assert find(archive, "STUDY", **SHOWN) == SHOWN_OLD  # reading goes on
        assert archive.store(OLD).outcome is StoreOutcome.UNCHANGED
        outside.execute("ROLLBACK")
    finally:
        outside.close()
    assert archive.store(NEW).outcome is StoreOutcome.REPLACED
    assert archive.store(instance(("2.1", "2.2", "2.3"))).outcome is StoreOutcome.STORED
    assert [fault.kind for fault in check(archive, CHARSET)] == [FaultKind.PATIENTS_DISAGREE]


@pytest.mark.of_folder
def test_an_index_that_is_none_is_told(data: Path, open_archive: Open) -> None:
    for path in data.glob("index.sqlite*"):
        path.unlink()
    (data / "index.sqlite").write_bytes(b"no database" * 100)
    archive = open_archive()
    query = Query.read(Root.STUDY, encoded(identifier("STUDY", StudyInstanceUID="1.1")), EXPLICIT,
                       CHARSET)  # fmt: skip
    for ask in (
        lambda: archive.store(instance()),
        lambda: list(archive.find(query, CHARSET)),
        lambda: archive.locate(query),
    ):
        with pytest.raises(ArchiveError):
            ask()
    assert everything(archive) == {}


# ---- patients


def patients(archive: Archive, **keys: str) -> list[dict[str, str]]:
    return find(archive, "PATIENT", Root.PATIENT, PatientID="", **keys)


@pytest.mark.parametrize("patient_id", [None, "", "  "])
def test_an_instance_without_patient_id_is_stored_and_found(
    archive: Archive, patient_id: str | None
) -> None:
    archive.store(instance(PatientID=patient_id))
    assert located(archive, StudyInstanceUID="1.1") == [UIDS]
    assert patients(archive, PatientName="doe*") == [{"PatientID": "", "PatientName": "Doe^Jane"}]
    assert find(archive, "STUDY", StudyInstanceUID="", PatientID="") == [
        {"PatientID": "", "StudyInstanceUID": "1.1"}
    ]


def test_two_studies_without_patient_id_are_of_two_patients(archive: Archive) -> None:
    archive.store(instance(("1.1", "1.2", "1.3"), PatientID=None, PatientName="A"))
    archive.store(instance(("2.1", "2.2", "2.3"), PatientID="", PatientName="B"))
    archive.store(instance(("2.1", "2.4", "2.5"), PatientID="", PatientName="B"))
    asked = {"PatientName": "", "NumberOfPatientRelatedStudies": ""}
    assert sorted(p["PatientName"] for p in patients(archive, **asked)) == ["A", "B"]
    assert {p["NumberOfPatientRelatedStudies"] for p in patients(archive, **asked)} == {"1"}


def test_one_patient_id_of_two_issuers_is_two_patients(archive: Archive) -> None:
    for number, issuer in enumerate(("HOSPITAL", "CLINIC", None, "CLINIC"), 1):
        archive.store(instance((f"{number}.1", f"{number}.2", f"{number}.3"),
                               IssuerOfPatientID=issuer))  # fmt: skip
    asked = {"IssuerOfPatientID": "", "NumberOfPatientRelatedStudies": ""}
    found = {
        p["IssuerOfPatientID"]: p["NumberOfPatientRelatedStudies"]
        for p in patients(archive, **asked)
    }
    assert found == {"HOSPITAL": "1", "CLINIC": "2", "": "1"}


def test_one_patient_of_two_studies_is_one(archive: Archive) -> None:
    archive.store(instance(("1.1", "1.2", "1.3")))
    archive.store(instance(("2.1", "2.2", "2.3")))
    assert len(patients(archive)) == 1


# ---- UIDs that contradict each other


def test_one_instance_uid_in_two_studies_is_kept_twice(archive: Archive) -> None:
    first, second = instance(("1.1", "1.2", "9.9")), instance(("2.1", "2.2", "9.9"), Rows=8)
    assert archive.store(first).disagreements == ()
    stored = archive.store(second)
    assert stored.outcome is StoreOutcome.STORED
    assert stored.disagreements == ("instance 9.9 lies in more than one series or study",)
    assert located(archive, StudyInstanceUID="1.1") == [("1.1", "1.2", "9.9")]
    assert located(archive, StudyInstanceUID="2.1") == [("2.1", "2.2", "9.9")]
    assert content_of(archive, ("1.1", "1.2", "9.9")) == first.data_set
    assert content_of(archive, ("2.1", "2.2", "9.9")) == second.data_set


@pytest.mark.parametrize(("first", "second", "about"), [
    (("1.1", "1.2", "1.3"), ("2.1", "1.2", "2.3"), "series 1.2"),
    (("1.1", "1.2", "1.3"), ("1.3", "2.2", "2.3"), "UID 1.3"),
])  # fmt: skip
def test_a_uid_used_twice_is_kept_and_told(
    archive: Archive, first: Uids, second: Uids, about: str
) -> None:
    archive.store(instance(first))
    told = archive.store(instance(second)).disagreements
    assert any(about in sentence for sentence in told)
    assert located(archive, StudyInstanceUID=first[0]) == [first]
    assert located(archive, StudyInstanceUID=second[0]) == [second]


def test_one_study_of_two_patients_is_found_from_each(archive: Archive) -> None:
    archive.store(instance(("1.1", "1.2", "1.3"), PatientID="P1"))
    told = archive.store(instance(("1.1", "1.2", "1.4"), PatientID="P2")).disagreements
    assert any("study 1.1 belongs to more than one patient" in sentence for sentence in told)
    for patient, uid in (("P1", "1.3"), ("P2", "1.4")):
        query = Query.read(
            Root.PATIENT, encoded(identifier("PATIENT", PatientID=patient)), EXPLICIT, CHARSET
        )
        assert [location.uids[2] for location in archive.locate(query)] == [uid]


def test_moving_an_instance_to_another_patient_leaves_no_empty_one(archive: Archive) -> None:
    archive.store(instance(PatientID="WRONG", PatientName="Wrong^Name"))
    archive.store(instance(PatientID="RIGHT", PatientName="Right^Name"))
    assert [p["PatientID"] for p in patients(archive)] == ["RIGHT"]
    assert find(archive, "STUDY", StudyInstanceUID="", PatientName="*rong*") == []
    assert len(rows(archive)["study"]) == 1


# ---- values that instances of one entity tell differently


def test_a_corrected_name_answers_behind_the_correction(archive: Archive) -> None:
    archive.store(instance(PatientName="Deo^Jane", StudyDescription="Haed"))
    archive.store(instance(PatientName="Doe^Jane", StudyDescription="Head"))
    shown = find(archive, "STUDY", StudyInstanceUID="", PatientName="", StudyDescription="")
    assert shown == [
        {"PatientName": "Doe^Jane", "StudyInstanceUID": "1.1", "StudyDescription": "Head"}
    ]
    for key, count in (("Deo*", 0), ("*eo^*", 0), ("Doe*", 1), ("*oe^J*", 1), ("doe^jane", 1)):
        assert len(find(archive, "STUDY", StudyInstanceUID="", PatientName=key)) == count, key


def test_the_value_received_last_answers_and_an_empty_one_displaces_none(
    archive: Archive,
) -> None:
    for number, text in enumerate(("first", "last", "", None), 1):
        archive.store(instance(("1.1", "1.2", f"1.{number}"), StudyDescription=text))
    found = find(archive, "STUDY", StudyInstanceUID="1.1", StudyDescription="")
    assert [answer["StudyDescription"] for answer in found] == ["last"]
    assert find(archive, "STUDY", StudyInstanceUID="", StudyDescription="first") == []


# ---- at once

THREADS = 8


def at_once(archive: Archive, *works: Callable[[], Any]) -> None:
    """Run all at once, in threads; the first error is raised here."""
    start, errors = threading.Barrier(len(works)), []

    def run(work: Callable[[], Any]) -> None:
        try:
            start.wait(SECONDS)
            work()
        except Exception as error:
            errors.append(error)
        finally:
            archive.close_thread()

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_instances_stored_at_once_are_each_where_they_belong(archive: Archive) -> None:
    """Some of one series, some of others, some by every thread."""
    lists = [
        [
            *(instance(("1.1", "1.2", f"7.{t}.{n}"), InstanceNumber=f"{t * 100 + n}")
              for n in range(6)),
            *(instance((f"2.{t}", f"2.{t}.1", f"2.{t}.1.{n}"), PatientID=f"P{t}",
                       PatientComments=f"of {t}") for n in range(6)),
            *(instance(("3.1", "3.2", f"8.{n}"), PatientID="SHARED") for n in range(6)),
        ]
        for t in range(THREADS)
    ]  # fmt: skip
    outcomes: list[StoreOutcome] = []

    def store_all(number: int) -> Callable[[], None]:
        def work() -> None:
            for one in lists[number]:
                outcomes.append(archive.store(one).outcome)

        return work

    at_once(archive, *map(store_all, range(THREADS)))
    expected = {_uids(one): one.data_set for stored in lists for one in stored}
    assert outcomes.count(StoreOutcome.STORED) == len(expected)
    assert set(outcomes) == {StoreOutcome.STORED, StoreOutcome.UNCHANGED}
    assert {uids: content_of(archive, uids) for uids in archive.tree.instances()} == expected
    assert len(rows(archive)["instance"]) == len(expected)
    assert len(rows(archive)["study"]) == 2 + THREADS
    assert list(check(archive, CHARSET)) == []
    for thread in range(THREADS):
        for number in range(6):
            keys = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.2",
                    "SOPInstanceUID": f"7.{thread}.{number}", "InstanceNumber": ""}  # fmt: skip
            (answer,) = find(archive, "IMAGE", **keys)
            assert answer["InstanceNumber"] == f"{thread * 100 + number}"


def _uids(one: Received) -> Uids:
    return instance_header.header(BytesIO(one.data_set), one.transfer_syntax_uid, CHARSET).uids


def test_contents_that_replace_each_other_at_once_are_all_kept(archive: Archive) -> None:
    contents = [instance(StudyDescription=f"of {t}", PatientName=f"N{t}") for t in range(THREADS)]

    def storing(one: Received) -> Callable[[], Any]:
        return lambda: archive.store(one)

    at_once(archive, *map(storing, contents))
    winner = content_of(archive, UIDS)
    assert sorted([winner, *superseded(archive)]) == sorted(one.data_set for one in contents)
    (answer,) = find(archive, "STUDY", StudyInstanceUID="", StudyDescription="", PatientName="")
    (won,) = [one for one in contents if one.data_set == winner]
    assert f"of {contents.index(won)}" == answer["StudyDescription"]
    assert f"N{contents.index(won)}" == answer["PatientName"]
    assert len(rows(archive)["instance"]) == 1
    assert list(check(archive, CHARSET)) == []


@pytest.mark.of_folder
def test_failures_at_once_take_nothing_from_others(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other store fails at the index, in folders that others fill at that moment."""

    def fail_odd(index: Any, header: Any, *rest: Any) -> None:
        if int(header.uids[2].rsplit(".", 1)[1]) % 2:
            raise ResourceError("The index cannot be written: test")
        record(index, header, *rest)

    monkeypatch.setattr("storage.archive.archive.record", fail_odd)
    failed: list[str] = []

    def storing(thread: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(20):
                uid = f"7.{thread}.{number}"
                try:
                    archive.store(instance(("1.1", f"6.{number % 3}", uid)))
                except ResourceError:
                    failed.append(uid)

        return work

    at_once(archive, *map(storing, range(THREADS)))
    assert len(failed) == THREADS * 10
    assert all(int(uid.rsplit(".", 1)[1]) % 2 for uid in failed)
    held = {path.stem for path in archive.tree.walk()}
    assert held == {f"7.{t}.{n}" for t in range(THREADS) for n in range(0, 20, 2)}
    assert list(check(archive, CHARSET)) == []


@pytest.mark.of_folder
def test_a_commit_that_fails_leaves_no_row_to_be_remembered(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids of a patient, study and series that were taken back are not used again."""
    connection = connection_of(archive.index.database)

    def only_commit(action: int, first: str | None, *_: object) -> int:
        is_commit = action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT"
        return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK

    connection.set_authorizer(only_commit)
    with pytest.raises(ResourceError):
        archive.store(instance(("1.1", "1.2", "1.3")))
    connection.set_authorizer(None)
    assert archive.store(instance(("1.1", "1.2", "1.4"))).outcome is StoreOutcome.STORED


@pytest.mark.parametrize("size", [16, 200_000])
@pytest.mark.of_folder
def test_a_leftover_that_cannot_be_removed_is_told_and_no_error(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    """What became of the instance is what its sender is told."""

    def failing(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    archive.store(instance(("1.7", "1.8", "1.9")))  # which makes the journal's files
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        stored = archive.store(instance(PixelData=bytes(size)))
        assert stored.outcome is StoreOutcome.STORED
        with pytest.raises(MismatchError):
            archive.store(replace(instance(("2.1", "2.2", "2.3")), sop_instance_uid="9"))
    assert "left in incoming" in caplog.text
    assert list(check(archive, CHARSET)) == []


@pytest.mark.of_folder
def test_of_a_crowds_connections_to_the_index_few_are_kept(archive: Archive) -> None:
    """Each keeps pages of the index in memory."""
    crowd = 3 * MAX_IDLE
    start = threading.Barrier(crowd)

    def look() -> None:
        archive.index.database.connect(reuse_if_open=True)
        start.wait(SECONDS)
        assert find(archive, "STUDY") == []
        archive.close_thread()

    threads = [threading.Thread(target=look) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    # SQLite keeps the descriptors of the index itself for who opens it next, not those of its log.
    opened = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert opened.count(archive.tree.data / "index.sqlite-wal") == MAX_IDLE


@pytest.mark.of_folder
def test_who_stores_seldom_waits_for_the_file_of_the_index(archive: Archive) -> None:
    """By SQLite's own measure each hundredth store or so would, and all others for that."""
    held = archive.tree.data / "index.sqlite"
    before = held.stat().st_size
    for number in range(150):
        archive.store(instance(("1.1", "1.2", f"1.3.{number}")))
    assert held.with_name("index.sqlite-wal").stat().st_size > 1000 * 4096
    assert held.stat().st_size == before
    assert archive.index.engine.checkpoint()
    assert held.stat().st_size > before


@pytest.mark.of_folder
def test_a_receipt_that_cannot_be_withdrawn_is_withdrawn_with_the_next_store(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk without a byte left: else a check would tell of an instance that is lost."""
    with monkeypatch.context() as patch:
        patch.setattr("storage.archive.archive.record", _full)
        patch.setattr("storage.journal.withdrawals.withdraw", _full)
        with pytest.raises(ResourceError, match="no room"):
            archive.store(instance())
    assert [fault.kind for fault in check(archive, CHARSET)] == [FaultKind.LOST]
    archive.store(OLD)
    assert list(check(archive, CHARSET)) == []


def _full(*given: object) -> None:
    raise ResourceError("no room")
