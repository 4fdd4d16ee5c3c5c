"""dcmjs-dimse, of Node.js: its client, and its server as a destination."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from support import RunningNode, Sample, running_node
from support.data.corpus import fill, uid
from support.data.pictures import frames, pictures, send_pictures
from support.network.installed import node_with, output

pytestmark = pytest.mark.long

PACKAGE = "dcmjs-dimse@0.3.3"
PROGRAM = Path(__file__).parent / "programs" / "dimse.js"
TITLE, DESTINATION = "DCMJS", "DCMJSSCP"
SUCCESS, PENDING = 0x0000, 0xFF00
STUDIES = ("chest", "petct", "head", "german", "japanese")

# What came back: of each request, of each response, its status and elements.
Responses = list[list[dict[str, Any]]]
Send = Callable[..., Responses]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return node_with(tmp_path_factory.mktemp("dcmjs") / "packages", PACKAGE)


@pytest.fixture(scope="module")
def node(
    packages: dict[str, str], own_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNode]:
    """A node that holds some of the corpus and the pictures."""
    peers = {DESTINATION: {"host": "127.0.0.1", "port": own_port}}
    with running_node(tmp_path_factory.mktemp("node"), {"peers": peers}) as running:
        fill(running, *STUDIES)
        send_pictures(running)
        yield running


def sending(packages: dict[str, str], node: RunningNode, *requests: Any, **more: Any) -> Responses:
    """Have the program send requests to a node, each over an association of its own."""
    asked = {"port": node.port, "called": node.title, "calling": TITLE, "requests": requests}
    printed = output(["node", PROGRAM, json.dumps(asked | more)], env=packages)
    # The library prints what it does not know of a data set before that.
    answer: Responses = json.loads(printed.strip().split("\n")[-1])
    return answer


@pytest.fixture
def send(packages: dict[str, str], node: RunningNode) -> Send:
    return lambda *requests, **more: sending(packages, node, *requests, **more)


def test_it_echoes(send: Send) -> None:
    assert send({"kind": "echo"}) == [[{"status": SUCCESS, "elements": None}]]


@pytest.mark.parametrize(("level", "keys", "unique", "expected"), [
    ("Study", {"PatientID": "P1"}, "StudyInstanceUID", ["chest", "petct"]),
    ("Study", {"StudyDate": "20240101-20240131"}, "StudyInstanceUID", ["chest", "head"]),
    ("Study", {"PatientName": "Smith^J*"}, "StudyInstanceUID", ["chest", "petct", "head"]),
    ("Study", {"PatientID": "nobody"}, "StudyInstanceUID", []),
    ("Series", {"StudyInstanceUID": uid("chest")}, "SeriesInstanceUID",
     ["scout", "axial", "dose"]),
    ("Series", {"StudyInstanceUID": uid("chest"), "Modality": "CT"}, "SeriesInstanceUID",
     ["scout", "axial"]),
    ("Image", {"StudyInstanceUID": uid("chest"), "SeriesInstanceUID": uid("axial")},
     "SOPInstanceUID", ["axial.1", "axial.2", "axial.mpr"]),
])  # fmt: skip
def test_a_query_finds_what_matches_at_each_level(
    send: Send, level: str, keys: dict[str, str], unique: str, expected: list[str]
) -> None:
    ((*pending, final),) = send({"kind": "find", "level": level, "keys": keys})
    assert final == {"status": SUCCESS, "elements": None}
    assert {one["status"] for one in pending} <= {PENDING}
    assert sorted(one["elements"][unique] for one in pending) == sorted(map(uid, expected))


def test_an_answer_holds_all_that_the_library_asks_for(send: Send) -> None:
    keys = {"StudyInstanceUID": uid("chest")}
    ((found, _),) = send({"kind": "find", "level": "Study", "keys": keys})
    wanted = {
        "PatientID": "P1",
        "PatientName": [{"Alphabetic": "Smith^John"}],
        "StudyDate": "20240131",
        "StudyDescription": "CT Chest",
        "ModalitiesInStudy": ["CT", "SR"],
        "NumberOfStudyRelatedSeries": 3,
        "NumberOfStudyRelatedInstances": 5,
    }
    assert {keyword: found["elements"][keyword] for keyword in wanted} == wanted


# ---- retrieves

AXIAL = [uid(name) for name in ("axial.1", "axial.2", "axial.mpr")]
CHEST = [*AXIAL, uid("scout.1"), uid("dose.1")]
LEVELS = [
    ("Study", [uid("chest")], CHEST),
    ("Series", [uid("chest"), uid("axial")], AXIAL),
    ("Image", [uid("chest"), uid("axial"), uid("axial.2")], [uid("axial.2")]),
]


@pytest.mark.parametrize(("level", "uids", "expected"), LEVELS)
def test_what_is_got_arrives(
    send: Send, tmp_path: Path, level: str, uids: list[str], expected: list[str]
) -> None:
    asked = {"kind": "get", "level": level, "uids": uids, "folder": str(tmp_path)}
    ((*pending, final),) = send(asked)
    assert ({one["status"] for one in pending} | {PENDING}, final["status"]) == ({PENDING}, SUCCESS)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(expected)


@pytest.mark.parametrize(("level", "uids", "expected"), LEVELS)
def test_what_is_moved_arrives_at_its_server(
    send: Send, own_port: int, tmp_path: Path, level: str, uids: list[str], expected: list[str]
) -> None:
    asked = {"kind": "move", "level": level, "uids": uids, "destination": DESTINATION}
    ((*pending, final),) = send(asked, destination={"port": own_port, "folder": str(tmp_path)})
    assert ({one["status"] for one in pending} | {PENDING}, final["status"]) == ({PENDING}, SUCCESS)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(expected)


def test_a_compressed_image_is_got_decompressed(send: Send, tmp_path: Path) -> None:
    """By who takes no compression; pydicom ships the same image so."""
    (compressed,) = (one for one in pictures().values() if one.name == "MR_small_RLE.dcm")
    uids = [compressed.uids[0]]
    ((*_, final),) = send({"kind": "get", "level": "Study", "uids": uids, "folder": str(tmp_path)})
    assert final["status"] == SUCCESS
    found = dcmread(tmp_path / f"{compressed.uids[2]}.dcm")
    assert not found.file_meta.TransferSyntaxUID.is_compressed
    assert found.PixelData == dcmread(compressed.path.with_name("MR_small.dcm")).PixelData


def test_pictures_are_moved_as_they_were_stored(send: Send, own_port: int, tmp_path: Path) -> None:
    sent = pictures()
    requests = [
        {"kind": "move", "level": "Study", "uids": [one.uids[0]], "destination": DESTINATION}
        for one in sent.values()
    ]
    answers = send(*requests, destination={"port": own_port, "folder": str(tmp_path)})
    assert [answer[-1]["status"] for answer in answers] == [SUCCESS] * len(sent)
    assert_same_pixels({path.stem: path for path in tmp_path.iterdir()}, sent)


# ---- storing


def test_pictures_are_stored(packages: dict[str, str], tmp_path: Path) -> None:
    """The library encodes them anew, and drops private elements."""
    sent = pictures()
    with running_node(tmp_path / "node") as node:
        requests = [{"kind": "store", "file": str(one.path)} for one in sent.values()]
        answers = sending(packages, node, *requests)
        assert answers == [[{"status": SUCCESS, "elements": None}]] * len(sent)
        assert_same_pixels({path.stem: path for path in node.files()}, sent)


def assert_same_pixels(files: dict[str, Path], sent: dict[str, Sample]) -> None:
    """That files are of just these instances, with their pixels as they were encoded."""
    assert set(files) == set(sent)
    for uid_, one in sent.items():
        found = dcmread(files[uid_])
        assert found.file_meta.TransferSyntaxUID == one.transfer_syntax_uid, one.name
        assert frames(found) == frames(one.dataset), one.name
