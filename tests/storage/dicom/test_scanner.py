"""The scanner of ordinary headers: it reads what pydicom reads, or leaves it to pydicom."""

import random
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from pydicom.datadict import dictionary_VR
from support import EXPLICIT, IMPLICIT
from support.network.raw import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    encapsulated,
    ex,
    im,
    us,
)

from storage.diagnostics.errors import DataSetError, MismatchError
from storage.dicom import instance_header, part10
from storage.dicom.data_sets import STORED, ReadBudget, ordinary_form
from storage.dicom.data_sets.header_scanner import FoundElement, UnusualError, scan, slices
from storage.dicom.data_sets.reducing import reduced

# pydicom guesses, and says so, at data sets in another encoding than they claim.
pytestmark = pytest.mark.filterwarnings("ignore")

DEFAULT = "ISO_IR 100"
HEADER_BYTES = 64 * 1024
REQUESTS = 0x00400275  # Request Attributes Sequence
PROCEDURE = "RequestAttributesSequence_RequestedProcedureID"
STEP = "RequestAttributesSequence_ScheduledProcedureStepID"


@dataclass(frozen=True)
class File:
    """A data set that ships inside pydicom; without a syntax where it has no Part 10 header."""

    name: str
    syntax: str
    data: bytes

    @property
    def encodings(self) -> list[bool]:
        """Whether to read it in implicit VR; both where nothing tells."""
        if not self.syntax:
            return [False, True]
        implicit_vr = ordinary_form(self.syntax)
        return [] if implicit_vr is None else [implicit_vr]


def _files() -> Iterator[File]:
    top = Path(pydicom.data.__file__).parent
    for folder in ("test_files", "charset_files"):
        for path in sorted(p for p in (top / folder).rglob("*") if p.is_file()):
            with path.open("rb") as file:
                try:
                    syntax = part10.read(file).transfer_syntax_uid
                except DataSetError:
                    syntax = ""
                    file.seek(0)
                yield File(path.relative_to(top).as_posix(), syntax, file.read())


FILES = list(_files())


# Where one of these is missing, and something lies behind, the rest is looked at too.
EXPECTED = instance_header._EXPECTED


def scanned(
    data: bytes, implicit_vr: bool, charset: str = DEFAULT, expected: Set[int] = frozenset()
) -> dict[str, str] | None:
    """What the scanner reads; None where it leaves the data set to pydicom."""
    try:
        return instance_header._scanned(data[:HEADER_BYTES], implicit_vr, charset, expected)
    except UnusualError:
        return None


def read(data: bytes, implicit_vr: bool, charset: str = DEFAULT) -> dict[str, str] | None:
    """What pydicom reads; None where it does not."""
    try:
        return instance_header._read(BytesIO(data), IMPLICIT if implicit_vr else EXPLICIT, charset)
    except DataSetError:
        return None


def outcome(data: bytes, syntax: str, charset: str = DEFAULT) -> Any:
    """What `extract.header` says: the values, or why there are none."""
    try:
        return instance_header.header(BytesIO(data), syntax, charset).values
    except MismatchError as error:
        return str(error), error.offending
    except DataSetError:
        return DataSetError


@pytest.fixture
def by_pydicom(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`outcome`, with everything left to pydicom."""

    def leave(*_: object) -> dict[str, str]:
        raise UnusualError("left to pydicom")

    def outcome_by_pydicom(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(instance_header, "_found_alike", leave)
            return outcome(*arguments)

    return outcome_by_pydicom


# ---- real data sets


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_a_real_data_set_is_read_as_pydicom_reads_it(
    file: File, by_pydicom: Callable[..., Any]
) -> None:
    for implicit_vr in (False, True):  # in the wrong one as well
        found = scanned(file.data, implicit_vr)
        assert found is None or found == read(file.data, implicit_vr)
    for syntax in [file.syntax] if file.syntax else [EXPLICIT, IMPLICIT]:
        assert outcome(file.data, syntax) == by_pydicom(file.data, syntax)


def test_most_real_data_sets_are_ordinary() -> None:
    ours = [(file, implicit_vr) for file in FILES if file.syntax for implicit_vr in file.encodings]
    left = [file.name for file, implicit_vr in ours if scanned(file.data, implicit_vr) is None]
    assert len(ours) > 100
    assert len(left) <= 5, left


def mutated(source: random.Random, data: bytes) -> bytes:
    """Some bytes of the header are changed, put in or taken out."""
    held = bytearray(data[: source.choice((1000, 3000, HEADER_BYTES + 5000))])
    for _ in range(source.randint(1, 4)):
        at = source.randrange(min(len(held), 1500))
        count = source.randint(1, 8)
        match source.randrange(4):
            case 0:
                held[at] = source.randrange(256)
            case 1:
                held[at] = source.choice(b"\x00\x01\x08\x10\x1b\x20\\^=\xff")
            case 2:
                held[at:at] = source.randbytes(count)
            case 3 if len(held) > count:
                del held[at : at + count]
    return bytes(held)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_data_set_is_read_alike_or_left_to_pydicom(seed: int) -> None:
    source, both = random.Random(seed), 0
    files = [file for file in FILES if file.data and file.encodings]
    for _ in range(500):
        file = source.choice(files)
        data, implicit_vr = mutated(source, file.data), source.choice(file.encodings)
        found = scanned(data, implicit_vr, expected=EXPECTED)
        if found is None:
            continue
        # pydicom refuses some for what lies where no column looks.
        expected = read(data, implicit_vr)
        assert expected is None or found == expected, (file.name, data.hex())
        both += expected is not None
    assert both > 50


# ---- data sets made by hand

UIDS = (
    (0x00080016, b"1.2\0"), (0x00080018, b"1.3\0"), (0x0020000D, b"1.1\0"), (0x0020000E, b"1.2\0"),
)  # fmt: skip
UI = b"".join(ex(tag, "UI", value) for tag, value in UIDS)
IN_FRONT = b"".join(ex(tag, "UI", value) for tag, value in UIDS[:2])
IDS = b"".join(ex(tag, "UI", value) for tag, value in UIDS[2:])
UI_IMPLICIT = b"".join(im(tag, value) for tag, value in UIDS)
NAME = ex(0x00100010, "PN", b"Doe^Jane")
INNER_NAME = ex(0x00080060, "CS", b"XX") + ex(0x00100010, "PN", b"Inner^It")


def item(*elements: bytes) -> bytes:
    """An item of defined length."""
    return im(ITEM, b"".join(elements))


def open_item(*elements: bytes) -> bytes:
    """An item of undefined length."""
    return im(ITEM, b"".join(elements), UNDEFINED) + ITEM_END


def sequence(tag: int, *items: bytes) -> bytes:
    """A sequence of defined length."""
    return ex(tag, "SQ", b"".join(items))


def open_sequence(tag: int, *items: bytes) -> bytes:
    """A sequence of undefined length."""
    return ex(tag, "SQ", b"".join(items), UNDEFINED) + SEQUENCE_END


def request(procedure: bytes, step: bytes = b"", charset: bytes = b"") -> bytes:
    """The elements of an item of the Request Attributes Sequence."""
    named = ex(0x00080005, "CS", charset) if charset else b""
    return (
        named + ex(0x00321060, "LO", b"Knee") + ex(0x00400007, "LO", b"Left")
        + ex(0x00400009, "SH", step) + ex(0x00401001, "SH", procedure)
    )  # fmt: skip


def nested(depth: int, form: Callable[..., bytes] = open_sequence) -> bytes:
    """Sequences inside each other, with what is wanted elsewhere in the innermost."""
    data = INNER_NAME
    for _ in range(depth):
        data = form(0x00081110, open_item(data) if form is open_sequence else item(data))
    return data


def japanese(data: str) -> bytes:
    """Text with the escape sequences of ISO 2022."""
    return data.encode("iso2022_jp")


JAPANESE = ex(0x00080005, "CS", b"ISO 2022 IR 6\\ISO 2022 IR 87")
# What is scanned: the data set, and values that are found in it.
SCANNED: dict[str, tuple[bytes, dict[str, str]]] = {
    "UIDs alone": (UI, {"SOPClassUID": "1.2", "StudyInstanceUID": "1.1", "PatientName": ""}),
    "empty": (b"", {"StudyInstanceUID": "", PROCEDURE: ""}),
    "text and numbers": (
        IN_FRONT + NAME + IDS + us(0x00280010, 512) + us(0x00280011, 256),
        {"PatientName": "Doe^Jane", "Rows": "512", "Columns": "256"},
    ),
    "several values": (
        ex(0x00080008, "CS", b"ORIGINAL\\PRIMARY ") + UI, {"ImageType": "ORIGINAL\\PRIMARY"}
    ),
    "values of odd length": (IN_FRONT + ex(0x00080060, "CS", b"CTX") + IDS, {"Modality": "CTX"}),
    "another VR of text": (IN_FRONT + ex(0x00080060, "UT", b"CT") + IDS, {"Modality": "CT"}),
    "bulk data in place of text": (IN_FRONT + ex(0x00080060, "OB", b"CT") + IDS, {"Modality": ""}),
    "its own character set": (
        ex(0x00080005, "CS", b"ISO_IR 192") + IN_FRONT + ex(0x00100010, "PN", "Ö".encode()),
        {"PatientName": "Ö"},
    ),
    "several character sets": (
        JAPANESE + IN_FRONT + ex(0x00100010, "PN", japanese("山田")), {"PatientName": "山田"}
    ),
    "the default character set": (
        IN_FRONT + ex(0x00100010, "PN", b"M\xfcller"), {"PatientName": "Müller"}
    ),
    "group lengths": (
        ex(0x00080000, "UL", bytes(4)) + IN_FRONT + ex(0x00100000, "UL", bytes(4)) + NAME,
        {"PatientName": "Doe^Jane"},
    ),
    "private elements": (
        IN_FRONT + ex(0x00090010, "LO", b"ACME") + ex(0x00091001, "UN", bytes(9)) + NAME,
        {"PatientName": "Doe^Jane"},
    ),
    "sequences that nobody asks for": (
        IN_FRONT + sequence(0x00081110, item(INNER_NAME), item()) + NAME + IDS,
        {"PatientName": "Doe^Jane", "Modality": "", "StudyInstanceUID": "1.1"},
    ),
    "nonsense in a sequence that nobody asks for": (
        IN_FRONT + ex(0x00081110, "SQ", b"rubbish!") + NAME, {"PatientName": "Doe^Jane"}
    ),
    "sequences of undefined length": (
        IN_FRONT + open_sequence(0x00081110, open_item(INNER_NAME), item(INNER_NAME)) + NAME + IDS,
        {"PatientName": "Doe^Jane", "Modality": "", "StudyInstanceUID": "1.1"},
    ),
    "an empty sequence of undefined length": (
        IN_FRONT + open_sequence(0x00081110) + NAME, {"PatientName": "Doe^Jane"}
    ),
    "nested sequences": (
        IN_FRONT + nested(5, sequence) + NAME, {"PatientName": "Doe^Jane", "Modality": ""}
    ),
    "nested sequences of undefined length": (
        IN_FRONT + nested(16) + NAME, {"PatientName": "Doe^Jane", "Modality": ""}
    ),
    "requests": (
        UI + sequence(REQUESTS, item(request(b"P1", b"S1")), item(request(b"P2", b"S2"))),
        {PROCEDURE: "P1\\P2", STEP: "S1\\S2"},
    ),
    "requests of undefined length": (
        UI + open_sequence(REQUESTS, open_item(request(b"P1")), open_item(request(b"P2", b"S2"))),
        {PROCEDURE: "P1\\P2", STEP: "S2"},
    ),
    "requests of either kind": (
        UI + sequence(REQUESTS, open_item(request(b"P1")), item(request(b""))), {PROCEDURE: "P1"}
    ),
    "a sequence inside a request": (
        UI + sequence(REQUESTS, item(open_sequence(0x00321064, open_item(INNER_NAME)),
                                     ex(0x00401001, "SH", b"P1"))),
        {PROCEDURE: "P1", "PatientName": ""},
    ),
    "no requests": (UI + sequence(REQUESTS), {PROCEDURE: "", STEP: ""}),
    "no requests, of undefined length": (UI + open_sequence(REQUESTS), {PROCEDURE: ""}),
    "an empty request": (UI + sequence(REQUESTS, item(), open_item()), {PROCEDURE: ""}),
    "what comes behind requests": (
        UI + open_sequence(REQUESTS, open_item(request(b"P1"))) + ex(0x00700080, "CS", b"LABEL "),
        {PROCEDURE: "P1", "ContentLabel": "LABEL"},
    ),
    "an item with its own character set": (
        ex(0x00080005, "CS", b"ISO_IR 100") + UI + sequence(
            REQUESTS, item(request("ж".encode(), charset=b"ISO_IR 192")), item(request(b"\xfc "))
        ),
        {PROCEDURE: "ж\\ü"},
    ),
    "an item in its data set's character set": (
        ex(0x00080005, "CS", b"ISO_IR 144") + UI + sequence(REQUESTS, item(request(b"\xd6 "))),
        {PROCEDURE: "ж"},
    ),
    "an item in its data set's several character sets": (
        JAPANESE + UI + sequence(REQUESTS, item(request(japanese("山田")))), {PROCEDURE: "山田"}
    ),
    "an item in the default character set": (
        UI + sequence(REQUESTS, item(request(b"\xfc "))), {PROCEDURE: "ü"}
    ),
    "pixel data that is not all there": (
        UI + ex(PIXEL_DATA, "OW", bytes(10), 100_000), {"StudyInstanceUID": "1.1"}
    ),
    "fragments of pixel data": (UI + encapsulated([bytes(50)]), {"StudyInstanceUID": "1.1"}),
    "anything behind the last of the index": (
        UI + ex(0x00700084, "PN", b"?", 9999), {"StudyInstanceUID": "1.1"}
    ),
    "a long value": (
        IN_FRONT + NAME + IDS + ex(0x00291010, "OB", bytes(60_000)) + us(0x00400253, 1),
        {"PatientName": "Doe^Jane"},
    ),
    "64 KiB, and no more of it": (
        UI + ex(0x00291010, "OB", bytes(HEADER_BYTES - len(UI) - 12)), {"SOPClassUID": "1.2"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SCANNED)
def test_an_ordinary_data_set_is_scanned(what: str, by_pydicom: Callable[..., Any]) -> None:
    data, values = SCANNED[what]
    found = scanned(data, False)
    assert found is not None
    assert {column: found[column] for column in values} == values
    assert found == read(data, False)
    assert outcome(data, EXPLICIT) == by_pydicom(data, EXPLICIT)


SCANNED_IMPLICIT: dict[str, tuple[bytes, dict[str, str]]] = {
    "UIDs alone": (UI_IMPLICIT, {"SOPClassUID": "1.2", "StudyInstanceUID": "1.1"}),
    "text and numbers": (
        UI_IMPLICIT + im(0x00280010, b"\0\x02") + im(0x00280011, b"\0\x01"),
        {"Rows": "512", "Columns": "256"},
    ),
    "a sequence of undefined length": (
        im(0x00081110, im(ITEM, im(0x00080060, b"XX"), UNDEFINED) + ITEM_END, UNDEFINED)
        + SEQUENCE_END + UI_IMPLICIT[24:],
        {"Modality": "", "StudyInstanceUID": "1.1"},
    ),
    "requests": (
        UI_IMPLICIT + im(REQUESTS, item(im(0x00401001, b"P1")) + open_item(im(0x00400009, b"S2"))),
        {PROCEDURE: "P1", STEP: "S2"},
    ),
    "requests of undefined length": (
        UI_IMPLICIT + im(REQUESTS, open_item(im(0x00401001, b"P1")), UNDEFINED) + SEQUENCE_END,
        {PROCEDURE: "P1"},
    ),
    "an item with its own character set": (
        im(0x00080005, b"ISO_IR 100") + UI_IMPLICIT
        + im(REQUESTS, item(im(0x00080005, b"ISO_IR 192"), im(0x00401001, "ж".encode()))),
        {PROCEDURE: "ж"},
    ),
    "private elements": (
        UI_IMPLICIT[:24] + im(0x00090010, b"ACME") + im(0x00091001, bytes(9)) + UI_IMPLICIT[24:],
        {"StudyInstanceUID": "1.1"},
    ),
    "pixel data that is not all there": (
        UI_IMPLICIT + im(PIXEL_DATA, bytes(10), 100_000), {"StudyInstanceUID": "1.1"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SCANNED_IMPLICIT)
def test_one_in_implicit_vr_is_scanned(what: str, by_pydicom: Callable[..., Any]) -> None:
    data, values = SCANNED_IMPLICIT[what]
    found = scanned(data, True)
    assert found is not None
    assert {column: found[column] for column in values} == values
    assert found == read(data, True)
    assert outcome(data, IMPLICIT) == by_pydicom(data, IMPLICIT)


WHOLE_REQUEST = request(b"P1")
LEFT: dict[str, bytes] = {
    "out of order": IDS + IN_FRONT,
    "the same twice": UI + IDS[12:],
    "out of order in a request": UI + sequence(
        REQUESTS, item(ex(0x00401001, "SH", b"P1"), ex(0x00400009, "SH", b"S1"))
    ),
    "an unknown VR": IN_FRONT + ex(0x00090010, "ZZ", b"ACME") + IDS,
    "a VR in small letters": IN_FRONT + ex(0x00090010, "lo", b"ACME") + IDS,
    "no VR": IN_FRONT + im(0x00100010, b"Doe^Jane") + IDS,
    "implicit VR": UI_IMPLICIT,
    "UN in place of a value": IN_FRONT + ex(0x00100010, "UN", b"Doe^Jane") + IDS,
    "a sequence in place of a value": IN_FRONT + sequence(0x00100010, item(NAME)) + IDS,
    "one of undefined length": IN_FRONT + open_sequence(0x00100010, item(NAME)) + IDS,
    "UN of undefined length": IN_FRONT + ex(0x00091001, "UN", item(), UNDEFINED)
    + SEQUENCE_END + IDS,
    "text of undefined length": IN_FRONT + ex(0x00091001, "UT", b"", UNDEFINED) + SEQUENCE_END,
    "requests as UN": UI + ex(REQUESTS, "UN", item(im(0x00401001, b"P1"))),
    "requests as text": UI + ex(REQUESTS, "LO", b"P1"),
    "requests without items": UI + ex(REQUESTS, "SQ", WHOLE_REQUEST),
    "a request longer than its sequence": UI
    + ex(REQUESTS, "SQ", im(ITEM, WHOLE_REQUEST, 200)) + ex(0x00700080, "CS", bytes(200)),
    "a request longer than its data set": UI + ex(REQUESTS, "SQ", im(ITEM, WHOLE_REQUEST, 200)),
    "an element longer than its request": UI + sequence(
        REQUESTS, item(ex(0x00401001, "SH", b"P1", 200))
    ),
    "a request without end": UI
    + ex(REQUESTS, "SQ", im(ITEM, WHOLE_REQUEST, UNDEFINED), UNDEFINED),
    "requests without end": UI + ex(REQUESTS, "SQ", item(WHOLE_REQUEST), UNDEFINED),
    "a request that ends with its sequence": UI
    + ex(REQUESTS, "SQ", im(ITEM, WHOLE_REQUEST, UNDEFINED), UNDEFINED) + SEQUENCE_END,
    "an item that an item does not end": UI[:24] + ex(
        0x00081110, "SQ", im(ITEM, INNER_NAME, UNDEFINED) + im(0xFFFEE06A, b""), UNDEFINED
    ) + SEQUENCE_END + IDS,
    "an item that an unknown group ends": UI[:24] + ex(
        0x00081110, "SQ",
        im(ITEM, INNER_NAME, UNDEFINED) + ex(0xFFFFE00D, "UL", b""), UNDEFINED,
    ) + SEQUENCE_END + IDS,
    "sequences nested too deep": IN_FRONT + nested(17) + NAME + IDS,
    "a NUL inside a character set": ex(0x00080005, "CS", b"ISO_IR\0 100 ") + UI,
    "fragments in front of it": IN_FRONT
    + ex(0x00091001, "OB", im(ITEM, b"") + im(ITEM, b"1234"), UNDEFINED) + SEQUENCE_END + IDS,
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT)
def test_an_unusual_one_is_left_to_pydicom(what: str, by_pydicom: Callable[..., Any]) -> None:
    data = LEFT[what]
    assert scanned(data, False) is None
    assert outcome(data, EXPLICIT) == by_pydicom(data, EXPLICIT)


LEFT_IMPLICIT: dict[str, bytes] = {
    "explicit VR": UI,
    "out of order": UI_IMPLICIT + UI_IMPLICIT,
    "a sequence of undefined length in place of a value": im(
        0x00080060, open_item(im(0x00080060, b"XX")), UNDEFINED
    )
    + SEQUENCE_END
    + UI_IMPLICIT[24:],
    "requests without items": UI_IMPLICIT + im(REQUESTS, im(0x00401001, b"P1")),
}


@pytest.mark.parametrize("what", LEFT_IMPLICIT)
def test_one_in_implicit_vr_is_left_to_pydicom(what: str, by_pydicom: Callable[..., Any]) -> None:
    data = LEFT_IMPLICIT[what]
    assert scanned(data, True) is None
    assert outcome(data, IMPLICIT) == by_pydicom(data, IMPLICIT)


PARTS: dict[bool, list[bytes]] = {
    False: [
        *(ex(tag, "UI", value) for tag, value in UIDS[:2]), nested(2), NAME,
        *(ex(tag, "UI", value) for tag, value in UIDS[2:]), us(0x00280010, 512),
        open_sequence(REQUESTS, open_item(request(b"P1"))),
        ex(0x00700080, "CS", b"LABEL "),
    ],
    True: [
        *(im(tag, value) for tag, value in UIDS),
        im(0x00280010, b"\0\x02"), im(REQUESTS, item(im(0x00401001, b"P1"))),
        im(0x00700080, b"LABEL "),
    ],
}  # fmt: skip


@pytest.mark.parametrize("implicit_vr", PARTS, ids=["explicit", "implicit"])
def test_one_cut_short_at_any_byte_is_scanned_between_elements_alone(
    implicit_vr: bool, by_pydicom: Callable[..., Any]
) -> None:
    whole = b"".join(PARTS[implicit_vr])
    between = {0, *accumulate(map(len, PARTS[implicit_vr]))}
    syntax = IMPLICIT if implicit_vr else EXPLICIT
    for length in range(len(whole) + 1):
        cut = whole[:length]
        found = scanned(cut, implicit_vr, expected=EXPECTED)
        assert (found is not None) == (length in between), length
        assert found is None or found == read(cut, implicit_vr), length
        assert outcome(cut, syntax) == by_pydicom(cut, syntax), length


# ---- longer than what is scanned


@pytest.mark.parametrize("implicit_vr", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("end", [-8, -1, 0, 1, 5, 8, 30_000], ids="{:+}".format)
def test_a_header_longer_than_what_is_scanned_is_read_to_its_end(
    end: int, implicit_vr: bool, by_pydicom: Callable[..., Any]
) -> None:
    """An element ends that many bytes behind what is scanned; more of the header follows."""
    front = UI_IMPLICIT if implicit_vr else UI
    room = HEADER_BYTES + end - len(front)
    if implicit_vr:
        long, last = im(0x00291010, bytes(room - 8)), im(0x00700080, b"LABEL ")
    else:
        long, last = ex(0x00291010, "OB", bytes(room - 12)), ex(0x00700080, "CS", b"LABEL ")
    data, syntax = front + long + last, IMPLICIT if implicit_vr else EXPLICIT
    assert len(front + long) == HEADER_BYTES + end
    found = outcome(data, syntax)
    assert found["ContentLabel"] == "LABEL"
    assert found == by_pydicom(data, syntax)


def test_a_header_in_front_of_much_else_is_scanned() -> None:
    data = UI + ex(PIXEL_DATA, "OW", bytes(200_000))
    assert scanned(data, False) == read(data, False)
    assert outcome(data, EXPLICIT)["StudyInstanceUID"] == "1.1"


# ---- any ordinary one

TAGS = sorted(
    int(tag) for tag in instance_header._TAGS if int(tag) not in (0x00080005, REQUESTS)
)  # fmt: skip
SKIPPED = [0x00080001, 0x00091001, 0x00101002, 0x00181000, 0x00189346, 0x00204000, 0x00291010]
INNER = [0x00080005, 0x00080100, 0x00321064, 0x00400007, 0x00400008, 0x00400009, 0x00401001]
CHARSETS = [b"ISO_IR 100", b"ISO_IR 144", b"ISO_IR 192", b"", b"ISO_IR 6 "]
VALUES = [
    b"", b"1.2\0", b"A\\B ", b"M\xfcl ", b" x", b"\xc3\xbc", b"\0\0", b"12", b" ", b"\\\\", b"odd",
    b"\x01\x02\x03\x04", b"\xff\xff", b"\x1b$B;3ED\x1b(B",
]  # fmt: skip


class Writer:
    """Writes ordinary data sets of any content."""

    def __init__(self, seed: int, implicit_vr: bool) -> None:
        self.source = random.Random(seed)
        self.implicit_vr = implicit_vr

    def data_set(self) -> bytes:
        tags = [*self.some(TAGS, 20), *self.some(SKIPPED, 4), *self.some([0x00081110, 0x00400260])]
        return self.elements([*tags, *self.some([0x00080005]), *self.some([REQUESTS])], 0)

    def some(self, tags: list[int], most: int | None = None) -> list[int]:
        return self.source.sample(tags, self.source.randint(0, min(most or 99, len(tags))))

    def elements(self, tags: list[int], depth: int) -> bytes:
        return b"".join(self.element(tag, depth) for tag in sorted(tags))

    def element(self, tag: int, depth: int) -> bytes:
        vr = "LO" if tag in (0x00091001, 0x00291010) else dictionary_VR(tag).split(" ")[0]
        if vr != "SQ":
            value = self.source.choice(CHARSETS if tag == 0x00080005 else VALUES)
            return im(tag, value) if self.implicit_vr else ex(tag, vr, value)
        items = b"".join(self.item(depth + 1) for _ in range(self.source.randint(0, 3)))
        length = self.source.choice((None, UNDEFINED))
        end = SEQUENCE_END if length else b""
        return (im(tag, items, length) if self.implicit_vr else ex(tag, vr, items, length)) + end

    def item(self, depth: int) -> bytes:
        inner = [tag for tag in INNER if depth < 3 or dictionary_VR(tag) != "SQ"]
        form = self.source.choice((item, open_item))
        return form(self.elements(self.some(inner), depth))


@pytest.mark.parametrize("implicit_vr", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 4))]
)
def test_any_ordinary_data_set_is_scanned_as_pydicom_reads_it(seed: int, implicit_vr: bool) -> None:
    writer = Writer(seed, implicit_vr)
    for _ in range(300):
        data = writer.data_set()
        charset = writer.source.choice(("ISO_IR 100", "ISO_IR 144", "ISO_IR 192"))
        found = scanned(data, implicit_vr, charset, expected=EXPECTED)
        assert found is not None, data.hex()
        assert found == read(data, implicit_vr, charset), data.hex()


# ---- the scanner itself


def test_what_is_found_has_its_vr_and_its_bytes() -> None:
    data = IN_FRONT + NAME + open_sequence(REQUESTS, open_item(WHOLE_REQUEST), item())
    wanted = {0x00100010: None, 0x00100020: None, REQUESTS: {0x00401001: None}}
    assert scan(data, False, wanted, REQUESTS) == {
        0x00100010: FoundElement("PN", b"Doe^Jane"),
        REQUESTS: FoundElement("SQ", items=[{0x00401001: FoundElement("SH", b"P1")}, {}]),
    }
    assert scan(UI_IMPLICIT, True, {0x00080018: None}, 0x00080018) == {
        0x00080018: FoundElement("", b"1.3\0")
    }


def test_nothing_behind_the_last_tag_is_looked_at() -> None:
    assert (
        scan(
            IN_FRONT + ex(0x00090010, "LO", b"cut short", 99), False, {0x00100010: None}, 0x00080018
        )
        == {}
    )
    with pytest.raises(UnusualError):
        scan(
            IN_FRONT + ex(0x00090010, "LO", b"cut short", 99), False, {0x00100010: None}, 0x00100010
        )


# ---- elements as they are encoded

LAST_TAG = 0x7FDFFFFF


def cut(data: bytes, implicit_vr: bool, *wanted: int) -> dict[int, bytes] | None:
    """What of a data set is wanted; None where it is left to `reduced`."""
    try:
        return slices(data, implicit_vr, frozenset(wanted), LAST_TAG, True)
    except UnusualError:
        return None


def cut_slowly(data: bytes, implicit_vr: bool, *wanted: int) -> dict[int, bytes] | None:
    """The same of any data set; None where it is none."""
    how = False, implicit_vr, True, wanted, LAST_TAG
    for tolerant in (False, True):
        try:
            return reduced(BytesIO(data), *how, ReadBudget(STORED), tolerant).elements
        except DataSetError:
            continue
    return None


class _Every:
    def __contains__(self, tag: object) -> bool:
        return True


def tags_of(file: File, implicit_vr: bool) -> list[int]:
    how = False, implicit_vr, True, _Every(), LAST_TAG, ReadBudget(STORED)
    try:
        return list(reduced(BytesIO(file.data), *how).elements)
    except DataSetError:
        return []


def test_each_element_of_real_data_sets_is_cut_out_alike() -> None:
    count = 0
    for file in FILES:
        for implicit_vr in file.encodings:
            tags = tags_of(file, implicit_vr)
            whole = cut(file.data, implicit_vr, *tags) if tags else None
            if whole is None:
                continue
            assert whole == cut_slowly(file.data, implicit_vr, *tags)
            assert all(cut(file.data, implicit_vr, tag) == {tag: whole[tag]} for tag in tags)
            count += 1
    assert count > 80


@pytest.mark.parametrize("seed", range(4))
def test_elements_of_damaged_data_sets_are_cut_out_alike_or_left(seed: int) -> None:
    source, both = random.Random(seed), 0
    files = [(f, implicit_vr) for f in FILES if f.data for implicit_vr in f.encodings]
    tags = {file.name: tags_of(file, implicit_vr) for file, implicit_vr in files}
    for _ in range(400):
        file, implicit_vr = source.choice(files)
        data = mutated(source, file.data)
        wanted = source.sample(tags[file.name], min(3, len(tags[file.name]))) or [0x00080018]
        found = cut(data, implicit_vr, *wanted)
        # What is damaged behind the last that is wanted is not looked at.
        expected = cut_slowly(data, implicit_vr, *wanted) if found is not None else None
        assert expected is None or found == expected, (file.name, wanted, data.hex())
        both += expected is not None
    assert both > 50
