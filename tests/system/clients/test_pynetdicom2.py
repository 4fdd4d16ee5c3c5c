"""pynetdicom2: its commands, and its services where these do not reach."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from support import EXPLICIT, RunningNode, data_set_bytes, running_node
from support.data.corpus import DEFLATED, fill, instances, uid
from support.data.pictures import pictures, send_pictures
from support.network.installed import output, python_with

pytestmark = pytest.mark.long

REQUIREMENTS = ("pynetdicom2==0.9.8", "pydicom==3.0.2")
PROGRAM = Path(__file__).parent / "programs" / "retrieve.py"
TITLE = "PYNETDICOM2"
STUDIES = ("chest", "petct", "head", "german", "japanese")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_with(tmp_path_factory.mktemp("pynetdicom2") / "venv", *REQUIREMENTS)


@pytest.fixture(scope="module")
def node(
    python: Path, own_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNode]:
    """A node that holds some of the corpus and the pictures."""
    peers = {TITLE: {"host": "127.0.0.1", "port": own_port}}
    with running_node(tmp_path_factory.mktemp("node"), {"peers": peers}) as running:
        fill(running, *STUDIES)
        send_pictures(running)
        yield running


@pytest.fixture
def command(python: Path, node: RunningNode) -> Run:
    """Run one of its commands: what it prints."""

    def run(name: str, *options: str | Path) -> str:
        whom = ["--aet", node.title, "--address", "127.0.0.1", "--port", str(node.port)]
        return output([python, "-m", "pynetdicom2", name, *whom, *options])

    return run


def values(printed: str, keyword: str) -> list[str]:
    """The values of an attribute in what `find` prints: "(0020,000D) ...  UI: 1.2.3"."""
    lines = [line for line in printed.split("\n") if keyword in line]
    return sorted(line.partition(": ")[2].strip("'") for line in lines)


def test_verify_succeeds(command: Run) -> None:
    assert "(0x0) Success" in command("verify")


@pytest.mark.parametrize(("options", "keyword", "expected"), [
    (["--root", "patient", "--level", "patient", "--attr", "PatientID=P*"], "Patient ID",
     ["P1", "P2"]),
    (["--attr", "PatientID=P1", "StudyInstanceUID="], "Study Instance UID",
     [uid("chest"), uid("petct")]),
    (["--attr", "StudyDate=20240101-20240131", "StudyInstanceUID="], "Study Instance UID",
     [uid("chest"), uid("head")]),
    (["--attr", "PatientName=Müller*", "StudyDescription="], "Study Description", ["Schädel"]),
    (["--attr", "PatientName=*山田*", "StudyDescription="], "Study Description", ["胸部CT"]),
    (["--level", "series", "--attr", f"StudyInstanceUID={uid('chest')}", "SeriesInstanceUID="],
     "Series Instance UID", [uid("scout"), uid("axial"), uid("dose")]),
    (["--level", "image", "--attr", f"StudyInstanceUID={uid('chest')}",
      f"SeriesInstanceUID={uid('axial')}", "SOPInstanceUID="], "SOP Instance UID",
     [uid("axial.1"), uid("axial.2"), uid("axial.mpr")]),
    (["--attr", "PatientID=nobody", "StudyInstanceUID="], "Study Instance UID", []),
])  # fmt: skip
def test_find_prints_what_matches(
    command: Run, options: list[str], keyword: str, expected: list[str]
) -> None:
    assert values(command("find", *options), keyword) == sorted(expected)


def test_store_sends_a_folder_byte_for_byte(python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    sent = pictures()
    for one in sent.values():
        (folder / one.path.name).write_bytes(one.path.read_bytes())
    with running_node(tmp_path / "node") as node:
        printed = output(
            [python, "-m", "pynetdicom2", "store", "--aet", node.title, "--address", "127.0.0.1",
             "--port", str(node.port), "--file_or_dir", folder]
        )  # fmt: skip
        assert printed.count("Success") == len(sent)
        assert {path.stem: data_set_bytes(path) for path in node.files()} == {
            uid_: one.data_set for uid_, one in sent.items()
        }


# ---- retrieves


@pytest.fixture
def retrieve(python: Path, node: RunningNode, own_port: int, tmp_path: Path) -> Callable[..., Any]:
    """Run the program into a folder: what it prints, and the files that came."""

    def run(
        how: str, classes: list[str], syntaxes: Sequence[str] = (EXPLICIT,), **keys: str
    ) -> tuple[Any, dict[str, Path]]:
        asked = {
            "how": how, "port": node.port, "called": node.title, "own_port": own_port,
            "folder": str(tmp_path), "classes": classes, "syntaxes": syntaxes, "keys": keys,
        }  # fmt: skip
        printed = json.loads(output([python, PROGRAM, json.dumps(asked)]))
        return printed, {path.stem: path for path in tmp_path.glob("*.dcm")}

    return run


HELD = {one.sop_instance: one.data for one in instances(*STUDIES)}
CLASSES = {one.sop_instance: one.sop_class for one in instances(*STUDIES)}
AXIAL = [uid(name) for name in ("axial.1", "axial.2", "axial.mpr")]
CHEST = [*AXIAL, uid("scout.1"), uid("dose.1")]


@pytest.mark.parametrize("how", ["get", "move"])
@pytest.mark.parametrize(("keys", "expected"), [
    ({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid("chest")}, CHEST),
    ({"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": uid("chest"),
      "SeriesInstanceUID": uid("axial")}, AXIAL),
    ({"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": uid("chest"),
      "SeriesInstanceUID": uid("axial"), "SOPInstanceUID": uid("axial.2")}, [uid("axial.2")]),
], ids=["study", "series", "image"])  # fmt: skip
def test_what_is_retrieved_arrives_byte_for_byte(
    retrieve: Callable[..., Any], how: str, keys: dict[str, str], expected: list[str]
) -> None:
    classes = sorted({CLASSES[one] for one in CHEST})
    printed, files = retrieve(how, classes, **keys)
    assert printed == (len(expected) if how == "get" else [len(expected), 0])
    assert {uid_: data_set_bytes(path) for uid_, path in files.items()} == {
        uid_: HELD[uid_] for uid_ in expected
    }


def test_a_compressed_image_is_got_decompressed(retrieve: Callable[..., Any]) -> None:
    """By who takes Explicit VR Little Endian alone; pydicom ships the same image so."""
    (compressed,) = (one for one in pictures().values() if one.name == "MR_small_RLE.dcm")
    study, _, instance = compressed.uids
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study}
    printed, files = retrieve("get", [compressed.sop_class_uid], **keys)
    assert (printed, list(files)) == (1, [instance])
    found = dcmread(files[instance])
    assert found.file_meta.TransferSyntaxUID == EXPLICIT
    native = dcmread(compressed.path.with_name("MR_small.dcm"))
    assert found.PixelData == native.PixelData


@pytest.mark.parametrize("syntaxes", [[DEFLATED], [DEFLATED, EXPLICIT]])
def test_an_identifier_is_read_whether_or_not_deflated_is_all_that_is_offered(
    retrieve: Callable[..., Any], node: RunningNode, syntaxes: list[str]
) -> None:
    """It takes a context of Deflated Explicit VR Little Endian, and deflates nothing in it."""
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid("chest")}
    classes, mark = sorted({CLASSES[one] for one in CHEST}), node.mark()
    printed, files = retrieve("get", classes, syntaxes, **keys)
    assert (printed, sorted(files)) == (len(CHEST), sorted(CHEST))
    assert bool(node.logged("unusual Identifier", after=mark)) == (syntaxes == [DEFLATED])
