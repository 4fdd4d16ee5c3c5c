"""Answers of a worklist: of an entry each element is encoded once for as long as it is held."""

import os
from pathlib import Path

import pytest

from scp.network.dimse import identifier
from scp.network.services.worklist.answers import AnswerEncoder
from storage.dicom.data_sets import Element
from storage.journal import FolderJournal
from storage.worklist import EVER, Rules, Worklist, WorklistQuery
from storage.worklist.entries import completed, from_values, to_json

EXPLICIT = "1.2.840.10008.1.2.1"
ENTRIES = 200
ASKED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
    "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription", "Modality",
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepID",
    "ScheduledProcedureStepStartTime", "ScheduledProcedureStepDescription",
    "ScheduledPerformingPhysicianName", "ReferringPhysicianName", "PatientWeight",
)  # fmt: skip


@pytest.fixture
def worklist(tmp_path: Path) -> Worklist:
    (tmp_path / "worklist").mkdir()
    made = Worklist(tmp_path, FolderJournal(tmp_path, sync=False), tmp_path / "worklist")
    orders = [
        {"PatientName": f"Müller^{n}", "PatientID": str(n), "Modality": "CT",
         "ScheduledStationAETitle": "CT01", "AccessionNumber": f"A{n}",
         "ScheduledProcedureStepStartDate": "20300115"}
        for n in range(ENTRIES)
    ]  # fmt: skip
    entries = [completed(from_values(one), made.identity(), "")[0] for one in orders]
    (name,) = made.put_together("day", entries)
    os.utime(
        tmp_path / "worklist" / name, ns=(10**18, 10**18)
    )  # what was written just now is looked at again
    return made


def query() -> WorklistQuery:
    return WorklistQuery.from_json(to_json(from_values(dict.fromkeys(ASKED, ""))))


def answers(worklist: Worklist) -> list[bytes]:
    asked = query()
    encoder = AnswerEncoder(asked, EXPLICIT, "")
    known = worklist.known(EVER, Rules())
    return [encoder.encode(one) for one in known if asked.matches(one.entry, one.state)]


def test_what_was_answered_once_is_not_encoded_again(
    worklist: Worklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answers(worklist)
    assert len(first) == ENTRIES
    encoded: list[Element] = []
    encode = identifier.encode_element

    def counted(tag: int, held: Element, *how: object) -> bytes:
        encoded.append(held)
        return encode(tag, held, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(identifier, "encode_element", counted)
    monkeypatch.setattr("storage.worklist.entries.folder.read", lambda *_: pytest.fail("read"))
    monkeypatch.setattr("storage.worklist.table.entry_of", lambda *_: pytest.fail("decoded"))
    assert answers(worklist) == first
    assert len(encoded) <= len(ASKED) + 1  # what an empty element is, once a query
