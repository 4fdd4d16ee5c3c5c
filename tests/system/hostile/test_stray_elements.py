"""Elements that do not belong in a data set (groups below 0008): what is acknowledged is had again.

A sender that forgets to take them off, or that sends a whole file as data set, gets Success only
where the instance can be retrieved as it came, committed to, checked and entered anew.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from support import (
    CT,
    GET,
    MOVE,
    Inbox,
    RunningNode,
    destination,
    getting,
    identifier,
    minipacs,
    retrieved,
    running_node,
    send,
)
from support.data.images import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, parsed
from support.fuzzing.data_sets import Encoding
from support.network.raw import ITEM, UNDEFINED, im
from support.network.requestor import Requestor

from scp.copies.corrected.corrected import AsCorrected
from scp.copies.corrected.transcode import reachable, transcode
from scp.copies.deidentify.instances.copies import Deidentified
from scp.copies.deidentify.rules.profile import Profile
from scp.copies.deidentify.rules.pseudonyms import Pseudonyms
from storage import Archive, Level, Received, prepare
from storage.diagnostics.errors import ArchiveError
from storage.dicom import part10
from storage.maintenance.changes import correction
from storage.maintenance.changes.selections import Selection, selected

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

JPEG = "1.2.840.10008.1.2.4.70"
ENCODINGS = {
    EXPLICIT: Encoding(), DEFLATED: Encoding(), IMPLICIT: Encoding(True),
    BIG_ENDIAN: Encoding(False, ">"),
}  # fmt: skip
NAMES = {EXPLICIT: "explicit", DEFLATED: "deflated", IMPLICIT: "implicit", BIG_ENDIAN: "big endian"}


def uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def file_meta(e: Encoding, syntax: str, instance: str = "1.3.9") -> bytes:
    """File Meta Information, in whatever encoding."""
    body = (
        e.element(0x00020001, "OB", b"\0\1") + e.element(0x00020002, "UI", uid(CT))
        + e.element(0x00020003, "UI", uid(instance)) + e.element(0x00020010, "UI", uid(syntax))
        + e.element(0x00020012, "UI", uid("1.2.3"))
    )  # fmt: skip
    return e.element(0x00020000, "UL", struct.pack(e.order + "I", len(body))) + body


# What a data set may have in it, by its encoding and transfer syntax.
KINDS: dict[str, Callable[[Encoding, str], bytes]] = {
    "another syntax": lambda e, s: e.element(0x00020010, "UI", uid(JPEG)),
    "its syntax": lambda e, s: e.element(0x00020010, "UI", uid(s)),
    "an implementation": lambda e, s: e.element(0x00020012, "UI", uid("1.2.3")),
    "our implementation": lambda e, s: e.element(
        0x00020012, "UI", uid(part10.IMPLEMENTATION_CLASS_UID)
    ),
    "a title": lambda e, s: e.element(0x00020016, "AE", b"SOMEONE "),
    "an empty title": lambda e, s: e.element(0x00020016, "AE", b""),
    "a private header element": lambda e, s: e.element(0x00020102, "OB", b"\2\0\2\0"),
    "a group length": lambda e, s: e.element(0x00020000, "UL", b"\0\0\0\0"),
    "file meta": file_meta,
    "file meta of another": lambda e, s: file_meta(e, JPEG, "1.3.8"),
    "file meta, explicit": lambda e, s: file_meta(Encoding(), s),
    "a command": lambda e, s: im(0x00000000, b"\x1a\0\0\0") + im(0x00000002, uid(CT)),
    "a command, as encoded": lambda e, s: e.element(0x00000002, "UI", uid(CT)),
    "a file-set": lambda e, s: e.element(0x00041130, "CS", b"FILESET "),
    "group 0006": lambda e, s: e.element(0x00060010, "LO", b"TEXT"),
    "group 0003": lambda e, s: e.element(0x00030010, "LO", b"TEXT"),
}
PLACES = ("front", "middle", "item", "pixels", "end")


def data_set(place: str, stray: bytes, syntax: str, instance: str) -> bytes:
    """A data set with `stray` somewhere in it."""
    e = ENCODINGS[syntax]
    at = dict.fromkeys(PLACES, b"") | {place: stray}
    number = struct.pack(e.order + "H", 4)
    item = at["item"] + e.element(0x00081155, "UI", uid("1.9"))
    data = (
        at["front"]
        + e.element(0x00080016, "UI", uid(CT)) + e.element(0x00080018, "UI", uid(instance))
        + e.element(0x00081140, "SQ", im(ITEM, item, None, e.order))
        + at["middle"]
        + e.element(0x00100010, "PN", b"Doe^Jane") + e.element(0x00100020, "LO", b"P1")
        + e.element(0x0020000D, "UI", uid("1.1")) + e.element(0x0020000E, "UI", uid("1.2"))
        + b"".join(e.element(tag, "US", number) for tag in (0x00280010, 0x00280011))
        + at["pixels"]
        + e.element(0x7FE00010, "OW", bytes(range(16)))
        + at["end"]
    )  # fmt: skip
    if syntax != DEFLATED:
        return data
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(data) + deflater.flush()
    return data + b"\0" * (len(data) % 2)


@dataclass(frozen=True)
class Case:
    kind: str
    place: str
    syntax: str
    instance: str

    def __str__(self) -> str:
        return f"{self.kind}, {self.place}, {NAMES[self.syntax]}"

    @property
    def data(self) -> bytes:
        stray = KINDS[self.kind](ENCODINGS[self.syntax], self.syntax)
        return data_set(self.place, stray, self.syntax, self.instance)


CASES = [
    Case(*one, f"1.3.{number}") for number, one in enumerate(product(KINDS, PLACES, ENCODINGS))
]


# Cannot be followed, and is refused.
REFUSED = {
    (kind, place, syntax): f"({tag}) at byte"
    for kind, tag, places, syntaxes in (
        ("file meta, explicit", "0002,0000", ("front", "middle"), (BIG_ENDIAN,)),
        ("a command", "0000,0000", ("front",), (EXPLICIT, DEFLATED, BIG_ENDIAN)),
        ("a command", "0000,0000", ("middle",), (BIG_ENDIAN,)),
    )
    for place in places
    for syntax in syntaxes
}
HELD = [case for case in CASES if (case.kind, case.place, case.syntax) not in REFUSED]
# Nobody but its writer can tell where these end: a copy in another form may be refused.
UNREADABLE_WITHIN = {"file meta, explicit": (BIG_ENDIAN,), "a command": (BIG_ENDIAN,)}


def is_readable(case: Case) -> bool:
    return case.syntax not in UNREADABLE_WITHIN.get(case.kind, ()) or case.place == "front"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("archive")
    prepare(folder, sync=False, charset="")
    return Archive(folder, sync=False)


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Another one, in which the study has another name."""
    folder = tmp_path_factory.mktemp("corrected")
    prepare(folder, sync=False, charset="")
    made = Archive(folder, sync=False)
    made.store(received(HELD[0]))
    correction.correct(
        made.tree, (Level.STUDY, "1.1"), {"PatientName": "New^Name"}, user="me", before={},
        reason="", merge=False,
    )  # fmt: skip
    return made


def received(case: Case) -> Received:
    return Received(CT, case.instance, case.syntax, case.data, "")


@pytest.mark.parametrize("case", [c for c in CASES if c not in HELD], ids=str)
def test_what_cannot_be_followed_is_refused_and_says_why(archive: Archive, case: Case) -> None:
    with pytest.raises(ArchiveError) as refused:
        archive.store(received(case))
    assert str(refused.value).startswith(REFUSED[case.kind, case.place, case.syntax])


PREAMBLE = bytes(128)
PLAIN = Case("a title", "none", EXPLICIT, "1.4")


@pytest.mark.parametrize(("front", "words"), [
    (PREAMBLE + b"DICM" + file_meta(Encoding(), EXPLICIT), "A whole DICOM file"),
    (b"II*\0" * 32 + b"DICM" + file_meta(Encoding(), EXPLICIT), "A whole DICOM file"),
    (b"DICM" + file_meta(Encoding(), EXPLICIT), "A whole DICOM file"),
    (PREAMBLE + b"DICM", "A whole DICOM file"),
    (im(0xFFFEE00D, b""), "(FFFE,E00D) at byte 0 does not belong"),
    (im(0xFFFEE0DD, b""), "(FFFE,E0DD) at byte 0 does not belong"),
    (im(ITEM, b"", UNDEFINED), "(FFFE,E000) at byte 0 does not belong"),
], ids=["a file", "a file with a preamble of TIFF", "a file without a preamble", "a preamble",
        "an item's end", "a sequence's end", "an item"])  # fmt: skip
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN], ids=NAMES.get)
def test_what_is_no_data_set_is_refused_and_says_why(
    archive: Archive, front: bytes, words: str, syntax: str
) -> None:
    if words.startswith("(") and syntax == BIG_ENDIAN:
        front = im(*struct.unpack(">I", struct.pack(">HH", *struct.unpack("<HH", front[:4]))), b"",
                   order=">")  # fmt: skip
    data = data_set("front", front, syntax, "1.4")
    with pytest.raises(ArchiveError) as refused:
        archive.store(Received(CT, "1.4", syntax, data, ""))
    assert str(refused.value).startswith(words)
    assert not archive.tree.path(("1.1", "1.2", "1.4")).exists()


def strays(found: Dataset) -> list[int]:
    """The elements that do not belong in a data set, inside of items too."""
    wrong = [int(tag) for tag in found.keys() if tag.group < 8]  # noqa: SIM118
    for item in found.get("ReferencedImageSequence") or ():
        wrong += strays(item)
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_acknowledged_is_had_as_it_came_and_converted_without_it(
    archive: Archive, corrected: Archive, kind: str
) -> None:
    for case in (one for one in HELD if one.kind == kind):
        archive.store(received(case))
        (location,) = selected(archive, Selection(Level.IMAGE, case.instance))
        path = archive.tree.path(location.uids)
        plain = AsCorrected(archive.tree, "NODE")
        assert plain.fault_of(location) == "", case
        with plain.open(location).file as file:
            assert part10.read(file).transfer_syntax_uid == case.syntax, case
            assert file.read() == case.data, case
        if not is_readable(case):
            continue
        for target in reachable(case.syntax):
            with transcode(path, target) as file:
                _check(case, file.read(), target)
        corrected.store(received(case))
        amended = AsCorrected(corrected.tree, "NODE")
        with amended.open(location).file as file:
            part10.read(file)
            _check(case, file.read(), case.syntax, name="New^Name")
        copies = Deidentified(amended, Profile(frozenset()), Pseudonyms(b"s" * 32))
        with copies.open(location).file as file:
            part10.read(file)
            _check(case, file.read(), case.syntax, name="")


def _check(case: Case, data: bytes, syntax: str, name: str = "Doe^Jane") -> None:
    found = parsed(data, syntax)
    assert strays(found) == [], case
    assert found.Rows == 4, case
    assert found.PixelData in (bytes(range(16)), _swapped(bytes(range(16)))), case
    assert not name or found.PatientName == name, case


def _swapped(data: bytes) -> bytes:
    return b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))


# ---- over the network


@pytest.fixture(scope="module")
def requestor() -> Iterator[Requestor]:
    made = Requestor()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def places(
    tmp_path_factory: pytest.TempPathFactory, requestor: Requestor
) -> Iterator[tuple[RunningNode, Inbox]]:
    with destination("WORKSTATION") as (inbox, port):
        peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port},
                 "WORKSTATION": {"host": "127.0.0.1", "port": port}}  # fmt: skip
        tables = {"peers": peers, "storage": {"sync": False}}
        with running_node(tmp_path_factory.mktemp("node"), tables) as node:
            with node.association(*((CT, syntax) for syntax in ENCODINGS)) as association:
                for case in CASES:
                    answer = send(association, CT, case.instance, case.data, case.syntax)
                    assert (answer.Status == 0x0000) == (case in HELD), case
            yield node, inbox


SENT = {case.instance: case.data for case in HELD}


def test_all_of_it_is_retrieved_as_it_came(places: tuple[RunningNode, Inbox]) -> None:
    node, inbox = places
    _retrieve(node, inbox)
    assert minipacs("rebuild", node).stdout == f"index rebuilt instances={len(SENT)}\n"
    _retrieve(node, inbox)


def _retrieve(node: RunningNode, moved: Inbox) -> None:
    query, inbox = identifier("STUDY", StudyInstanceUID="1.1"), Inbox()
    contexts = [(GET["STUDY"], EXPLICIT), *((CT, syntax) for syntax in ENCODINGS)]
    with node.association(*contexts, **getting(inbox, contexts)) as association:
        answer = retrieved(association.send_c_get(query, GET["STUDY"]))
    assert (answer.status, answer.counts) == (0x0000, (len(SENT), 0, 0))
    assert inbox.data_sets() == SENT
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        answer = retrieved(association.send_c_move(query, "WORKSTATION", MOVE["STUDY"]))
    assert (answer.status, answer.counts) == (0x0000, (len(SENT), 0, 0))
    assert moved.data_sets() == SENT


def test_all_of_it_is_committed_to(places: tuple[RunningNode, Inbox], requestor: Requestor) -> None:
    node, _ = places
    references = [(CT, instance) for instance in SENT]
    assert requestor.ask(node, "1.9.1", references, keep=True).Status == 0x0000
    assert requestor.report() == (1, "1.9.1", set(references), {})


def test_check_finds_no_fault_and_export_writes_it(
    places: tuple[RunningNode, Inbox], tmp_path: Path
) -> None:
    node, _ = places
    checked = minipacs("check", node)
    assert checked.returncode == 0, checked.stdout
    assert minipacs("export", node, str(tmp_path / "out"), "--study", "1.1").returncode == 0
    written = {}
    for path in (tmp_path / "out").glob("*/*/*"):
        if path.is_file():
            file = BytesIO(path.read_bytes())
            instance = part10.read(file).sop_instance_uid
            written[instance] = file.read()
    assert written == SENT
