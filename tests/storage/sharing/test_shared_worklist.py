"""The worklist of an archive that several nodes have: entries are lines that all of them read."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.data.shared_archives import UIDS, received

from storage import Archive
from storage.journal import ENTRIES, STEPS
from storage.worklist import EVER, By, Followed, Follower, Rules, State, Worklist, database
from storage.worklist.entries import Entry, EntryError, completed, from_values

NewNode = Callable[..., Archive]
ORDER = {
    "PatientName": "DOE^JANE", "PatientID": "4711", "Modality": "CT",
    "ScheduledStationAETitle": "CT01", "ScheduledProcedureStepStartDate": "20261129",
}  # fmt: skip
RULES = Rules()
# What a modality says as it begins.
BEGUN = from_values({
    "PerformedProcedureStepID": "P1", "PerformedStationAETitle": "CT1", "Modality": "CT",
    "PerformedProcedureStepStartDate": "20261129", "PerformedProcedureStepStartTime": "0930",
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "ScheduledStepAttributesSequence.StudyInstanceUID": "1.99",
})  # fmt: skip


class Nodes:
    """Nodes of one archive, with what each tells of the worklist."""

    def __init__(self, new_node: NewNode) -> None:
        self.archives = [new_node(), new_node()]
        self.worklists = [
            Worklist(one.tree.data, one.journal, None) for one in self.archives
        ]  # fmt: skip

    def entries(self, **values: str) -> list[Entry]:
        given = {"AccessionNumber": "A1", "StudyInstanceUID": "1.2.3"} | values
        return completed(from_values(ORDER | given), self.worklists[0].identity(), "")

    def told(self) -> list[list[tuple[str, str, str]]]:
        """Accession Number, station and state of each entry, by node."""
        return [
            [(one.entry.accession, "\\".join(one.entry.stations), str(one.state))
             for one in worklist.known(EVER, RULES)]
            for worklist in self.worklists
        ]  # fmt: skip


@pytest.fixture
def nodes(new_node: NewNode) -> Iterator[Nodes]:
    made = Nodes(new_node)
    yield made
    for worklist in made.worklists:
        worklist.close()


def test_what_one_node_takes_changes_and_removes_all_of_them_have(nodes: Nodes) -> None:
    one, other = nodes.worklists
    assert one.put(nodes.entries()) == ["A1/A1-1"]
    assert nodes.told() == [[("A1", "CT01", "SCHEDULED")]] * 2
    other.put(nodes.entries(ScheduledStationAETitle="CT02"))
    assert nodes.told() == [[("A1", "CT02", "SCHEDULED")]] * 2
    (known,) = one.known(EVER, RULES)
    one.decide(known.entry, State.CANCELLED, By.COMMAND, "jane")
    assert nodes.told() == [[("A1", "CT02", "CANCELLED")]] * 2
    other.remove(known.held.file)
    assert nodes.told() == [[], []]
    assert not [*nodes.archives[0].tree.data.glob("worklist/*")]


def test_an_import_is_all_or_nothing_and_each_entry_a_line_of_its_own(nodes: Nodes) -> None:
    one = nodes.worklists[0]
    both = nodes.entries() + nodes.entries(AccessionNumber="A2", StudyInstanceUID="1.2.4")
    assert one.put_together("day.csv", both) == ["A1/A1-1", "A2/A2-1"]
    wrong = nodes.entries(PatientID="1") + nodes.entries(
        AccessionNumber="A3", StudyInstanceUID="1.9"
    )
    with pytest.raises(EntryError, match="that of another patient in A1/A1-1"):
        one.put_together("day.csv", wrong)
    assert [accession for accession, _, _ in nodes.told()[1]] == ["A1", "A2"]
    one.remove("A1/A1-1")
    assert [accession for accession, _, _ in nodes.told()[1]] == ["A2"]


def test_a_node_that_lost_its_folder_has_all_again(nodes: Nodes) -> None:
    one, other = nodes.worklists
    one.put(nodes.entries())
    (known,) = one.known(EVER, RULES)
    one.decide(known.entry, State.ARRIVED, By.COMMAND, "jane")
    assert nodes.told()[1] == [("A1", "CT01", "ARRIVED")]
    other.close()
    database.remove(nodes.archives[1].tree.data)
    assert nodes.told() == [[("A1", "CT01", "ARRIVED")]] * 2


def test_of_two_patients_with_one_study_at_once_one_is_taken(nodes: Nodes) -> None:
    barrier = threading.Barrier(2)
    given = [nodes.entries(), nodes.entries(AccessionNumber="A2", PatientID="4712")]

    def put(number: int) -> str:
        barrier.wait(60)
        try:
            nodes.worklists[number].put(given[number])
        except EntryError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as both:
        said = sorted(both.map(put, range(2)))
    assert said[0] == ""
    assert "Study Instance UID 1.2.3 is that of another patient" in said[1]
    assert len(nodes.told()[0]) == 1
    assert nodes.told()[0] == nodes.told()[1]


def test_a_turn_that_is_taken_back_leaves_nothing_anywhere(nodes: Nodes) -> None:
    one = nodes.worklists[0]
    one.put(nodes.entries())

    class CutOffError(Exception):
        pass

    def put_and_die() -> None:
        with one.turn():
            one.put(nodes.entries(AccessionNumber="A2", StudyInstanceUID="1.2.4"))
            assert [known.entry.accession for known in one.known(EVER, RULES)] == ["A1", "A2"]
            raise CutOffError

    with pytest.raises(CutOffError):
        put_and_die()
    assert nodes.told() == [[("A1", "CT01", "SCHEDULED")]] * 2
    one.put(nodes.entries(AccessionNumber="A3", StudyInstanceUID="1.2.5"))  # has the row's number
    assert [accession for accession, _, _ in nodes.told()[0]] == ["A1", "A3"]
    assert nodes.told()[0] == nodes.told()[1]


def test_lines_count_in_their_order_whatever_clocks_say(nodes: Nodes) -> None:
    one = nodes.worklists[0]
    one.put(nodes.entries())
    (line,) = nodes.archives[0].journal.read(ENTRIES)
    late = json.dumps({**line, "at": "2001-01-01T00:00:00.000Z", "step": "S2"}).encode()
    moved = late.replace(b"A1-1", b"S2").replace(b"CT01", b"CT02")
    nodes.archives[0].journal.append_lines(ENTRIES, [moved])
    assert [station for _, station, _ in nodes.told()[1]] == ["CT01", "CT02"]
    nodes.worklists[1].put(nodes.entries(ScheduledStationAETitle="CT03"))
    assert sorted(station for _, station, _ in nodes.told()[0]) == ["CT02", "CT03"]
    assert nodes.told()[0] == nodes.told()[1]


def test_what_images_complete_and_what_is_abandoned_one_of_all_nodes_writes_down(
    nodes: Nodes,
) -> None:
    one, other = nodes.worklists
    nodes.worklists[0].put(nodes.entries(StudyInstanceUID=UIDS[0], PatientName="A^B"))
    one.create("1.9", "CT1", BEGUN, lenient=True)
    nodes.archives[1].store(received(PatientID="4711"))
    barrier, later = threading.Barrier(2), time.time() + 2 * RULES.abandoned
    followers = [
        Follower(worklist, archive, RULES)
        for worklist, archive in zip(nodes.worklists, nodes.archives, strict=True)
    ]

    def look(follower: Follower) -> Followed:
        barrier.wait(60)
        return follower.look(EVER, later)

    with ThreadPoolExecutor(2) as both:
        found = [*both.map(look, followers), *both.map(look, followers)]
    assert [uid for one in found for uid in one.abandoned] == ["1.9"]
    assert nodes.told() == [[("A1", "CT01", "COMPLETED")]] * 2
    (completed,) = [known for one in found for known in one.completed]
    assert completed.entry.study_uid == UIDS[0]
    kinds = [(line["kind"], line.get("by")) for line in nodes.archives[0].journal.read(STEPS)]
    assert sorted(kinds, key=str) == [
        ("created", None), ("decided", "images"), ("set", "node")
    ]  # fmt: skip
    assert [one.step("1.9").ended_by_node, other.step("1.9").ended_by_node] == [True, True]
