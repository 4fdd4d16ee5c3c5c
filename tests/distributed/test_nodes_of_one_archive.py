"""Two nodes of one archive: what one of them has answered is so on the other."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydicom import dcmread
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    FIND,
    MOVE,
    TEST_FILES,
    Code,
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
    identifier,
    keys,
    minipacs,
    retrieved,
    send,
)
from support.checks.dicomweb import Web, parts
from support.machine.cluster import Engines, running_nodes
from support.machine.pgbouncer import running_pgbouncer
from support.network.requestor import Requestor
from support.program import run

from storage.dicom import part10

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
    with running_nodes(
        engines, folder, web={"port": 0}, metrics={"port": 0}, peers=peers
    ) as running:
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
    for view in ("studies/1.2.4", "studies/1.2.4/way", "arrivals", "node"):
        assert other.session.get(f"{other.origin}/page/{view}", timeout=60).status_code == 200
    more = encoded(ct("1.2.4", "1.2.4.1", "1.2.4.1.9", PatientID="1.2.4"))
    assert other.store([part10.header(CT, "1.2.4.1.9", EXPLICIT) + more]).status_code == 200
    assert "1.2.4.1.9" in found(one.node, "1.2.4", "1.2.4.1")


def said(command: str, node: RunningNode, *options: str) -> str:
    """What a command that goes well prints."""
    done = minipacs(command, node, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands_on_one_node_are_seen_on_the_other(
    nodes: list[RunningNode], tmp_path: Path
) -> None:
    one, other = nodes
    made = stored(one, "1.2.5")

    assert [row["StudyInstanceUID"] for row in json.loads(
        said("find", other, "StudyInstanceUID=1.2.5", "--json"))] == ["1.2.5"]  # fmt: skip
    said("correct", other, "--study", "1.2.5", "PatientName=Poe^Jane", "-y")
    with one.association((FIND["STUDY"], EXPLICIT)) as association:
        rows, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2.5",
                       PatientName="")  # fmt: skip
    assert [str(row.PatientName) for row in rows] == ["Poe^Jane"]
    said("export", one, "--study", "1.2.5", str(tmp_path / "out"))
    files = list((tmp_path / "out").rglob("*.dcm"))
    assert {str(dcmread(path).PatientName) for path in files} == {"Poe^Jane"}
    said("undo", one, "1", "-y")
    assert got(other, "1.2.5") == made
    said("delete", other, "--study", "1.2.5", "-y")
    assert found(one, "1.2.5", "1.2.5.1") == []
    said("restore", one, "--study", "1.2.5")
    assert got(other, "1.2.5") == made
    said("import", other, str(TEST_FILES / "MR_small.dcm"))
    imported = dcmread(TEST_FILES / "MR_small.dcm")
    assert found(one, str(imported.StudyInstanceUID), str(imported.SeriesInstanceUID)) == [
        str(imported.SOPInstanceUID)
    ]
    assert "MR" in said("stats", other)
    assert "faults=0" in said("check", one)
    assert "index rebuilt" in said("rebuild", other)
    assert got(one, "1.2.5") == made


def test_a_backup_of_a_shared_archive_is_the_engines(
    nodes: list[RunningNode], tmp_path: Path
) -> None:
    done = run("backup", str(tmp_path / "copy"), "-c", nodes[0].config)
    assert done.returncode == 2
    assert "PostgreSQL" in done.stderr


LOOK = threading.Event()  # never set: nobody tells that it has changed
_METRICS = re.compile(r"metrics at (http://\S+)/metrics")


def ready(node: RunningNode) -> tuple[int, str]:
    """What a node says of itself at /readyz."""
    match = _METRICS.search("\n".join(node.log))
    assert match
    asked = requests.get(f"{match[1]}/readyz", timeout=60)
    return asked.status_code, asked.text


def wait_until_ready(node: RunningNode, words: str) -> None:
    """Wait until it says so: the engines are looked at every few seconds."""
    deadline = time.monotonic() + CLIENT_SECONDS
    while words not in (said := ready(node)[1]):
        assert time.monotonic() < deadline, said
        LOOK.wait(0.2)


def tried(node: RunningNode, study: str, number: int) -> int:
    """The status of an instance that is sent."""
    uid = f"{study}.1.{number}"
    with node.association((CT, EXPLICIT)) as association:
        return int(send(association, CT, uid, encoded(ct(study, f"{study}.1", uid))).Status)


@pytest.mark.long
def test_without_the_store_queries_go_on_and_nothing_is_acknowledged(
    nodes: list[RunningNode], engines: Engines
) -> None:
    one, other = nodes
    made = stored(one, "1.2.7", 1)
    engines.store.kill()
    try:
        assert tried(other, "1.2.7", 9) == 0xA700
        assert found(other, "1.2.7", "1.2.7.1") == list(made)
        wait_until_ready(other, "the store does not answer, nothing is stored, queries go on")
        with other.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID="1.2.7")
            answer = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
        assert (answer.status, answer.counts) == (0xA702, (0, 1, 0))
    finally:
        engines.store.start()
    wait_until_ready(other, "ok")
    assert got(other, "1.2.7") == made
    assert tried(other, "1.2.7", 9) == 0x0000
    assert found(one, "1.2.7", "1.2.7.1") == [*made, "1.2.7.1.9"]


def test_without_the_database_nothing_is_acknowledged_and_all_resumes(
    nodes: list[RunningNode], engines: Engines
) -> None:
    one, other = nodes
    made = stored(one, "1.2.8", 2)
    engines.postgres.stop(signal.SIGKILL)
    try:
        assert tried(other, "1.2.8", 9) == 0xA700
        with other.association((FIND["STUDY"], EXPLICIT)) as association:
            rows, final = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2.8")
        assert (rows, final.Status) == ([], 0xA700)
        wait_until_ready(other, "the database does not answer, nothing is stored or found")
    finally:
        engines.postgres.start()
    wait_until_ready(other, "ok")
    for node in nodes:
        assert got(node, "1.2.8") == made
    assert tried(other, "1.2.8", 9) == 0x0000
    assert len(found(one, "1.2.8", "1.2.8.1")) == 3


# Of the process that is about to commit an instance whose object is there, and all of its node.
_KILLS = "lambda self: __import__('os').killpg(0, 9)"


def test_what_a_killed_node_did_not_commit_another_takes_and_it_finds_after_its_start(
    nodes: list[RunningNode],
) -> None:
    one, other = nodes
    made = stored(one, "1.2.9", 1)
    constants = one.constants
    one.stop()
    one.constants = {"storage.archive.receiving.shared_stores._Commit.write": Code(_KILLS)}
    one.start()
    try:
        association = one.associate((CT, EXPLICIT))
        uid, data = "1.2.9.1.9", encoded(ct("1.2.9", "1.2.9.1", "1.2.9.1.9"))
        with pytest.raises((AssertionError, RuntimeError)):
            send(association, CT, uid, data)
        association.abort()
        one.process.wait(CLIENT_SECONDS)
        assert got(other, "1.2.9") == made
        with other.association((CT, EXPLICIT)) as association:
            assert send(association, CT, uid, data).Status == 0x0000
    finally:
        one.kill()
        one.constants = constants
        one.start()
    assert got(one, "1.2.9") == {**made, uid: data}


@pytest.mark.long
def test_a_pooler_in_front_of_the_database_gives_sessions_or_is_refused(
    engines: Engines, tmp_path: Path
) -> None:
    url = engines.postgres.url
    with (
        running_pgbouncer(url, pool_mode="session", default_pool_size="100") as pooler,
        running_nodes(engines, tmp_path, url=pooler.url, metrics={"port": 0}) as (one, other),
    ):
        made = {**stored(one, "1.2.10", 9), **stored(other, "1.2.11", 9)}
        one.kill()
        pooler.stop()
        pooler.start()
        one.start()
        wait_until_ready(other, "ok")
        for node in (one, other):
            assert {**got(node, "1.2.10"), **got(node, "1.2.11")} == made
        assert tried(other, "1.2.10", 9) == 0x0000
        assert len(found(one, "1.2.10", "1.2.10.1")) == 10
        one.stop()
        with running_pgbouncer(url, pool_mode="transaction") as by_transactions:
            text = one.config.read_text()
            one.config.write_text(text.replace(pooler.url, by_transactions.url))
            done = run("serve", "-c", one.config)
        one.config.write_text(text)
        assert done.returncode == 2
        assert "set pool_mode = session for this database and user" in done.stderr
