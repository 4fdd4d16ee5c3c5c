"""`minipacs query`: another archive asked as `find` asks this one, whatever it answers."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from support import CT, EXPLICIT, RunningNode, ct, encoded, free_port, minipacs, running_node, send
from support.network.archive_peer import ArchivePeer, Yields

from scp.config import loader
from scp.network.scu import Inquirer, PeerError, requests
from scp.network.tls import contexts
from storage import Level

HELD: dict[tuple[str, str, str], dict[str, str]] = {
    ("1.1", "1.2", "1.3.1"): {"PatientID": "P1", "PatientName": "山田^太郎", "Modality": "CT"},
    ("1.1", "1.2", "1.3.2"): {"PatientID": "P1", "PatientName": "山田^太郎", "Modality": "CT"},
    ("1.1", "1.4", "1.3.3"): {"PatientID": "P1", "PatientName": "山田^太郎", "Modality": "SR"},
    ("2.1", "2.2", "2.3.1"): {"PatientID": "P2", "PatientName": "Doe^Jane", "Modality": "MR",
                              "StationName": "MR1"},
    ("3.1", "3.2", "3.3.1"): {"PatientID": "P2", "PatientName": "Doe^Jane", "Modality": "CT"},
}  # fmt: skip
DATES = {"1.1": "20240115", "2.1": "20241231", "3.1": "20250301"}
MADE = {
    uids: ct(*uids, StudyDate=DATES[uids[0]], SpecificCharacterSet="ISO_IR 192", **own)
    for uids, own in HELD.items()
}

_REQUEST = Dataset()
_REQUEST.RequestedProcedureID = "R1"
MADE["2.1", "2.2", "2.3.1"].RequestAttributesSequence = [_REQUEST]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One that knows a peer which holds all; it does not run."""
    folder = tmp_path_factory.mktemp("source")
    with running_node(folder, {"node": {"ae_title": "SRC"}}) as source:
        with source.association((CT, EXPLICIT)) as association:
            for (_, _, instance), made in MADE.items():
                assert send(association, CT, instance, encoded(made)).Status == 0x0000
        peers = {"SRC": {"host": "127.0.0.1", "port": source.port},
                 "DEAD": {"host": "127.0.0.1", "port": free_port()}, "MUTE": {}}  # fmt: skip
        yield RunningNode(tmp_path_factory.mktemp("query"), {"peers": peers})


def query(node: RunningNode, *given: str, code: int = 0, peer: str = "SRC") -> str:
    done = minipacs("query", node, peer, *given)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


FOUND: dict[tuple[str, ...], list[str]] = {
    (): ["1.1", "2.1", "3.1"],
    ("Modality=CT",): ["1.1", "3.1"],
    ("Modality=CT", "--level", "series"): ["1.2", "3.2"],
    ("Modality=CT", "--level", "instance"): ["1.3.1", "1.3.2", "3.3.1"],
    ("--level", "patient"): ["P1", "P2"],
    ("PatientName=doe*",): ["2.1", "3.1"],
    ("PatientName=山田*",): ["1.1"],
    ("StudyDate=20241231-",): ["2.1", "3.1"],
    ("PatientID=P2", "StationName=MR1"): ["2.1"],
    ("SOPInstanceUID=1.3.3", "--level", "instance"): ["1.3.3"],
    ("SOPInstanceUID=1.3.3",): ["1.1"],
    ("SeriesInstanceUID=1.4", "--level", "series"): ["1.4"],
    ("StudyInstanceUID=1.1\\2.1", "--level", "series"): ["1.2", "1.4", "2.2"],
    ("--limit", "1"): ["1.1"],
}


@pytest.mark.parametrize("asked", FOUND, ids=" ".join)
def test_what_the_peer_holds_is_found(node: RunningNode, asked: tuple[str, ...]) -> None:
    assert sorted(query(node, *asked, "--uids").split()) == FOUND[asked]


def test_json_and_csv_have_uids_and_what_is_shown(node: RunningNode) -> None:
    asked = ("Modality=MR", "--level", "series", "--show", "StationName,StudyInstanceUID")
    (found,) = json.loads(query(node, *asked, "--json"))
    assert (found["SeriesInstanceUID"], found["StationName"]) == ("2.2", "MR1")
    assert found["PatientName"] == "Doe^Jane"
    (row,) = csv.DictReader(io.StringIO(query(node, *asked, "--csv")))
    assert row == found
    inside = "RequestAttributesSequence.RequestedProcedureID"
    (shown,) = json.loads(query(node, "Modality=MR", "-l", "series", "-s", inside, "--json"))
    assert shown[inside] == "R1"  # as `find` shows it
    (study,) = json.loads(query(node, "PatientID=P1", "--json"))
    assert (study["PatientName"], study["NumberOfStudyRelatedInstances"]) == ("山田^太郎", "3")


@pytest.mark.parametrize(("peer", "given", "code", "words"), [
    ("NOBODY", (), 2, "[peers] has no NOBODY; with an address: SRC, DEAD"),
    ("MUTE", (), 2, "[peers] MUTE: no host and port"),
    ("DEAD", (), 1, "DEAD cannot be reached: Connection refused"),
    ("SRC", ("Modalty=CT",), 2, "the nearest is Modality"),
    ("SRC", ("StudyDate=2024",), 2, "StudyDate=2024: takes YYYYMMDD"),
    ("SRC", ("PatientID=P1", "PatientID=P2"), 2, "PatientID: a peer is asked for one value"),
    ("SRC", ("--show", "StationName"), 2, "StationName is of a lower level"),
    ("SRC", ("--json", "--csv"), 2, "takes one of --json, --csv and --uids"),
    ("SRC", ("PatientID=P9",), 1, "studies=0"),
])  # fmt: skip
def test_what_cannot_be_asked_is_told(
    node: RunningNode, peer: str, given: tuple[str, ...], code: int, words: str
) -> None:
    assert words in query(node, *given, code=code, peer=peer)


# ---- peers that do otherwise


@pytest.fixture
def peer() -> Iterator[ArchivePeer]:
    with ArchivePeer(list(MADE.values())).serving() as peer:
        yield peer


def against(tmp_path: Path, peer: ArchivePeer) -> RunningNode:
    at = {"host": "127.0.0.1", "port": peer.port, "dimse_timeout": 1}
    return RunningNode(tmp_path, {"peers": {"SRC": at}})


def test_what_a_peer_ignores_is_left_out_here(peer: ArchivePeer, tmp_path: Path) -> None:
    """It answers every entity, whatever is asked beside unique keys."""
    node = against(tmp_path, peer)
    assert query(node, "Modality=MR", "--level", "series", "--uids").split() == ["2.2"]
    assert query(node, "StudyDate=20250301", "--uids").split() == ["3.1"]


def test_a_key_that_is_not_answered_is_told(peer: ArchivePeer, tmp_path: Path) -> None:
    done = minipacs("query", against(tmp_path, peer), "SRC", "StudyDescription=x", "--uids")
    assert "SRC does not answer StudyDescription: it may not have matched" in done.stderr
    assert len(done.stdout.split()) == 3


def failing(status: int) -> Any:
    def find(peer: ArchivePeer, event: Any) -> Yields:
        yield status, None

    return find


def without_end(peer: ArchivePeer, event: Any) -> Yields:
    while event.assoc.is_established:
        yield 0xFF00, peer.answers(event.identifier)[0]


def test_a_peer_that_never_ends_is_left(
    peer: ArchivePeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    peer.find = without_end
    node = against(tmp_path, peer)
    settings = loader.load(node.config)
    monkeypatch.setattr(requests, "_MOST_ANSWERS", 50)
    inquiring = Inquirer(settings, contexts(settings), "SRC", settings.peers["SRC"])
    words = "answers more than 50 times"
    with inquiring as inquirer, pytest.raises(PeerError, match=words):
        list(inquirer.find(Level.STUDY, {}))


def everything(peer: ArchivePeer, event: Any) -> Yields:
    """All entities of a level, whatever study or series is asked for."""
    wider = Dataset()
    for key in event.identifier:
        wider.add_new(key.tag, key.VR, "")
    wider.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
    for answer in peer.answers(wider):
        yield 0xFF00, answer


def test_what_is_of_another_study_is_left_out(peer: ArchivePeer, tmp_path: Path) -> None:
    peer.find = everything
    node = against(tmp_path, peer)
    asked = ("StudyInstanceUID=1.1", "--level", "series", "--uids")
    assert sorted(query(node, *asked).split()) == ["1.2", "1.4"]


def aborting(peer: ArchivePeer, event: Any) -> Yields:
    yield 0xFF00, peer.answers(event.identifier)[0]
    event.assoc.abort()


FAULTS = {
    "out of resources": (failing(0xA700), "SRC answers the query by status A700"),
    "an abort midway": (aborting, "SRC ended the association"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_is_told_with_what_was_answered(
    what: str, peer: ArchivePeer, tmp_path: Path
) -> None:
    peer.find, words = FAULTS[what]
    assert words in query(against(tmp_path, peer), code=1)
