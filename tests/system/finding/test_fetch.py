"""`minipacs fetch`: what another archive holds is brought here, whatever that one does."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    RunningNode,
    ct,
    encoded,
    free_port,
    minipacs,
    running_node,
    send,
)
from support.network.archive_peer import ArchivePeer, Yields
from support.program import Program

# Study, series, instance, and what they have of their own.
HELD: dict[tuple[str, str, str], dict[str, str]] = {
    ("1.1", "1.2", "1.3.1"): {"PatientID": "P1", "Modality": "CT", "AccessionNumber": "A1"},
    ("1.1", "1.2", "1.3.2"): {"PatientID": "P1", "Modality": "CT", "AccessionNumber": "A1"},
    ("1.1", "1.4", "1.3.3"): {"PatientID": "P1", "Modality": "SR", "AccessionNumber": "A1"},
    ("2.1", "2.2", "2.3.1"): {"PatientID": "P2", "Modality": "MR", "AccessionNumber": "A1"},
    ("3.1", "3.2", "3.3.1"): {"PatientID": "P2", "Modality": "CT", "AccessionNumber": "A3"},
}
ALL = {one[2] for one in HELD}
MADE = {
    uids: ct(*uids, PatientName="Müller^Jan", SpecificCharacterSet="ISO_IR 192", **own)
    for uids, own in HELD.items()
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Another node, which holds all."""
    folder = tmp_path_factory.mktemp("source")
    port = free_port()
    tables = {"node": {"ae_title": "SRC"}, "peers": {"MINE": {"host": "127.0.0.1", "port": port}}}
    with running_node(folder, tables) as node:
        with node.association((CT, EXPLICIT)) as association:
            for (_, _, instance), made in MADE.items():
                assert send(association, CT, instance, encoded(made)).Status == 0x0000
        node.mine = port  # type: ignore[attr-defined]
        yield node


def node_for(folder: Path, port: int, **limits: Any) -> RunningNode:
    folder.mkdir(exist_ok=True)
    peer = {"host": "127.0.0.1", "port": port, "dimse_timeout": 2, "acse_timeout": 5}
    dead = {"host": "127.0.0.1", "port": free_port()}
    return RunningNode(folder, {"peers": {"SRC": peer, "DEAD": dead}, "limits": limits})


@pytest.fixture
def node(tmp_path: Path, source: RunningNode) -> RunningNode:
    """One that does not run, and holds nothing."""
    return node_for(tmp_path, source.port)


def fetch(node: RunningNode, *given: str, code: int = 0, answer: str = "") -> str:
    done = minipacs("fetch", node, "SRC", *given, answer=answer)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    return done.stdout + done.stderr


def held(node: RunningNode) -> set[str]:
    return {path.stem for path in node.files()}


WANTED: dict[tuple[str, ...], set[str]] = {
    ("Modality=CT",): {"1.3.1", "1.3.2", "1.3.3", "3.3.1"},
    ("Modality=CT", "--level", "series"): {"1.3.1", "1.3.2", "3.3.1"},
    ("PatientID=P2", "AccessionNumber=A1"): {"2.3.1"},
    ("PatientName=müller*", "Modality=SR", "--level", "instance"): {"1.3.3"},
    ("--patient", "P2"): {"2.3.1", "3.3.1"},
    ("--study", "2.1", "--study", "3.1"): {"2.3.1", "3.3.1"},
    ("--series", "1.4"): {"1.3.3"},
    ("--instance", "1.3.2"): {"1.3.2"},
    ("--series", "1.4", "--instance", "1.3.2"): {"1.3.2", "1.3.3"},
    ("--instance", "1.3.2", "--study", "1.1"): {"1.3.1", "1.3.2", "1.3.3"},
    ("--all",): ALL,
    ("--all", "--associations", "3"): ALL,
}


@pytest.mark.parametrize("wanted", WANTED, ids=" ".join)
def test_what_is_wanted_comes_and_nothing_else(node: RunningNode, wanted: tuple[str, ...]) -> None:
    told = fetch(node, *wanted)
    count = len(WANTED[wanted])
    assert held(node) == WANTED[wanted]
    assert f"fetched={count}, held=0, missing=0" in told
    assert f"fetched=0, held={count}, missing=0, 0 B" in fetch(node, *wanted)


def test_what_comes_is_what_was_there_and_is_known_to_be_from_there(
    node: RunningNode, source: RunningNode
) -> None:
    fetch(node, "--study", "1.1")
    kept = {path.stem: path.read_bytes() for path in source.files()}
    assert all(path.read_bytes() == kept[path.stem] for path in node.files())
    found = json.loads(minipacs("find", node, "--json", "--show", "Sender").stdout)
    assert [(one["StudyInstanceUID"], one["Sender"]) for one in found] == [("1.1", "SRC")]
    assert minipacs("check", node).returncode == 0


def test_what_is_held_of_a_study_is_not_brought_again(node: RunningNode) -> None:
    fetch(node, "--instance", "1.3.1")
    assert "fetched=2, held=1, missing=0" in fetch(node, "--study", "1.1")


@pytest.mark.parametrize(("text", "expected"), [
    ("AccessionNumber,PatientID\nA1,P2\nA3,P2\n", {"2.3.1", "3.3.1"}),
    ("AccessionNumber\nA1\n", {"1.3.1", "1.3.2", "1.3.3", "2.3.1"}),
    ("2.1\n1.4\n3.3.1\n", {"2.3.1", "1.3.3", "3.3.1"}),
], ids=["accession numbers of patients", "accession numbers", "UIDs"])  # fmt: skip
def test_what_a_list_names_is_brought(node: RunningNode, text: str, expected: set[str]) -> None:
    fetch(node, "--from", "-", answer=text)
    assert held(node) == expected


def test_a_dry_run_brings_nothing_and_tells(node: RunningNode) -> None:
    fetch(node, "--instance", "1.3.1")
    told = fetch(node, "--study", "1.1", "--dry-run")
    assert "study 1.1: instances=3, held=1, missing=2" in told
    assert "would ask by C-GET for studies=1, instances=2" in told
    (found,) = json.loads(
        minipacs("fetch", node, "SRC", "--study", "1.1", "--dry-run", "--json").stdout
    )
    missing = [one["SOPInstanceUID"] for one in found["missing"]]
    assert (found["instances"], found["held"], sorted(missing)) == (3, 1, ["1.3.2", "1.3.3"])
    assert held(node) == {"1.3.1"}


def test_by_move_the_node_that_serves_takes_it(source: RunningNode, tmp_path: Path) -> None:
    mine = node_for(tmp_path, source.port)
    mine.configure({
        "node": {"ae_title": "MINE", "port": source.mine},  # type: ignore[attr-defined]
        "peers": {"SRC": {"host": "127.0.0.1", "port": source.port}},
    })  # fmt: skip
    told = fetch(mine, "--all", "--by", "move", code=1)
    assert "SRC is to send to MINE by C-MOVE, which does not run" in told
    mine.start()
    try:
        assert "fetched=5, held=0, missing=0" in fetch(mine, "--all", "--by", "move")
        assert held(mine) == ALL
    finally:
        assert mine.stop() == 0


def test_beside_a_node_that_serves(source: RunningNode, tmp_path: Path) -> None:
    peers = {"SRC": {"host": "127.0.0.1", "port": source.port}}
    with running_node(tmp_path / "beside", {"peers": peers}) as node:
        assert "fetched=5" in fetch(node, "--all")
        found = json.loads(minipacs("find", node, "--json").stdout)
        assert len(found) == 3


def test_what_is_refused_here_is_told(source: RunningNode, tmp_path: Path) -> None:
    full = node_for(tmp_path, source.port, free_bytes=1 << 60)
    told = fetch(full, "--study", "1.1", code=1)
    assert "study 1.1: missing=" in told
    assert "Disk full" in told
    assert "fetched=0, held=0, missing=3" in told
    assert held(full) == set()


WRONG: dict[tuple[str, ...], tuple[int, str]] = {
    (): (2, "takes Keyword=VALUE, --patient, --study, --series, --instance or --from"),
    ("Modalty=CT",): (2, "the nearest is Modality"),
    ("StudyDate=2024",): (2, "StudyDate=2024: takes YYYYMMDD"),
    ("--study", "9.9"): (1, "study 9.9: SRC has nothing"),
    ("--from", "/none"): (2, "--from /none: No such file"),
    ("--all", "--between", "25:00-06:00"): (2, "--between: takes hours such as 20:00-06:00"),
    ("--all", "--between", "06:00-06:00"): (2, "--between: takes two times that differ"),
}


@pytest.mark.parametrize("given", WRONG, ids=" ".join)
def test_what_cannot_be_asked_is_told(node: RunningNode, given: tuple[str, ...]) -> None:
    code, words = WRONG[given]
    assert words in fetch(node, *given, code=code)
    assert held(node) == set()


def test_a_peer_that_is_none_is_told(node: RunningNode) -> None:
    done = minipacs("fetch", node, "NOBODY", "--all")
    assert (done.returncode, "[peers] has no NOBODY" in done.stderr) == (2, True)
    done = minipacs("fetch", node, "DEAD", "--all")
    assert (done.returncode, "DEAD cannot be reached: Connection refused" in done.stderr) == (
        1, True,
    )  # fmt: skip


# ---- peers that do otherwise


def instance(*uids: str) -> Dataset:
    made = ct(*uids, PatientID="P1")
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    return made


def series(count: int) -> list[Dataset]:
    return [instance("1.1", "1.2", f"1.3.{number}") for number in range(count)]


def against(tmp_path: Path, peer: ArchivePeer) -> RunningNode:
    return node_for(tmp_path / "node", peer.port)


def breaking_off(peer: ArchivePeer, event: Any) -> Yields:
    """Two instances, then an A-ABORT."""
    found = peer.matching(event.identifier)
    yield len(found)
    for one in found[:2]:
        yield 0xFF00, one
    event.assoc.abort()


def test_what_an_association_that_is_lost_has_brought_stays_and_the_rest_is_asked_again(
    tmp_path: Path,
) -> None:
    with ArchivePeer(series(5), get=breaking_off).serving() as peer:
        node = against(tmp_path, peer)
        told = fetch(node, "--study", "1.1")
        assert "fetched=5, held=0, missing=0" in told
        assert peer.gets == 3


def ending(status: int) -> Any:
    def get(peer: ArchivePeer, event: Any) -> Yields:
        yield len(peer.matching(event.identifier))
        yield status, None

    return get


def of_another_study(peer: ArchivePeer, event: Any) -> Yields:
    yield 1
    yield 0xFF00, instance("7.1", "7.2", "7.3")


FAULTS: dict[str, tuple[ArchivePeer, str]] = {
    "fails": (
        ArchivePeer(series(2), get=ending(0xA702)),
        "study 1.1: missing=2: the peer ends the retrieve by status A702",
    ),
    "sends another": (
        ArchivePeer(series(2), get=of_another_study),
        "study 1.1: missing=2: the peer did not send",
    ),
    "grants neither": (ArchivePeer(series(2), services="find"), "grants no C-GET and no C-MOVE"),
    "takes no queries": (ArchivePeer(series(2), services="get"), "takes no queries"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_a_peer_does_not_bring_is_told(what: str, tmp_path: Path) -> None:
    given, words = FAULTS[what]
    with given.serving() as peer:
        node = against(tmp_path, peer)
        assert words in fetch(node, "--study", "1.1", code=1)
        assert not held(node) & {"1.3.0", "1.3.1"}


def refusing(level: str, status: int) -> Any:
    def find(peer: ArchivePeer, event: Any) -> Yields:
        if event.identifier.QueryRetrieveLevel == level:
            yield status, None
            return
        for answer in peer.answers(event.identifier):
            yield 0xFF00, answer

    return find


def test_a_peer_that_answers_no_images_is_asked_for_the_whole(tmp_path: Path) -> None:
    with ArchivePeer(series(3), find=refusing("IMAGE", 0xC001)).serving() as peer:
        node = against(tmp_path, peer)
        fetch(node, "--study", "1.1")
        assert held(node) == {"1.3.0", "1.3.1", "1.3.2"}


@pytest.mark.parametrize("level", ["STUDY", "SERIES"])
def test_a_query_that_fails_is_told(level: str, tmp_path: Path) -> None:
    with ArchivePeer(series(3), find=refusing(level, 0xA700)).serving() as peer:
        told = fetch(against(tmp_path, peer), "--study", "1.1", code=1)
        assert "answers the query by status A700" in told


def test_ctrl_c_ends_it_and_what_has_come_stays(tmp_path: Path) -> None:
    came = threading.Event()

    def stalling(peer: ArchivePeer, event: Any) -> Yields:
        """Two instances, and then nothing until it is over."""
        found = peer.matching(event.identifier)
        yield len(found)
        for one in found[:2]:
            yield 0xFF00, one
        came.set()
        while event.assoc.is_established:
            time.sleep(0.05)
        yield 0xFF00, found[2]

    with ArchivePeer(series(5), get=stalling).serving() as peer:
        folder = tmp_path / "node"
        node = node_for(folder, peer.port, dimse_timeout=60)
        node.configure({
            "peers": {"SRC": {"host": "127.0.0.1", "port": peer.port, "dimse_timeout": 60}},
        })  # fmt: skip
        command = Program(
            "fetch", "-c", str(node.config), "SRC", "--study", "1.1", new_session=True
        )
        assert came.wait(CLIENT_SECONDS)
        command.send_signal(signal.SIGINT)
        assert command.wait(CLIENT_SECONDS) == 130
        assert held(node) == {"1.3.0", "1.3.1"}
        peer.get = None
        assert "fetched=3, held=2, missing=0" in fetch(node, "--study", "1.1")


def test_a_peer_that_stays_silent_is_left(tmp_path: Path) -> None:
    def silent(peer: ArchivePeer, event: Any) -> Yields:
        while event.assoc.is_established:
            time.sleep(0.05)
        yield 0

    with ArchivePeer(series(2), get=silent).serving() as peer:
        told = fetch(against(tmp_path, peer), "--study", "1.1", code=1)
        assert "study 1.1: missing=2: has not answered within 2 seconds" in told


def test_a_fetch_that_is_killed_leaves_what_came_and_goes_on(
    source: RunningNode, tmp_path: Path
) -> None:
    processes: Queue[int] = Queue()
    with ArchivePeer(series(4), get=killing_after(2, processes)).serving() as peer:
        node = node_for(tmp_path / "node", peer.port)
        command = Program("fetch", "-c", str(node.config), "SRC", "--study", "1.1")
        processes.put(command.pid)
        assert command.wait(CLIENT_SECONDS) == -signal.SIGKILL
        assert held(node) <= {"1.3.0", "1.3.1"}
        peer.get = None
        fetch(node, "--study", "1.1")
        assert held(node) == {f"1.3.{number}" for number in range(4)}
        assert minipacs("check", node).returncode == 0


def killing_after(count: int, processes: "Queue[int]") -> Any:
    def get(peer: ArchivePeer, event: Any) -> Yields:
        found = peer.matching(event.identifier)
        yield len(found)
        for one in found[:count]:
            yield 0xFF00, one
        os.kill(processes.get(), signal.SIGKILL)
        yield 0xFF00, found[count]

    return get
