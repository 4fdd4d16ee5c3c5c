"""Two nodes of one archive: what one of them has answered is so on the other."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from support import (
    CT,
    EXPLICIT,
    FIND,
    TEST_FILES,
    Inbox,
    RunningNode,
    client,
    ct,
    data_set_bytes,
    destination,
    encoded,
    find,
    found,
    got,
    keys,
    minipacs,
    send,
)
from support.checks.dicomweb import Web, parts
from support.machine.cluster import Engines, running_nodes
from support.network.requestor import Requestor

DOE = TEST_FILES / "dicomdirtests" / "98892003"


@pytest.fixture(scope="module")
def requestor() -> Iterator[Requestor]:
    made = Requestor()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, int]]:
    with destination("PEER") as made:
        yield made


@pytest.fixture(scope="module")
def nodes(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory, requestor: Requestor,
    inbox: tuple[Inbox, int],
) -> Iterator[list[RunningNode]]:  # fmt: skip
    """Two, for all tests of the module: each has studies of its own."""
    peers = {
        "MODALITY": {"host": "127.0.0.1", "port": requestor.port},
        "PEER": {"host": "127.0.0.1", "port": inbox[1]},
    }
    folder = tmp_path_factory.mktemp("nodes")
    with running_nodes(engines, folder, web={"port": 0}, peers=peers) as running:
        yield running


def stored(node: RunningNode, study: str, count: int = 3, **values: object) -> dict[str, bytes]:
    """Instances of a study, acknowledged by a node: as they were sent, by UID."""
    made = {
        f"{study}.1.{number}": encoded(
            ct(study, f"{study}.1", f"{study}.1.{number}", PatientID=study, **values)
        )
        for number in range(count)
    }
    with node.association((CT, EXPLICIT)) as association:
        for uid, data in made.items():
            assert send(association, CT, uid, data).Status == 0x0000
    return made


def test_real_clients_find_and_move_at_one_what_another_has_taken(
    nodes: list[RunningNode], inbox: tuple[Inbox, int]
) -> None:
    one, other = nodes
    client("echoscu", other)
    client("storescu", one, ["+sd", "+r"], [DOE])
    sent = {str(dcmread(path).SOPInstanceUID): path for path in DOE.rglob("*") if path.is_file()}
    studies = {str(dcmread(path).StudyInstanceUID) for path in sent.values()}
    query = ["-S", *keys(QueryRetrieveLevel="STUDY", PatientName="doe^p*", StudyInstanceUID="")]
    listed = client("findscu", other, query)
    assert all(study in listed for study in studies)
    for study in studies:
        query = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study)
        client("movescu", other, ["-S", "-aem", "PEER", *query])
    assert inbox[0].data_sets() == {uid: data_set_bytes(path) for uid, path in sent.items()}


def test_what_one_has_taken_the_other_gives_byte_for_byte(nodes: list[RunningNode]) -> None:
    one, other = nodes
    made = stored(one, "1.2.1", PixelData=bytes(900_000))
    assert got(other, "1.2.1") == got(one, "1.2.1") == made


def test_the_same_instances_sent_to_both_at_once_are_held_once(nodes: list[RunningNode]) -> None:
    begin = threading.Barrier(len(nodes))
    sent: list[dict[str, bytes]] = []

    def store(node: RunningNode) -> None:
        begin.wait()
        sent.append(stored(node, "1.2.2", 20))

    threads = [threading.Thread(target=store, args=[node]) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == len(nodes)
    for node in nodes:
        assert found(node, "1.2.2", "1.2.2.1") == sorted(sent[0])
        assert got(node, "1.2.2") == sent[0]


def test_commitment_to_what_another_has_taken(
    nodes: list[RunningNode], requestor: Requestor
) -> None:
    one, other = nodes
    (uid,) = stored(one, "1.2.3", 1)
    assert requestor.ask(other, "1.9.3", [(CT, uid), (CT, "1.7")]).Status == 0x0000
    assert requestor.report() == (2, "1.9.3", {(CT, uid)}, {(CT, "1.7"): 0x0112})
    assert requestor.ask(one, "1.9.3", [(CT, uid)]).Status == 0x0000  # a second time: 0131
    assert requestor.report() == (2, "1.9.3", set(), {(CT, uid): 0x0131})


def test_dicomweb_finds_gives_and_takes_on_either(nodes: list[RunningNode]) -> None:
    one, other = map(Web, nodes)
    made = stored(one.node, "1.2.4", 2)
    (row,) = other.get("studies?StudyInstanceUID=1.2.4").json()
    assert row["00201208"]["Value"] == [2]
    answer = other.get("studies/1.2.4", 'multipart/related; type="application/dicom"')
    files = [data for _, data in parts(answer)]
    assert all(any(data in file for file in files) for data in made.values())
    assert len(other.get("studies/1.2.4/metadata").json()) == 2
    assert "1.2.4" in other.session.get(f"{other.origin}/page/study/1.2.4", timeout=60).text
    again = encoded(ct("1.2.4", "1.2.4.1", "1.2.4.1.9", PatientID="1.2.4"))
    head = dcmread(TEST_FILES / "CT_small.dcm")  # any file's preamble will do
    assert head.preamble
    assert other.store([part10_of(again)]).status_code == 200
    assert "1.2.4.1.9" in found(one.node, "1.2.4", "1.2.4.1")


def part10_of(data_set: bytes) -> bytes:
    from storage.dicom import part10

    return part10.header(CT, "1.2.4.1.9", EXPLICIT) + data_set


def test_commands_on_one_node_are_seen_on_the_other(
    nodes: list[RunningNode], tmp_path: Path
) -> None:
    one, other = nodes
    made = stored(one, "1.2.5")

    def run(command: str, node: RunningNode, *options: str) -> str:
        done = minipacs(command, node, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert [row["StudyInstanceUID"] for row in json.loads(
        run("find", other, "StudyInstanceUID=1.2.5", "--json"))] == ["1.2.5"]  # fmt: skip
    run("correct", other, "--study", "1.2.5", "PatientName=Poe^Jane", "-y")
    with one.association((FIND["STUDY"], EXPLICIT)) as association:
        rows, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2.5",
                       PatientName="")  # fmt: skip
    assert [str(row.PatientName) for row in rows] == ["Poe^Jane"]
    run("export", one, "--study", "1.2.5", str(tmp_path / "out"))
    files = list((tmp_path / "out").rglob("*.dcm"))
    assert {str(dcmread(path).PatientName) for path in files} == {"Poe^Jane"}
    run("undo", one, "1", "-y")
    assert got(other, "1.2.5") == made
    run("delete", other, "--study", "1.2.5", "-y")
    assert found(one, "1.2.5", "1.2.5.1") == []
    run("restore", one, "--study", "1.2.5", "-y")
    assert got(other, "1.2.5") == made
    run("import", other, str(TEST_FILES / "MR_small.dcm"))
    study = str(dcmread(TEST_FILES / "MR_small.dcm").StudyInstanceUID)
    assert len(got_any(one, study)) == 1
    assert json.loads(run("stats", other, "--json"))["instances"] > 0
    assert "faults=0" in run("check", one)


def got_any(node: RunningNode, study: str) -> list[str]:
    done = minipacs("find", node, f"StudyInstanceUID={study}", "--level", "image", "--json")
    return [row["SOPInstanceUID"] for row in json.loads(done.stdout)]
