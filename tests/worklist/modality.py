"""A modality: asks a worklist, and tells what it does."""

import json
import subprocess
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from support import RunningNode
from support.program import run

WORKLIST = "1.2.840.10008.5.1.4.31"
STEP = "1.2.840.10008.3.1.2.3.3"
STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
EXPLICIT = "1.2.840.10008.1.2.1"

Context = tuple[str, str]
Answers = list[tuple[int, Dataset]]
Keys = dict[str, Any]


def data_set(values: Keys) -> Dataset:
    """A data set: lists are items of sequences, but of texts, which are several values."""
    made = Dataset()
    for keyword, value in values.items():
        if isinstance(value, list) and not any(isinstance(one, str) for one in value):
            setattr(made, keyword, [data_set(item) for item in value])
        else:
            setattr(made, keyword, value)
    return made


def of_step(**keys: Any) -> Keys:
    """Keys in the item of the step's sequence."""
    return {"ScheduledProcedureStepSequence": [keys]}


def write_entries(node: RunningNode, name: str, entries: list[Keys] | Keys) -> Path:
    """Put entries into the node's folder, as a program of somebody's would."""
    folder = node.data / "worklist"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(entries, ensure_ascii=False))
    return path


def worklist(
    node: RunningNode, command: str, *options: object, answer: str = ""
) -> "subprocess.CompletedProcess[str]":
    """`minipacs worklist COMMAND` on the configuration of a node."""
    return run("worklist", command, "-c", node.config, *options, answer=answer)


class Modality:
    """Asks and tells by pynetdicom."""

    def __init__(self, node: RunningNode, ae_title: str = "CT01") -> None:
        self.node, self.ae_title = node, ae_title
        self._open: dict[tuple[Context, ...], Association] = {}

    def close(self) -> None:
        """Release what is open."""
        for association in self._open.values():
            association.release()
        self._open.clear()

    def _associated(self, *contexts: Context) -> Association:
        """An association that is kept: to open one takes longer than to ask."""
        held = self._open.get(contexts)
        if held is None or not held.is_established:
            held = self.node.associate(*contexts, ae_title=self.ae_title)
            assert held.is_established, "\n".join(self.node.log[-20:])
            self._open[contexts] = held
        return held

    def find(self, keys: Keys | Dataset, syntax: str = EXPLICIT) -> Answers:
        """Status and identifier of each response; of the last one an empty data set."""
        asked = keys if isinstance(keys, Dataset) else data_set(keys)
        association = self._associated((WORKLIST, syntax))
        return [
            (status.Status, found or Dataset())
            for status, found in association.send_c_find(asked, WORKLIST)
        ]

    def found(self, keys: Keys | Dataset) -> list[Dataset]:
        """The answers of a query that ends well."""
        *pending, (last, _) = self.find(keys)
        assert last == 0x0000
        assert {status for status, _ in pending} <= {0xFF00}
        return [identifier for _, identifier in pending]

    def steps(self) -> "Steps":
        """What it tells of performed steps."""
        return Steps(self._associated((STEP, EXPLICIT), (STEP_RETRIEVE, EXPLICIT)))


class Steps:
    """What a modality tells of performed steps, on one association."""

    def __init__(self, association: Any) -> None:
        self.association = association

    def create(self, uid: str | None, values: Keys) -> Dataset:
        """N-CREATE; the status."""
        status, _ = self.association.send_n_create(data_set(values), STEP, uid)
        return status

    def set(self, uid: str, values: Keys) -> Dataset:
        """N-SET; the status."""
        status, _ = self.association.send_n_set(data_set(values), STEP, uid)
        return status

    def get(self, uid: str, tags: list[int] | None = None) -> tuple[Dataset, Dataset]:
        """N-GET; status and data set."""
        status, found = self.association.send_n_get(tags or [], STEP_RETRIEVE, uid)
        return status, found or Dataset()


def beginning(study: str = "1.2.3", step: str = "S1", **more: Any) -> Keys:
    """What a modality says as it begins."""
    return {
        "ScheduledStepAttributesSequence": [
            {
                "StudyInstanceUID": study,
                "ReferencedStudySequence": [],
                "AccessionNumber": "A1",
                "RequestedProcedureID": "RP1",
                "RequestedProcedureDescription": "",
                "ScheduledProcedureStepID": step,
                "ScheduledProcedureStepDescription": "",
                "ScheduledProtocolCodeSequence": [],
            }
        ],
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientBirthDate": "",
        "PatientSex": "",
        "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "CT01",
        "PerformedStationName": "",
        "PerformedLocation": "",
        "PerformedProcedureStepStartDate": "20300705",
        "PerformedProcedureStepStartTime": "101500",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "",
        "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": [],
        "PerformedProcedureStepEndDate": "",
        "PerformedProcedureStepEndTime": "",
        "Modality": "CT",
        "StudyID": "1",
        "PerformedProtocolCodeSequence": [],
        "PerformedSeriesSequence": [],
    } | more


def ending(status: str = "COMPLETED", instances: tuple[str, ...] = ("1.2.9.1",)) -> Keys:
    """What it says in the end."""
    return {
        "PerformedProcedureStepStatus": status,
        "PerformedProcedureStepEndDate": "20300705",
        "PerformedProcedureStepEndTime": "102000",
        "PerformedSeriesSequence": [
            {
                "PerformingPhysicianName": "",
                "ProtocolName": "Chest",
                "OperatorsName": "",
                "SeriesInstanceUID": "1.2.9",
                "SeriesDescription": "",
                "RetrieveAETitle": "",
                "ReferencedImageSequence": [
                    {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                     "ReferencedSOPInstanceUID": uid}
                    for uid in instances
                ],
                "ReferencedNonImageCompositeSOPInstanceSequence": [],
            }
        ],
    }  # fmt: skip
