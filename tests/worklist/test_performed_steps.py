"""Performed procedure steps, as PS3.4 annex F has them: what is taken, and with which status."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from support import RunningNode, running_node
from support.node import Code
from worklist.modality import STEP, Keys, Modality, beginning, data_set, ending

COMPLETED, DISCONTINUED = "COMPLETED", "DISCONTINUED"
EXPLICIT = "1.2.840.10008.1.2.1"
TAGS = {
    "status": 0x00400252, "series": 0x00400340, "scheduled": 0x00400270, "name": 0x00100010,
    "ppsid": 0x00400253, "modality": 0x00080060, "study": 0x0020000D, "start": 0x00400244,
    "protocol": 0x00181030,
}  # fmt: skip


@pytest.fixture(scope="module", params=[
    pytest.param(True, id="lenient"), pytest.param(False, id="strict", marks=pytest.mark.long),
])  # fmt: skip
def modality(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Modality]:
    tables = {"worklist": {"lenient": request.param}, "node": {"workers": 2}}
    with running_node(tmp_path_factory.mktemp("steps"), tables) as node:
        told = Modality(node)
        yield told
        told.close()


@dataclass
class Case:
    """What is said of a step, one after the other, and the status of the last."""

    title: str
    created: Keys | None
    sets: tuple[Keys, ...] = ()
    strict: int = 0x0000
    lenient: int | None = None  # as strictly, where left out
    named: tuple[str, ...] = ()  # attributes that the answer names
    error_id: int | None = None
    held: Keys = field(default_factory=dict)  # what N-GET tells then

    def status(self, is_lenient: bool) -> int:
        """What is answered."""
        return self.strict if self.lenient is None or not is_lenient else self.lenient


def without(*keywords: str, **more: object) -> Keys:
    return {k: v for k, v in (beginning() | more).items() if k not in keywords}


SCHEDULED = "ScheduledStepAttributesSequence"
STATUS = "PerformedProcedureStepStatus"
NO_STUDY = [{"StudyInstanceUID": "", "AccessionNumber": "", "ScheduledProcedureStepID": ""}]
BY_NUMBER = [{"AccessionNumber": "A1", "ScheduledProcedureStepID": "S1"}]
TWO = [{"StudyInstanceUID": "1.2.3", "ScheduledProcedureStepID": "S1"},
       {"StudyInstanceUID": "1.2.3", "ScheduledProcedureStepID": "S2"}]  # fmt: skip
UNNAMED = [{"ProtocolName": "", "SeriesInstanceUID": "1.2.9"}]

CASES = [
    # F.7.2.1: N-CREATE
    Case("F.7.2.1: a step begins", beginning(), held={STATUS: "IN PROGRESS", "PatientID": "P1"}),
    Case("F.7.2.1.1: of several scheduled steps", beginning(**{SCHEDULED: TWO})),
    Case("F.7-1: type 2 may be empty", beginning(PatientName="", PatientID="", StudyID="")),
    Case("F.7-1: type 2 may be missing, many leave it out", without("StudyID", "PatientSex")),
    Case("F.7.2.1.2: it begins in progress", beginning(**{STATUS: COMPLETED}),
         strict=0x0106, named=("status",)),
    Case("F.7.2.1.2: nor discontinued", beginning(**{STATUS: DISCONTINUED}),
         strict=0x0106, named=("status",)),
    Case("F.7.2.1.2: nor as something else", beginning(**{STATUS: "RUNNING"}),
         strict=0x0106, named=("status",)),
    Case("F.7-1: type 1 missing: step ID", without("PerformedProcedureStepID"),
         strict=0x0120, lenient=0x0107, named=("ppsid",)),
    Case("F.7-1: type 1 empty: step ID", beginning(PerformedProcedureStepID=""),
         strict=0x0121, lenient=0x0107, named=("ppsid",)),
    Case("F.7-1: type 1 missing: modality", without("Modality"),
         strict=0x0120, lenient=0x0107, named=("modality",)),
    Case("F.7-1: type 1 empty: start date", beginning(PerformedProcedureStepStartDate=""),
         strict=0x0121, lenient=0x0107, named=("start",)),
    Case("F.7-1: type 1 missing: status", without(STATUS),
         strict=0x0120, lenient=0x0107, named=("status",)),
    Case("F.7-1: two of type 1 missing are both named",
         without("Modality", "PerformedProcedureStepID"),
         strict=0x0120, lenient=0x0107, named=("ppsid", "modality")),
    Case("F.7-1: type 1 in an item: told by its numbers", beginning(**{SCHEDULED: BY_NUMBER}),
         strict=0x0120, lenient=0x0107, named=("study",)),
    Case("F.7-1: type 1 in an item: of which no entry can be told",
         beginning(**{SCHEDULED: NO_STUDY}), strict=0x0121, named=("study",)),
    Case("F.7-1: no scheduled step", without(SCHEDULED), strict=0x0120, named=("scheduled",)),
    Case("F.7-1: no item of a scheduled step", beginning(**{SCHEDULED: []}),
         strict=0x0121, named=("scheduled",)),
    Case("F.7-1: a series without its protocol", beginning(PerformedSeriesSequence=UNNAMED),
         strict=0x0121, lenient=0x0107, named=("protocol",)),
    # F.7.2.2: N-SET
    Case("F.7.2.2: it is completed", beginning(), (ending(),),
         held={STATUS: COMPLETED, "PerformedProcedureStepEndTime": "102000"}),
    Case("F.7.2.2: it is discontinued", beginning(), (ending(DISCONTINUED),),
         held={STATUS: DISCONTINUED}),
    Case("F.7.2.2: it goes on", beginning(), (ending("IN PROGRESS"),),
         held={STATUS: "IN PROGRESS"}),
    Case("F.7.2.2: without a status it goes on", beginning(), ({"PerformedSeriesSequence": []},),
         held={STATUS: "IN PROGRESS"}),
    Case("F.7.2.2: several times, then its end", beginning(),
         (ending("IN PROGRESS", ("1.2.9.1",)), ending(COMPLETED, ("1.2.9.1", "1.2.9.2"))),
         held={STATUS: COMPLETED}),
    Case("F.7.2.2.2: after COMPLETED nothing is set", beginning(), (ending(), ending()),
         strict=0x0110, error_id=0xA710, held={STATUS: COMPLETED}),
    Case("F.7.2.2.2: nor another end", beginning(), (ending(), ending(DISCONTINUED)),
         strict=0x0110, error_id=0xA710, held={STATUS: COMPLETED}),
    Case("F.7.2.2.2: after DISCONTINUED nothing is set", beginning(),
         (ending(DISCONTINUED), {"PerformedProcedureStepDescription": "x"}),
         strict=0x0110, error_id=0xA710, held={STATUS: DISCONTINUED}),
    Case("F.7.2.2: a status that is none", beginning(), ({STATUS: "DONE"},),
         strict=0x0106, named=("status",), held={STATUS: "IN PROGRESS"}),
    Case("F.7.2.2: a status without a value", beginning(), ({STATUS: ""},),
         strict=0x0106, named=("status",), held={STATUS: "IN PROGRESS"}),
    Case("F.7-1: not allowed: another patient", beginning(), ({"PatientName": "Other^One"},),
         strict=0x0106, named=("name",), held={"PatientName": "Doe^Jane"}),
    Case("F.7-1: not allowed: and nothing else is set", beginning(),
         (ending() | {"PatientName": "Other^One"},),
         strict=0x0106, named=("name",), held={STATUS: "IN PROGRESS"}),
    Case("F.7-1: not allowed: scheduled steps", beginning(), ({SCHEDULED: TWO},),
         strict=0x0106, named=("scheduled",)),
    Case("F.7-1: not allowed, and as it was", beginning(),
         (ending() | {"PatientName": "Doe^Jane"},),
         strict=0x0106, lenient=0x0107, named=("name",)),
    Case("F.7.2.2.3: a sequence is replaced as a whole", beginning(),
         (ending("IN PROGRESS", ("1", "2", "3")), ending("IN PROGRESS", ("4",))),
         held={"PerformedSeriesSequence.ReferencedImageSequence": 1}),
    Case("F.7-1: final without a series is taken, and told in the log", beginning(),
         ({STATUS: COMPLETED},), held={STATUS: COMPLETED}),
    Case("F.7.2.2: a step that nobody began", None, (ending(),), strict=0x0112),
]  # fmt: skip


def _rows() -> list[object]:
    """Each case as a lenient node takes it; in short runs of a strict one what differs there."""
    rows = []
    for is_lenient in (True, False):
        for case in CASES:
            is_same = case.status(True) == case.status(False)
            marks = [pytest.mark.long] if is_same and not is_lenient else []
            how = "lenient" if is_lenient else "strict"
            rows.append(pytest.param(is_lenient, case, id=f"{how}-{case.title}", marks=marks))
    return rows


@pytest.mark.parametrize(("modality", "case"), _rows(), indirect=["modality"])
def test_what_a_modality_tells(modality: Modality, case: Case) -> None:
    uid = f"1.2.826.77.{CASES.index(case)}"
    is_lenient = "lenient = true" in modality.node.config.read_text()
    steps = modality.steps()
    answer = Dataset()
    if case.created is not None:
        answer = steps.create(uid, case.created)
    for one in case.sets:
        if "Status" in answer:
            assert answer.Status == 0x0000
        answer = steps.set(uid, one)
    assert f"{answer.Status:04X}" == f"{case.status(is_lenient):04X}"
    assert answer.get("ErrorID") == case.error_id
    if case.sets and answer.Status:
        named = answer.get("AttributeIdentifierList", [])
        tags = [named] if isinstance(named, int) else list(named)
        assert sorted(tags) == sorted(TAGS[name] for name in case.named)
    elif answer.Status in (0x0107, 0x0120, 0x0121):  # of an N-CREATE this client gives no list
        assert all(keyword_for_tag(TAGS[name]) in answer.ErrorComment for name in case.named)
    for keyword, value in case.held.items():
        status, held = steps.get(uid)
        assert status.Status == 0x0000
        if keyword.endswith("ReferencedImageSequence"):
            assert len(held.PerformedSeriesSequence[0].ReferencedImageSequence) == value
        else:
            assert held[keyword].value == value


def test_there_are_thirty_cases_and_more() -> None:
    assert len(CASES) >= 30
    assert len({case.title for case in CASES}) == len(CASES)


def test_a_step_that_is_there_is_not_begun_again(modality: Modality) -> None:
    steps = modality.steps()
    assert steps.create("1.2.826.78.1", beginning()).Status == 0x0000
    assert steps.create("1.2.826.78.1", beginning()).Status == 0x0111


def test_a_step_without_a_uid_gets_one(modality: Modality) -> None:
    steps = modality.steps()
    status = steps.create(None, beginning())
    assert status.Status == 0x0000


def test_a_uid_that_is_none_is_refused(modality: Modality) -> None:
    steps = modality.steps()
    assert steps.create("1.2.no.uid", beginning()).Status == 0x0115


def test_of_a_step_what_is_asked_for_is_told(modality: Modality) -> None:
    steps = modality.steps()
    steps.create(
        "1.2.826.78.2", beginning(PatientName="Müller^Änne", SpecificCharacterSet="ISO_IR 100")
    )
    status, held = steps.get("1.2.826.78.2", [0x00400252, 0x00100010, 0x00404052])
    assert status.Status == 0x0000
    held.decode()
    assert held.PerformedProcedureStepStatus == "IN PROGRESS"
    assert str(held.PatientName) == "Müller^Änne"
    assert held.SpecificCharacterSet == "ISO_IR 100"
    assert held[0x00404052].value in (None, "")
    assert len(held) == 4


def test_of_an_unknown_step_nothing_is_told(modality: Modality) -> None:
    steps = modality.steps()
    assert steps.get("1.2.826.78.99")[0].Status == 0x0112


def test_text_of_two_character_sets_is_kept(modality: Modality) -> None:
    steps = modality.steps()
    begun = beginning(PatientName="Müller^Änne", SpecificCharacterSet="ISO_IR 100")
    steps.create("1.2.826.78.3", begun)
    told = {"SpecificCharacterSet": "ISO_IR 126", "PerformedProcedureStepDescription": "Θώραξ"}
    assert steps.set("1.2.826.78.3", told).Status == 0x0000
    _, held = steps.get("1.2.826.78.3")
    held.decode()
    assert held.SpecificCharacterSet == "ISO_IR 192"
    assert str(held.PatientName) == "Müller^Änne"
    assert held.PerformedProcedureStepDescription == "Θώραξ"


@pytest.mark.parametrize("request_of", ["delete", "action"])
def test_what_the_sop_class_does_not_have_is_refused(modality: Modality, request_of: str) -> None:
    with modality.node.association((STEP, EXPLICIT)) as association:
        if request_of == "delete":
            status = association.send_n_delete(STEP, "1.2.3")
        else:
            status, _ = association.send_n_action(data_set(ending()), 1, STEP, "1.2.3")
        assert status.Status == 0x0211


def test_a_step_is_got_by_its_own_sop_class_alone(modality: Modality) -> None:
    with modality.node.association((STEP, EXPLICIT)) as association:
        status, _ = association.send_n_get([], STEP, "1.2.3")
        assert status.Status == 0x0211


def test_two_modalities_at_once_each_keep_their_own(modality: Modality) -> None:
    def told(number: int) -> list[int]:
        steps = Modality(modality.node, f"CT{number}").steps()
        uids = [f"1.2.826.79.{number}.{step}" for step in range(5)]
        same = [steps.create(f"1.2.826.80.{step}", beginning()).Status for step in range(5)]
        own = [steps.create(uid, beginning()).Status for uid in uids]
        return same + own + [steps.set(uid, ending()).Status for uid in uids]

    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(told, range(4)))
    for one in statuses:
        assert one[5:] == [0x0000] * 10
    for step in range(5):  # of one UID one alone began it
        assert sorted(one[step] for one in statuses) == [0x0000, 0x0111, 0x0111, 0x0111]


def test_steps_outlast_the_node(start_worklist: Callable[..., RunningNode]) -> None:
    node = start_worklist()
    steps = Modality(node).steps()
    assert steps.create("1.2.826.81", beginning()).Status == 0x0000
    assert steps.set("1.2.826.81", ending()).Status == 0x0000
    node.kill()
    (node.data / "worklist.sqlite").unlink()
    node.start()
    steps = Modality(node).steps()
    assert steps.get("1.2.826.81")[1].PerformedProcedureStepStatus == COMPLETED
    assert steps.set("1.2.826.81", ending()).Status == 0x0110


# The end of a worker at which an N-SET has come so far.
_ENDS = "__import__('os').kill(__import__('os').getpid(), 9)"
_KILLS = {
    "before": f"lambda self, name, **record: {_ENDS} if record.get('kind') == 'set' else "
    "self.sync(name, self.write(name, **record))",
    "behind": "lambda self, name, **record: (self.sync(name, self.write(name, **record)), "
    f"record.get('kind') == 'set' and {_ENDS})",
}


@pytest.fixture
def start_killed(tmp_path: Path) -> Iterator[Callable[[str], RunningNode]]:
    """Start a node whose worker is killed at an N-SET, before or behind its line of the journal."""
    nodes: list[RunningNode] = []

    def start(where: str) -> RunningNode:
        (tmp_path / "node").mkdir()
        node = RunningNode(tmp_path / "node", {"worklist": {}, "node": {"workers": 1}})
        node.constants["storage.journal.FolderJournal.append"] = Code(_KILLS[where])
        nodes.append(node)
        return node.start()

    yield start
    for node in nodes:
        node.kill()


def test_a_kill_before_its_line_leaves_no_success_and_nothing_set(
    start_killed: Callable[[str], RunningNode],
) -> None:
    node = start_killed("before")
    steps = Modality(node).steps()
    assert steps.create("1.2.826.82", beginning()).Status == 0x0000
    assert "Status" not in steps.set("1.2.826.82", ending())
    node.kill()
    node.constants.clear()
    node.start()
    steps = Modality(node).steps()
    assert steps.get("1.2.826.82")[1].PerformedProcedureStepStatus == "IN PROGRESS"
    assert steps.set("1.2.826.82", ending()).Status == 0x0000


def test_a_kill_behind_its_line_leaves_what_it_says(
    start_killed: Callable[[str], RunningNode],
) -> None:
    node = start_killed("behind")
    steps = Modality(node).steps()
    assert steps.create("1.2.826.83", beginning()).Status == 0x0000
    assert "Status" not in steps.set("1.2.826.83", ending())
    node.kill()
    node.constants.clear()
    node.start()
    steps = Modality(node).steps()
    assert steps.get("1.2.826.83")[1].PerformedProcedureStepStatus == COMPLETED
