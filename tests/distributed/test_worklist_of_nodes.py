"""The worklist of several nodes: what one is told, modalities are answered by all of them."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    Code,
    RunningNode,
    ct,
    encoded,
    running_node,
    send,
)
from support.machine.cluster import IMPATIENT, Engines, new_archive, running_nodes
from worklist.modality import Modality, beginning, ending, of_step, worklist
from worklist.test_orders_over_mllp import connected, order

LOOK = threading.Event()  # never set: nobody tells that it has changed
TABLES = {
    "worklist": {"quiet": 0.1},
    "orders": {"port": 0, "station": {"CT": "CT01"}},
    "node": {"workers": 1},
}


@pytest.fixture(scope="module")
def nodes(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningNode]]:
    with running_nodes(engines, tmp_path_factory.mktemp("nodes"), **TABLES) as running:
        yield running


def asked(node: RunningNode, accession: str) -> list[tuple[str, str]]:
    """Study Instance UID and patient's name of the entries of a number, as a modality has them."""
    modality = Modality(node)
    keys = {"AccessionNumber": accession, "StudyInstanceUID": "", "PatientName": "",
            **of_step(Modality="CT")}  # fmt: skip
    try:
        return [(str(one.StudyInstanceUID), str(one.PatientName)) for one in modality.found(keys)]
    finally:
        modality.close()


def audited(node: RunningNode) -> list[dict[str, object]]:
    """The lines of a node's audit trail."""
    files = sorted(node.data.glob("audit/*"))  # none where it has told of nothing yet
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def states(node: RunningNode, accession: str) -> list[str]:
    """The states of the entries of a number."""
    found = json.loads(worklist(node, "list", "--all", "--json").stdout)
    return [one["state"] for one in found if one["accession"] == accession]


def test_an_order_that_one_node_took_all_answer_and_is_done_once(nodes: list[RunningNode]) -> None:
    one, other = nodes
    with connected(one) as ris:
        assert ris.ask(order(accession="H1", number="h1"))[1] == "AA"
    assert asked(other, "H1") == asked(one, "H1")
    assert [name for _, name in asked(other, "H1")] == ["Müßig^Zoë"]
    with connected(other) as ris:
        assert ris.ask(order(accession="H1", number="h2", control="CA"))[1] == "AA"
        assert asked(one, "H1") == []
        # Sent again, as by who got no answer: the order that was taken back stays so.
        assert ris.ask(order(accession="H1", number="h1"))[1] == "AA"
    assert asked(one, "H1") == asked(other, "H1") == []
    assert states(one, "H1") == states(other, "H1") == ["CANCELLED"]


def test_the_same_message_to_both_at_once_is_done_once(nodes: list[RunningNode]) -> None:
    barrier = threading.Barrier(2)

    def tell(node: RunningNode) -> str:
        with connected(node) as ris:
            barrier.wait(CLIENT_SECONDS)
            return ris.ask(order(accession="H2", number="h3"))[1]

    with ThreadPoolExecutor(2) as both:
        assert list(both.map(tell, nodes)) == ["AA", "AA"]
    done = [line for node in nodes for line in audited(node) if line.get("accession") == "H2"]
    assert len(done) == 1
    assert len(asked(nodes[0], "H2")) == 1


def test_commands_of_any_node_are_for_all(nodes: list[RunningNode], tmp_path: Path) -> None:
    one, other = nodes
    given = ("PatientName=DOE^JANE", "PatientID=4711", "Modality=CT",
             "ScheduledStationAETitle=CT01", "AccessionNumber=C1")  # fmt: skip
    added = worklist(one, "add", *given)
    assert "added accession=C1" in added.stdout, added.stderr
    table = tmp_path / "day.csv"
    table.write_text("PatientName,PatientID,Modality,ScheduledStationAETitle,Date,AccessionNumber\n"
                     "ROE^JIM,4712,CT,CT01,2099-01-01,C2\n")  # fmt: skip
    assert "took entries=1" in worklist(other, "import", str(table)).stdout
    assert [len(asked(node, name)) for node in nodes for name in ("C1", "C2")] == [1, 1, 1, 1]
    assert "removed entries=1" in worklist(one, "remove", "C2", "--yes").stdout
    assert asked(other, "C2") == []
    assert "C1" in worklist(other, "show", "C1").stdout
    assert "CANCELLED" in worklist(other, "cancel", "C1").stdout
    assert asked(one, "C1") == []
    assert "asked" in worklist(one, "explain", "CT01").stdout


def test_a_step_begun_at_one_node_ends_at_another(nodes: list[RunningNode]) -> None:
    one, other = nodes
    with connected(one) as ris:
        assert ris.ask(order(accession="M1", number="m1"))[1] == "AA"
    ((study, _),) = asked(one, "M1")
    told = [Modality(node) for node in nodes]
    try:
        first, second = (modality.steps() for modality in told)
        assert first.create("1.2.77", beginning(study=study)).Status == 0x0000
        assert second.create("1.2.77", beginning(study=study)).Status == 0x0111
        assert states(other, "M1") == ["STARTED"]
        assert second.set("1.2.77", ending()).Status == 0x0000
        assert first.get("1.2.77")[1].PerformedProcedureStepStatus == "COMPLETED"
        assert first.set("1.2.77", ending()).Status == 0x0110
        assert states(one, "M1") == states(other, "M1") == ["COMPLETED"]
    finally:
        for modality in told:
            modality.close()


def test_what_images_complete_is_told_once(nodes: list[RunningNode]) -> None:
    one, other = nodes
    with connected(one) as ris:
        assert ris.ask(order(accession="I1", number="i1", patient="IP"))[1] == "AA"
    ((study, _),) = asked(one, "I1")
    uid = f"{study}.1"
    made = ct(study, study, uid, PatientID="IP", PatientName="", Modality="CT")
    with other.association((CT, EXPLICIT)) as association:
        assert send(association, CT, uid, encoded(made)).Status == 0x0000
    for node in nodes:
        deadline = time.monotonic() + CLIENT_SECONDS
        while states(node, "I1") != ["COMPLETED"]:
            assert time.monotonic() < deadline, node.log[-10:]
            LOOK.wait(0.3)
    told = [line for node in nodes for line in audited(node)
            if line.get("accession") == "I1" and line.get("by") == "images"]  # fmt: skip
    assert len(told) == 1


@pytest.mark.long
def test_a_node_that_was_killed_and_lost_its_folder_answers_as_before(
    engines: Engines, tmp_path: Path
) -> None:
    with running_nodes(engines, tmp_path, **TABLES) as (one, other):
        with connected(one) as ris:
            assert ris.ask(order(accession="K1", number="k1"))[1] == "AA"
            assert ris.ask(order(accession="K2", number="k2"))[1] == "AA"
            assert ris.ask(order(accession="K2", number="k3", control="CA"))[1] == "AA"
        ((study, _),) = asked(one, "K1")
        modality = Modality(one)
        assert modality.steps().create("1.2.78", beginning(study=study)).Status == 0x0000
        one.kill()
        assert states(other, "K1") == ["STARTED"]
        shutil.rmtree(one.data)
        (one.data / "worklist").mkdir(parents=True)
        (one.data / "worklist" / "stray.json").write_text("{}")
        one.start()
        assert one.logged("1 files of a worklist are not read", "[worklist] folder")
        assert asked(one, "K1") == [(study, "Müßig^Zoë")]
        assert (states(one, "K1"), states(one, "K2")) == (["STARTED"], ["CANCELLED"])
        with connected(one) as ris:  # sent again, as by who saw the node go
            assert ris.ask(order(accession="K2", number="k2"))[1] == "AA"
        assert states(other, "K2") == ["CANCELLED"]


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "behind"])
def test_a_node_that_dies_at_a_message_has_taken_all_of_it_or_nothing(
    engines: Engines, tmp_path: Path, when: str
) -> None:
    """Where it was cut off the sender tells another node, and it is done once."""
    writes = "storage.sharing.table_journal.TableJournal._add"
    dies = {
        "before": "(os._exit(9) if name == 'orders' else add(self, name, lines))",
        "behind": "(add(self, name, lines), name == 'orders' and os._exit(9))[0]",
    }
    fault = Code(
        f"(lambda add, os: lambda self, name, lines: {dies[when]})("
        "__import__('storage.sharing.table_journal', fromlist=['x']).TableJournal._add, "
        "__import__('os'))"
    )
    shared = engines.tables(new_archive())
    with running_node(tmp_path / "well", {**shared, **TABLES}, IMPATIENT) as well:
        (tmp_path / "dying").mkdir()
        dying = RunningNode(tmp_path / "dying", {**shared, **TABLES})
        dying.constants = {writes: fault}
        dying.start()
        try:
            with connected(dying) as ris, pytest.raises((AssertionError, OSError)):
                ris.ask(order(accession="D1", number="d1"))
            assert asked(well, "D1") == []
            with connected(well) as ris:
                assert ris.ask(order(accession="D1", number="d1"))[1] == "AA"
            assert len(asked(well, "D1")) == 1
        finally:
            dying.kill()
