"""Many senders and several worker processes at once: nothing mixed up, nothing lost."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    START_SECONDS,
    Inbox,
    RunningNode,
    StartNode,
    ct,
    data_set_bytes,
    encoded,
    find,
    getting,
    identifier,
    retrieved,
    running_node,
    send,
)

CLIENTS, EACH = 8, 25
CONTEXTS = ((CT, EXPLICIT), (FIND["STUDY"], EXPLICIT), (FIND["PATIENT"], EXPLICIT))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("workers"), {"node": {"workers": 2}}) as running:
        yield running


def at_once(work: Callable[[int], Any], count: int = CLIENTS) -> list[Any]:
    """What `work` returns for each number, run at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def instances(arc: str, client: int) -> list[Dataset]:
    """A study of one client's: its values tell it from all others, its patient is shared."""
    chance = random.Random(f"{arc}.{client}")
    return [
        ct(
            f"{arc}.{client}",
            f"{arc}.{client}.{number % 2}",
            f"{arc}.{client}.{number % 2}.{number}",
            PatientID=f"{arc}-{client % 2}",
            PatientName=f"Client^{client % 2}",
            AccessionNumber=f"{client}",
            SeriesNumber=str(number % 2),
            InstanceNumber=str(number),
            ContentDate=f"2024{number % 12 + 1:02}{client + 1:02}",
            ImageComments=f"{client} {number}",
            Rows=number + 1,
            Columns=client + 1,
            PixelData=chance.randbytes(chance.randrange(2, 40_000, 2)),
        )
        for number in range(EACH)
    ]


@pytest.fixture(scope="module")
def loaded(node: RunningNode) -> list[list[Dataset]]:
    """What 8 clients stored at once, each on an association of its own."""
    every = [instances("1.2.1", client) for client in range(CLIENTS)]

    def store(client: int) -> None:
        for data_set in every[client]:
            response = send(opened[client], CT, data_set.SOPInstanceUID, encoded(data_set))
            assert response.Status == 0x0000

    with ExitStack() as stack:
        # One after the other: of several that call at once a worker may take all.
        opened = [
            stack.enter_context(node.association((CT, EXPLICIT), ae_title=f"CLIENT{client}"))
            for client in range(CLIENTS)
        ]
        at_once(store)
    return every


def test_both_workers_took_part(node: RunningNode, loaded: list[list[Dataset]]) -> None:
    """Otherwise the rest of this file shows nothing."""
    assert len(node.workers) == 2
    # Each who stores has a segment of the log, whose name begins with its number.
    stored = {int(path.name.split("-")[0]) for path in (node.data / "log").glob("*.log")}
    assert stored == set(node.workers)


def test_every_file_is_what_its_client_sent(node: RunningNode, loaded: list[list[Dataset]]) -> None:
    expected = {node.path(d): encoded(d) for client in loaded for d in client}
    assert len(expected) == CLIENTS * EACH
    assert {path: data_set_bytes(path) for path in node.files()} == expected
    for path in node.files():
        assert dcmread(path).file_meta.MediaStorageSOPInstanceUID == path.stem


IMAGE_KEYS = ("InstanceNumber", "ContentDate", "Rows", "Columns", "SOPClassUID", "ImageComments")
STUDY_KEYS = ("PatientID", "PatientName", "AccessionNumber", "StudyDate")


def test_every_row_of_the_index_is_its_files(
    node: RunningNode, loaded: list[list[Dataset]]
) -> None:
    """dcmqrscp with 8 senders left a third of its rows pointing at another instance's file."""
    checked = 0
    with node.association(*CONTEXTS) as association:
        for client in loaded:
            study = client[0].StudyInstanceUID
            asked = dict.fromkeys(STUDY_KEYS, "")
            (answer,), _ = find(
                association, FIND["STUDY"], "STUDY", StudyInstanceUID=study, **asked
            )
            for series in sorted({d.SeriesInstanceUID for d in client}):
                unique = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
                asked = dict.fromkeys(("SOPInstanceUID", *IMAGE_KEYS), "")
                rows, _ = find(association, FIND["STUDY"], "IMAGE", **unique, **asked)
                for row in rows:
                    path = node.data / "tree" / study / series / f"{row.SOPInstanceUID}.dcm"
                    held = dcmread(path)
                    assert held.SOPInstanceUID == row.SOPInstanceUID
                    assert {k: row[k].value for k in IMAGE_KEYS} == {
                        k: held[k].value for k in IMAGE_KEYS
                    }
                    assert {k: answer[k].value for k in STUDY_KEYS} == {
                        k: held[k].value for k in STUDY_KEYS
                    }
                    checked += 1
    assert checked == CLIENTS * EACH


def test_every_count_is_exact(node: RunningNode, loaded: list[list[Dataset]]) -> None:
    with node.association(*CONTEXTS) as association:
        asked = {"NumberOfStudyRelatedSeries": "", "NumberOfStudyRelatedInstances": ""}
        uids = [client[0].StudyInstanceUID for client in loaded]
        studies, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID=uids, **asked)
        assert sorted(
            (s.StudyInstanceUID, s.NumberOfStudyRelatedSeries, s.NumberOfStudyRelatedInstances)
            for s in studies
        ) == [(f"1.2.1.{client}", 2, EACH) for client in range(CLIENTS)]
        patients, _ = find(
            association,
            FIND["PATIENT"],
            "PATIENT",
            PatientID="1.2.1-*",
            NumberOfPatientRelatedStudies="",
            NumberOfPatientRelatedSeries="",
            NumberOfPatientRelatedInstances="",
        )
        half = CLIENTS // 2
        assert sorted(
            (
                p.PatientID,
                p.NumberOfPatientRelatedStudies,
                p.NumberOfPatientRelatedSeries,
                p.NumberOfPatientRelatedInstances,
            )
            for p in patients
        ) == [(f"1.2.1-{n}", half, half * 2, half * EACH) for n in range(2)]


def test_all_clients_retrieve_at_once(node: RunningNode, loaded: list[list[Dataset]]) -> None:
    """Each gets the study of another."""

    def get(client: int) -> dict[str, bytes]:
        inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
        with node.association(*contexts, **getting(inbox, contexts)) as association:
            study = loaded[(client + 1) % CLIENTS][0].StudyInstanceUID
            query = identifier("STUDY", StudyInstanceUID=study)
            answer = retrieved(association.send_c_get(query, GET["STUDY"]))
            assert (answer.status, answer.counts) == (0x0000, (EACH, 0, 0))
        return inbox.data_sets()

    for client, got in enumerate(at_once(get)):
        wanted = loaded[(client + 1) % CLIENTS]
        assert got == {d.SOPInstanceUID: encoded(d) for d in wanted}


def test_all_clients_write_into_one_series(node: RunningNode) -> None:
    """Patient, study and series are new to all of them."""

    def store(client: int) -> None:
        with node.association((CT, EXPLICIT)) as association:
            for number in range(10):
                uid = f"1.2.2.1.1.{client}.{number}"
                data_set = ct("1.2.2.1", "1.2.2.1.1", uid, PatientID="SHARED")
                assert send(association, CT, uid, encoded(data_set)).Status == 0x0000

    at_once(store)
    with node.association(*CONTEXTS) as association:
        patients, _ = find(
            association,
            FIND["PATIENT"],
            "PATIENT",
            PatientID="SHARED",
            NumberOfPatientRelatedStudies="",
            NumberOfPatientRelatedSeries="",
            NumberOfPatientRelatedInstances="",
        )
        (p,) = patients
        assert p.NumberOfPatientRelatedStudies == p.NumberOfPatientRelatedSeries == 1
        assert p.NumberOfPatientRelatedInstances == CLIENTS * 10
        rows, _ = find(
            association,
            FIND["STUDY"],
            "IMAGE",
            StudyInstanceUID="1.2.2.1",
            SeriesInstanceUID="1.2.2.1.1",
            SOPInstanceUID="",
        )
    files = {path.stem for path in node.files() if path.parent.name == "1.2.2.1.1"}
    assert sorted(row.SOPInstanceUID for row in rows) == sorted(files)
    assert len(files) == CLIENTS * 10


def test_all_clients_send_the_same_instance(node: RunningNode) -> None:
    """One of them stores it, to the others it is there already."""
    data, mark = encoded(ct("1.2.3.1", "1.2.3.2", "1.2.3.3", PixelData=bytes(100_000))), node.mark()

    def store(client: int) -> int:
        with node.association((CT, EXPLICIT), ae_title=f"SAME{client}") as association:
            return int(send(association, CT, "1.2.3.3", data).Status)

    assert at_once(store) == [0x0000] * CLIENTS
    for client in range(CLIENTS):
        node.wait_for_log(f"association closed peer=SAME{client}", after=mark)
    assert len(node.logged(" stored peer=SAME", "instance=1.2.3.3", after=mark)) == 1
    assert len(node.logged(" already there peer=SAME", "instance=1.2.3.3", after=mark)) == 7
    assert data_set_bytes(node.data / "tree/1.2.3.1/1.2.3.2/1.2.3.3.dcm") == data
    assert not (node.data / "superseded" / "1.2.3.1").exists()


def test_all_clients_send_other_content_for_one_instance(node: RunningNode) -> None:
    """The last one wins in tree and index alike, and all the others are kept."""
    sent = [
        encoded(ct("1.2.4.1", "1.2.4.2", "1.2.4.3", PatientID="RACE", ContentLabel=f"BY{client}"))
        for client in range(CLIENTS)
    ]

    def store(client: int) -> int:
        with node.association((CT, EXPLICIT)) as association:
            return int(send(association, CT, "1.2.4.3", sent[client]).Status)

    assert at_once(store) == [0x0000] * CLIENTS
    path = node.data / "tree/1.2.4.1/1.2.4.2/1.2.4.3.dcm"
    kept = [data_set_bytes(p) for p in (node.data / "superseded" / "1.2.4.1").rglob("*.dcm")]
    assert sorted([data_set_bytes(path), *kept]) == sorted(sent)
    with node.association(*CONTEXTS) as association:
        (row,), _ = find(
            association,
            FIND["STUDY"],
            "IMAGE",
            StudyInstanceUID="1.2.4.1",
            SeriesInstanceUID="1.2.4.2",
            SOPInstanceUID="",
            ContentLabel="",
        )
    assert row.ContentLabel == dcmread(path).ContentLabel


# ---- workers that die


def test_a_worker_that_dies_is_replaced(start_node: StartNode) -> None:
    node = start_node(node={"workers": 2})
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "1.4", encoded(ct("1.2", "1.3", "1.4"))).Status == 0x0000
    first, second = node.workers
    os.kill(first, signal.SIGKILL)
    # The other one answers meanwhile.
    assert node.echoes()
    node.wait_for_log("ERROR", "died, starting another")
    # When that is gone too, only a new one can answer.
    os.kill(second, signal.SIGKILL)
    node.wait_for_log("ERROR", "died, starting another", count=2)
    assert node.echoes()
    with node.association(*CONTEXTS) as association:
        answers, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2")
        assert len(answers) == 1
        assert send(association, CT, "1.5", encoded(ct("1.2", "1.3", "1.5"))).Status == 0x0000
    assert not {first, second} & set(node.workers)


def test_the_slots_of_a_worker_that_died_are_free_again(start_node: StartNode) -> None:
    node = start_node(node={"workers": 1}, limits={"associations": 2})
    held = [node.associate((ECHO, IMPLICIT)) for _ in range(2)]
    assert all(association.is_established for association in held)
    assert node.associate((ECHO, IMPLICIT)).is_rejected
    (worker,) = node.workers
    os.kill(worker, signal.SIGKILL)
    node.wait_for_log("died, starting another")
    again = [node.associate((ECHO, IMPLICIT)) for _ in range(2)]
    assert all(association.is_established for association in again)
    for association in (*held, *again):
        association.abort()


def test_workers_end_with_their_supervisor(start_node: StartNode) -> None:
    """kill -9 of the parent alone: nobody is left to hold the port or the folder."""
    node = start_node(node={"workers": 2})
    before = node.workers
    os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait()
    # The log ends when the last process that could write to it has ended.
    node.wait_for_log("<end of log>")
    # Its descriptors go a moment before it does.
    deadline = time.monotonic() + START_SECONDS
    while any(is_running(process) for process in before):
        assert time.monotonic() < deadline
    assert node.start().echoes()


def is_running(process: int) -> bool:
    """Whether there is such a process, and not only its entry."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
