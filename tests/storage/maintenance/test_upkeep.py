"""The index from the tree: gone, out of date or partly damaged, it comes back."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import TextField
from support import CT, EXPLICIT, ct, encoded, identifier, samples

from storage import Archive, Level, OnConflict, Query, Received, Root, StoreOutcome, prepare
from storage.diagnostics.errors import ArchiveError, ResourceError
from storage.dicom import part10
from storage.index import tables
from storage.maintenance.check.checking import check
from storage.maintenance.recovery.filling import Filling
from storage.maintenance.recovery.rebuilding import rebuild
from storage.maintenance.recovery.startup import fault_of_index

CHARSET = "ISO_IR 100"
# pydicom guesses, and says so, at data sets in another encoding than they claim.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def instance(study: str, series: str, number: str, **values: Any) -> Received:
    held = ct(study, series, number, **values)
    return Received(CT, number, EXPLICIT, encoded(held), CHARSET, "SENDER")


def fault_of(data: Path) -> str:
    return fault_of_index(data / "index.sqlite", look_through=False)


class Copies:
    """An archive, and copies of its folder: a start claims a folder until the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = iter(range(100))
        self._opened: list[Archive] = []
        self.data = folder / "data"
        prepare(self.data, sync=False, charset=CHARSET)
        self.archive = self.open(self.data)

    def open(self, data: Path, **options: Any) -> Archive:
        self._opened.append(Archive(data, sync=False, **options))
        return self._opened[-1]

    def copy(self, index: bool = False) -> Path:
        """The folder as rsync takes it, with the index or without; not yet started."""
        self.close()
        copied = self._folder / f"copy{next(self._numbers)}"
        shutil.copytree(self.data, copied)
        for path in () if index else copied.glob("index.sqlite*"):
            path.unlink()
        return copied

    def started(self, data: Path, charset: str = CHARSET) -> Archive:
        if not prepare(data, sync=False, charset=charset):
            rebuild(data, charset)
        return self.open(data)

    def close(self) -> None:
        for archive in self._opened:
            archive.close_thread()


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    made = Copies(tmp_path)
    yield made
    made.close()


QUERIES: list[tuple[Root, str, dict[str, str]]] = [
    (Root.PATIENT, "PATIENT", {"PatientID": "", "PatientName": "", "IssuerOfPatientID": "",
     "NumberOfPatientRelatedStudies": "", "NumberOfPatientRelatedInstances": ""}),
    (Root.STUDY, "STUDY", {"StudyInstanceUID": "", "PatientName": "", "StudyDescription": "",
     "StudyDate": "", "ModalitiesInStudy": "", "NumberOfStudyRelatedInstances": ""}),
    (Root.STUDY, "STUDY", {"StudyInstanceUID": "", "PatientName": "*o*"}),
    (Root.STUDY, "STUDY", {"StudyInstanceUID": "", "StudyDate": "19000101-20101231"}),
]  # fmt: skip


def answers(archive: Archive) -> list[list[tuple[str, ...]]]:
    """What every query of QUERIES, and one of each study's series and instances, answers."""
    found = []
    queries = list(QUERIES)
    for (uid,) in answer_texts(archive, Root.STUDY, "STUDY", {"StudyInstanceUID": ""}):
        series_keys = {"StudyInstanceUID": uid, "SeriesInstanceUID": "", "Modality": "",
                       "SeriesDescription": "", "NumberOfSeriesRelatedInstances": ""}  # fmt: skip
        queries.append((Root.STUDY, "SERIES", series_keys))
    for root, level, keys in queries:
        found.append(answer_texts(archive, root, level, keys))
    return found


def answer_texts(
    archive: Archive, root: Root, level: str, keys: dict[str, str]
) -> list[tuple[str, ...]]:
    query = Query.read(root, encoded(identifier(level, **keys)), EXPLICIT, CHARSET)
    return sorted(answer.texts for answer in archive.find(query, CHARSET))


def names(archive: Archive) -> list[str]:
    keys = {"PatientName": "", "PatientID": ""}
    return [texts[1] for texts in answer_texts(archive, Root.PATIENT, "PATIENT", keys)]


def fill(archive: Archive) -> int:
    """Every data set of pydicom's that can be stored."""
    held = 0
    for sample in samples():
        if len(sample.data_set) > 200_000:
            continue
        received = Received(
            sample.sop_class_uid, sample.sop_instance_uid, sample.transfer_syntax_uid,
            sample.data_set, CHARSET,
        )  # fmt: skip
        try:
            archive.store(received)
            held += 1
        except ArchiveError:
            continue
    return held


def faults(archive: Archive) -> list[tuple[str, tuple[str, ...], str]]:
    return [(fault.kind.code, fault.uids, fault.detail) for fault in check(archive, CHARSET)]


def test_a_deleted_index_comes_back_with_the_same_answers(copies: Copies) -> None:
    assert fill(copies.archive) > 50
    expected = answers(copies.archive)
    assert len(expected[1]) > 20
    again = copies.started(copies.copy())
    assert answers(again) == expected
    assert faults(again) == faults(copies.archive)


def test_values_that_instances_tell_differently_answer_as_before(copies: Copies) -> None:
    """The one received last: that is not the order of the files' names, nor its reverse."""
    told = (("9", "first"), ("1", "second"), ("5", "third"), ("7", ""), ("5", "corrected"))
    for at, (number, text) in enumerate(told, 1):
        copies.archive.store(instance("1.1", "1.2", f"1.3.{number}", StudyDescription=text))
        # The clock of a file system may be coarser than a store is long.
        os.utime(copies.data / "tree" / "1.1" / "1.2" / f"1.3.{number}.dcm", (at, at))
    expected = answers(copies.archive)
    assert "corrected" in expected[1][0]
    assert answers(copies.started(copies.copy())) == expected


def test_what_was_superseded_does_not_come_back(copies: Copies) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3", PatientName="Old^Name"))
    copies.archive.store(instance("1.1", "1.2", "1.3", PatientName="New^Name"))
    again = copies.started(copies.copy())
    assert names(again) == ["New^Name"]
    assert list(check(again, CHARSET)) == []


def test_an_index_that_is_up_to_date_is_left_alone(copies: Copies) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy(index=True)
    assert fault_of(data) == ""
    with sqlite3.connect(data / "index.sqlite") as connection:
        connection.execute("UPDATE patient SET PatientName = 'told by the index'")
    connection.close()
    assert names(copies.started(data)) == ["told by the index"]


def test_an_index_with_other_tables_is_made_anew(
    copies: Copies, caplog: pytest.LogCaptureFixture
) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy(index=True)
    with sqlite3.connect(data / "index.sqlite") as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {number ^ 1 << 20}")
        connection.execute("UPDATE patient SET PatientName = 'told by the index'")
    connection.close()
    assert fault_of(data) != ""
    with caplog.at_level(logging.INFO):
        again = copies.started(data)
    assert names(again) == ["Doe^Jane"]
    assert fault_of(data) == ""
    assert "index of another version: to be made anew from the tree" in caplog.text


def test_the_signature_changes_with_the_tables(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables.signature()
    assert before == tables.signature()
    monkeypatch.setitem(tables._EXTRA, Level.SERIES, {"added": TextField})
    tables.column_names.cache_clear()
    try:
        assert tables.signature() != before
        assert fault_of(copies.data) != ""
    finally:
        monkeypatch.undo()
        tables.column_names.cache_clear()
    assert fault_of(copies.data) == ""


# What stands in the place of the index, and what the log says of that.
BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda held: b"", "not finished"),
    "garbage": (lambda held: b"no database" * 1000, "file is not a database"),
    "cut short": (lambda held: held[: len(held) // 2], "damaged"),
    "zeros in the middle": (lambda held: held[:8192] + bytes(16384) + held[24576:], "damaged"),
    "garbage in the middle": (lambda held: held[:4096] + b"x" * 4096 + held[8192:], "damaged"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_damaged_index_is_made_anew(
    copies: Copies, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    spoil, words = BROKEN[broken]
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy(index=True)
    with sqlite3.connect(data / "index.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    held = (data / "index.sqlite").read_bytes()
    (data / "index.sqlite").write_bytes(spoil(held))
    again = copies.started(data)
    assert words in caplog.text
    assert names(again) == ["Doe^Jane"]
    assert list(check(again, CHARSET)) == []


def test_an_index_that_is_not_whole_takes_instances_and_answers_no_query(copies: Copies) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy()
    assert prepare(data, sync=False, charset=CHARSET) is False
    archive = copies.open(data)
    stored = archive.store(instance("2.1", "2.2", "2.3", PatientID="P2", PatientName="New^One"))
    assert stored.outcome is StoreOutcome.STORED
    again = archive.store(instance("1.1", "1.2", "1.3"))
    assert again.outcome is StoreOutcome.UNCHANGED
    with pytest.raises(ResourceError, match="being made anew"):
        names(archive)
    assert rebuild(data, CHARSET) == 2
    assert sorted(names(archive)) == ["Doe^Jane", "New^One"]
    assert list(check(archive, CHARSET)) == []


def test_what_changes_while_the_index_is_made_anew_is_in_it(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, replaced, and withdrawn between the look at the tree and the swap."""
    archive = copies.archive
    for number in ("1", "2", "3"):
        archive.store(instance("1.1", "1.2", f"1.3.{number}", PatientID="P1"))

    def meanwhile(filling: Filling) -> None:
        monkeypatch.setattr(Filling, "fill", fill_index)
        fill_index(filling)
        archive.store(instance("2.1", "2.2", "2.3", PatientID="P2", PatientName="New^One"))
        archive.store(instance("1.1", "1.2", "1.3.1", PatientID="P1", Modality="MR"))
        with monkeypatch.context() as patch:
            patch.setattr("storage.archive.archive.record", fail)
            with pytest.raises(ResourceError):
                archive.store(instance("3.1", "3.2", "3.3", PatientID="P3"))
            with pytest.raises(ResourceError):
                archive.store(instance("1.1", "1.2", "1.3.2", PatientID="P1", Modality="MR"))

    def fail(*args: Any) -> None:
        raise ResourceError("The index cannot be written: test")

    fill_index = Filling.fill
    monkeypatch.setattr(Filling, "fill", meanwhile)
    assert rebuild(copies.data, CHARSET) == 4
    assert sorted(names(archive)) == ["Doe^Jane", "New^One"]
    assert list(check(archive, CHARSET)) == []
    # Rows by the ids of before are not remembered.
    archive.store(instance("1.1", "1.2", "1.3.4", PatientID="P1"))
    archive.store(instance("2.1", "2.2", "2.4", PatientID="P2", PatientName="New^One"))
    assert list(check(archive, CHARSET)) == []
    assert answers(copies.started(copies.copy())) == answers(archive)


def test_two_rebuilds_do_not_meet(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(filling: Filling) -> None:
        with pytest.raises(ResourceError, match="another rebuild is under way"):
            rebuild(copies.data, CHARSET)
        fill_index(filling)

    fill_index = Filling.fill
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    monkeypatch.setattr(Filling, "fill", second)
    assert rebuild(copies.data, CHARSET) == 1


def test_what_an_unfinished_rebuild_left_is_no_hindrance(copies: Copies) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy()
    for suffix in ("", "-wal", "-shm"):
        (data / f"index.new{suffix}").write_bytes(b"half an index")
    assert names(copies.started(data)) == ["Doe^Jane"]
    assert [path.name for path in data.glob("index.new*")] == []


# What lies in the tree, and what the log says of it.
DAMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Not a DICOM file"),
    "garbage": (b"garbage" * 100, "Not a DICOM file"),
    "a header alone": (part10.header(CT, "1.3", EXPLICIT), "No Study Instance UID"),
    "another instance": (
        part10.header(CT, "9.9", EXPLICIT) + encoded(ct("9.1", "9.2", "9.9")),
        "its UIDs belong to another path",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_logged_and_passed_over(
    copies: Copies, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    content, words = DAMAGES[damage]
    for number in ("1", "2", "3"):
        copies.archive.store(instance("1.1", "1.2", f"1.3.{number}"))
    data = copies.copy()
    damaged = data / "tree" / "1.1" / "1.2" / "1.3.2.dcm"
    damaged.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        again = copies.started(data)
    (record,) = [r for r in caplog.records if r.name.startswith("storage.")]
    assert str(damaged) in record.getMessage()
    assert words in record.getMessage()
    assert record.exc_info is None
    keys = {"StudyInstanceUID": "1.1", "NumberOfStudyRelatedInstances": ""}
    assert answer_texts(again, Root.STUDY, "STUDY", keys) == [("1.1", "2")]
    assert damaged.read_bytes() == content
    assert [fault.path == str(damaged) for fault in check(again, CHARSET)] == [True]


def test_a_file_put_into_the_tree_by_hand_is_taken(copies: Copies) -> None:
    data = copies.copy()
    path = data / "tree" / "1.1" / "1.2" / "1.3.dcm"
    path.parent.mkdir(parents=True)
    path.write_bytes(part10.header(CT, "1.3", EXPLICIT) + encoded(ct("1.1", "1.2", "1.3")))
    again = copies.started(data)
    assert names(again) == ["Doe^Jane"]
    assert list(check(again, CHARSET)) == []


def test_what_was_being_received_is_cleared_and_told(
    copies: Copies, caplog: pytest.LogCaptureFixture
) -> None:
    data = copies.copy()
    (data / "incoming" / "1-0.part").write_bytes(b"half")
    with caplog.at_level(logging.WARNING):
        copies.started(data)
    assert list((data / "incoming").iterdir()) == []
    assert "cleared incoming files=1" in caplog.text


def test_text_without_a_character_set_is_read_as_it_was_at_its_receipt(copies: Copies) -> None:
    """Each sender may have one of its own; the default is for files without a receipt."""
    for number, charset in enumerate(("ISO_IR 100", "ISO_IR 144"), 1):
        held = encoded(ct(f"{number}.1", f"{number}.2", f"{number}.3", PatientID=f"P{number}"))
        data_set = held.replace(b"Doe^Jane", b"M\xfcller  ")
        received = Received(CT, f"{number}.3", EXPLICIT, data_set, charset)
        copies.archive.store(received)
    assert sorted(names(copies.archive)) == sorted(["Müller", "Mќller"])
    assert sorted(names(copies.started(copies.copy(), charset="ISO_IR 101"))) == sorted(
        ["Müller", "Mќller"]
    )


def test_what_failed_to_be_stored_is_no_receipt(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the file that stayed would be held to the digest of the one that was refused."""
    archive = copies.open(copies.data, on_conflict=OnConflict.REPLACE)
    archive.store(instance("1.1", "1.2", "1.3", PatientName="Old^Name"))

    def fail(*args: Any) -> None:
        raise ResourceError("The index cannot be written: test")

    with monkeypatch.context() as patch:
        patch.setattr("storage.archive.archive.record", fail)
        with pytest.raises(ResourceError):
            archive.store(instance("1.1", "1.2", "1.3", PatientName="New^Name"))
    assert list(check(archive, CHARSET)) == []
    again = copies.started(copies.copy())
    assert names(again) == ["Old^Name"]
    assert list(check(again, CHARSET)) == []


def test_a_changed_byte_is_found_against_the_receipt_also_behind_a_rebuild(
    copies: Copies,
) -> None:
    copies.archive.store(instance("1.1", "1.2", "1.3"))
    data = copies.copy()
    path = data / "tree" / "1.1" / "1.2" / "1.3.dcm"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (fault,) = check(copies.started(data), CHARSET)
    assert str(fault).startswith(f"{path}: not the bytes that were received")
