"""Folder, journal and tables of the worklist: what is taken, what is told, what outlasts what."""

import json
import os
from pathlib import Path

import pytest

from storage.diagnostics import ResourceError
from storage.dicom.data_sets import Element
from storage.journal import FolderJournal
from storage.worklist import EVER, By, Rules, State, StepError, Worklist
from storage.worklist.database import path_of
from storage.worklist.entries import EntryError, completed, from_values
from storage.worklist.performed import STATUS

ORDER = {
    "PatientName": "DOE^JANE",
    "PatientID": "4711",
    "Modality": "CT",
    "ScheduledStationAETitle": "CT01",
    "ScheduledProcedureStepStartDate": "20261129",
    "AccessionNumber": "A1",
}
RULES = Rules()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "worklist").mkdir()
    return tmp_path / "worklist"


@pytest.fixture
def worklist(folder: Path) -> Worklist:
    return opened(folder)


def opened(folder: Path) -> Worklist:
    return Worklist(folder.parent, FolderJournal(folder.parent, sync=False), folder)


def entries(worklist: Worklist, **values: str):
    return completed(from_values(ORDER | values), worklist.identity(), "")


def told(worklist: Worklist) -> list[tuple[str, str]]:
    return [(one.entry.accession, str(one.state)) for one in worklist.known(EVER, RULES)]


def write(folder: Path, name: str, document: object, at: int = 0) -> None:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    if at:
        os.utime(path, ns=(at, at))


def test_a_file_is_an_entry_while_it_is_there(folder, worklist) -> None:
    assert told(worklist) == []
    write(folder, "a.json", ORDER)
    assert told(worklist) == [("A1", "SCHEDULED")]
    write(folder, "a.json", ORDER | {"AccessionNumber": "A2"})
    assert told(worklist) == [("A2", "SCHEDULED")]
    (folder / "a.json").unlink()
    assert told(worklist) == []


BROKEN = [
    ('{"PatientName": "A', "is no JSON"),
    ("", "is empty"),
    ("[1]", "takes an object of keywords or of tags"),
    (ORDER | {"Modality": True}, "Modality: takes text, a number, or a list of these"),
    (ORDER | {"PatientID": ""}, "PatientID: missing"),
    ([ORDER, ORDER | {"PatientID": "", "AccessionNumber": "2"}], "entry 2: PatientID: missing"),
    ({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A"}]}}, "ScheduledProcedureStepSequence"),
    ({"00100010": {"vr": "PN", "Value": "A"}}, "00100010: vr or Value is none"),
    ('{"PatientName": ' + "[" * 5000, "is no JSON"),
]


@pytest.mark.parametrize(("document", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_broken_file_is_named_and_the_others_are_taken(folder, worklist, document, words) -> None:
    write(folder, "good.json", ORDER)
    write(folder, "broken.json", document)
    assert told(worklist) == [("A1", "SCHEDULED")]
    (fault,) = worklist.faults()
    assert fault.file == "broken.json"
    assert words in fault.words
    write(folder, "broken.json", ORDER | {"AccessionNumber": "A2"})
    assert ("A2", "SCHEDULED") in told(worklist)
    assert worklist.faults() == []


def test_what_is_no_file_of_entries_is_passed_over(folder, worklist) -> None:
    for name in ("lockfile", ".hidden.json", "notes.txt"):
        write(folder, name, "no entry")
    os.mkfifo(folder / "pipe.wl")
    (folder / "folder.json").mkdir()
    assert told(worklist) == []
    assert worklist.faults() == []


def test_the_later_of_two_entries_of_one_patient_counts(folder, worklist) -> None:
    write(folder, "b.json", ORDER | {"ScheduledStationAETitle": "CT01"}, at=1_000_000_000)
    write(folder, "a.json", ORDER | {"ScheduledStationAETitle": "CT02"}, at=2_000_000_000)
    (one,) = worklist.known(EVER, RULES)
    assert one.entry.stations == ("CT02",)
    (folder / "a.json").unlink()
    (one,) = worklist.known(EVER, RULES)
    assert one.entry.stations == ("CT01",)


def test_of_two_patients_with_one_uid_the_later_is_named_and_not_taken(folder, worklist) -> None:
    first = ORDER | {"StudyInstanceUID": "1.2.3"}
    write(folder, "b.json", first, at=1_000_000_000)
    write(folder, "a.json", first | {"PatientID": "2", "AccessionNumber": "X"}, at=2_000_000_000)
    (one,) = worklist.known(EVER, RULES)
    assert one.entry.patient_id == "4711"
    (fault,) = worklist.faults()
    assert fault.file == "a.json"
    assert "Study Instance UID 1.2.3 is that of another patient in b.json" in fault.words


def test_an_entry_with_another_patients_number_is_not_written(folder, worklist) -> None:
    worklist.put(entries(worklist))
    with pytest.raises(EntryError, match="Accession Number A1 with step A1-1 is that of another"):
        worklist.put(entries(worklist, PatientID="2"))
    assert len(list(folder.iterdir())) == 1


def test_an_entry_that_is_written_again_is_an_update(folder, worklist) -> None:
    worklist.put(entries(worklist))
    worklist.put(entries(worklist, ScheduledStationAETitle="CT02"))
    (one,) = worklist.known(EVER, RULES)
    assert one.entry.stations == ("CT02",)
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_read_is_no_empty_worklist(folder, worklist) -> None:
    told(worklist)
    folder.rmdir()
    with pytest.raises(ResourceError, match="No such file"):
        told(worklist)


def test_the_tables_can_be_deleted_or_damaged_at_any_time(folder, worklist) -> None:
    worklist.put(entries(worklist))
    (one,) = worklist.known(EVER, RULES)
    worklist.decide(one.entry, State.CANCELLED, By.COMMAND, "anna")
    assert told(worklist) == [("A1", "CANCELLED")]
    worklist.close()
    path_of(folder.parent).write_bytes(b"no database" * 1000)
    assert told(opened(folder)) == [("A1", "CANCELLED")]


def test_what_one_process_writes_the_other_sees(folder, worklist) -> None:
    other = opened(folder)
    assert told(other) == []
    worklist.put(entries(worklist))
    assert told(other) == [("A1", "SCHEDULED")]
    (one,) = other.known(EVER, RULES)
    other.decide(one.entry, State.ARRIVED, By.HL7)
    assert told(worklist) == [("A1", "ARRIVED")]
    worklist.decide(one.entry, None, By.COMMAND)
    assert told(other) == [("A1", "SCHEDULED")]


def step_of(entry, status="IN PROGRESS"):
    held = from_values(
        {"PerformedProcedureStepID": "P1", "PerformedStationAETitle": "CT01",
         "PerformedProcedureStepStartDate": "20261129", "PerformedProcedureStepStatus": status,
         "PerformedProcedureStepStartTime": "0930",
         "ScheduledStepAttributesSequence.StudyInstanceUID": entry.study_uid},
    )  # fmt: skip
    held.update({tag: entry.step[tag] for tag in entry.step if tag.group == 0x0008})
    return held


def test_a_step_that_was_begun_and_ended_outlasts_the_tables(folder, worklist) -> None:
    worklist.put(entries(worklist))
    (one,) = worklist.known(EVER, RULES)
    worklist.create("1.2.9", "CT01", step_of(one.entry), lenient=False)
    assert told(worklist) == [("A1", "STARTED")]
    worklist.set("1.2.9", "CT01", {STATUS: Element("CS", "COMPLETED")}, lenient=False)
    worklist.close()
    path_of(folder.parent).unlink()
    again = opened(folder)
    assert told(again) == [("A1", "COMPLETED")]
    with pytest.raises(StepError, match="may no longer be updated"):
        again.set("1.2.9", "CT01", {STATUS: Element("CS", "DISCONTINUED")}, lenient=True)
    with pytest.raises(StepError, match="is there"):
        again.create("1.2.9", "CT01", step_of(one.entry), lenient=False)


def test_a_thousand_files_are_read_once(folder, worklist, monkeypatch) -> None:
    for number in range(1000):
        write(folder, f"{number}.json", ORDER | {"AccessionNumber": str(number)}, at=10**18)
    assert len(told(worklist)) == 1000
    monkeypatch.setattr(
        "storage.worklist.entries.folder.read", lambda *_: pytest.fail("was read again")
    )
    assert len(told(worklist)) == 1000
    assert len(told(opened(folder))) == 1000


ALIKE = [("A/1", "S"), ("A_1", "S"), ("A-1", "2"), ("A", "1-2"), (f"{'9' * 15}1", "S")]


def test_entries_whose_numbers_look_alike_lie_in_files_of_their_own(folder, worklist) -> None:
    keys = [("AccessionNumber", "ScheduledProcedureStepID")] * len(ALIKE)
    made = [
        entry
        for names, values in zip(keys, ALIKE, strict=True)
        for entry in entries(worklist, **dict(zip(names, values, strict=True)))
    ]
    # Without a number the Study Instance UID is one, of which more than a name may have differs.
    made += [
        entry
        for last in "12"
        for entry in entries(worklist, AccessionNumber="", StudyInstanceUID=f"1.{'9' * 50}.{last}")
    ]
    names = worklist.put(made)
    assert len(set(names)) == len(made) == len(worklist.known(EVER, RULES))
    assert worklist.put(made[:1]) == names[:1]
    worklist.remove(names[0])
    assert not (folder / names[0]).exists()
    assert len(worklist.known(EVER, RULES)) == len(made) - 1
