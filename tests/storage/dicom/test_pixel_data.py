"""Pixel Data held against its image, without decoding: each rule a row, and flat memory."""

import hashlib
import os
import struct
import tracemalloc
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from support import EXPLICIT, IMPLICIT, encoded

from storage.dicom import part10
from storage.dicom.data_sets.pixel_data_check import Damage, damage
from storage.dicom.data_sets.streaming import Digested
from storage.files import Tree
from storage.maintenance.check.file_reader import Examined, examine

JPEG, RLE, MPEG = (f"1.2.840.10008.1.2.{end}" for end in ("4.50", "5", "4.102"))
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
PRIVATE = "1.2.3.4"
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def described(implicit: bool = False, **values: object) -> bytes:
    """An image's description, 4 x 4 of 16 bits; None leaves an attribute out."""
    data_set = Dataset()
    held = {
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 4, "Columns": 4,
        "BitsAllocated": 16, **values,
    }  # fmt: skip
    for keyword, value in held.items():
        if value is not None:
            setattr(data_set, keyword, value)
    return encoded(data_set, implicit)


def element(length: int, content: bytes, number: int = 0x10, vr: bytes = b"OW") -> bytes:
    return struct.pack("<HH2sHI", 0x7FE0, number, vr, 0, length) + content


def native(length: int, number: int = 0x10, vr: bytes = b"OW") -> bytes:
    return element(length, bytes(length), number, vr)


def items(*fragments: bytes) -> bytes:
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in fragments)


def encapsulated(*fragments: bytes, table: tuple[int, ...] = (), end: bytes = END) -> bytes:
    offsets = struct.pack(f"<{len(table)}I", *table)
    return element(0xFFFFFFFF, items(offsets, *fragments) + end, vr=b"OB")


def extended(offsets: tuple[int, ...], lengths: tuple[int, ...]) -> bytes:
    parts = ((1, offsets), (2, lengths))
    return b"".join(
        element(8 * len(values), struct.pack(f"<{len(values)}Q", *values), number, b"OV")
        for number, values in parts
    )


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


FRAME = b"\xff\xd8" + bytes(8)  # of 10 bytes
COLOUR = {"SamplesPerPixel": 3, "BitsAllocated": 8}


@dataclass(frozen=True)
class Case:
    """A data set, and words of what is wrong with it; none: nothing."""

    data: bytes
    syntax: str = EXPLICIT
    pixel_data: str = ""
    cut_short: str = ""


TWO = described(NumberOfFrames="2")
BEHIND = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 4) + bytes(4)

CASES: dict[str, Case] = {
    "native": Case(described() + native(32)),
    "native, behind it padding": Case(described() + native(32) + BEHIND),
    "native, zeros at the end": Case(described() + native(32) + bytes(3)),
    "native, too short": Case(described() + native(30), pixel_data="30 bytes, 32 by"),
    "native, too long": Case(described() + native(34), pixel_data="34 bytes, 32 by"),
    "native, of no length": Case(described() + native(0), pixel_data="0 bytes, 32 by"),
    "native, cut short": Case(described() + native(32)[:-1], cut_short="within (7FE0,0010)"),
    "native, cut in what is behind": Case(
        described() + native(32) + BEHIND[:-1], cut_short="within (FFFC,FFFC)"
    ),
    "native, several frames": Case(TWO + native(64)),
    "native, frames missing": Case(TWO + native(32), pixel_data="32 bytes, 64 by"),
    "native, an odd length, padded": Case(
        described(Rows=3, Columns=3, BitsAllocated=8) + native(10)
    ),
    "native, an odd length": Case(described(Rows=3, Columns=3, BitsAllocated=8) + native(9)),
    "native, bits": Case(described(BitsAllocated=1, Rows=5, Columns=5) + native(4)),
    "native, bits over frames": Case(
        described(BitsAllocated=1, Rows=5, Columns=5, NumberOfFrames="3") + native(10)
    ),
    "native, bits missing": Case(
        described(BitsAllocated=1, Rows=9, Columns=9) + native(10), pixel_data="10 bytes, 11 by"
    ),
    "native, 12 bits": Case(described(BitsAllocated=12) + native(24)),
    "native, colour": Case(described(**COLOUR, PhotometricInterpretation="RGB") + native(48)),
    "native, half chroma": Case(
        described(**COLOUR, PhotometricInterpretation="YBR_FULL_422") + native(32)
    ),
    "native, full chroma called half": Case(
        described(**COLOUR, PhotometricInterpretation="YBR_FULL_422") + native(48)
    ),
    "native, half chroma called full": Case(
        described(**COLOUR, PhotometricInterpretation="YBR_FULL") + native(32),
        pixel_data="32 bytes, 48 by",
    ),
    "float": Case(described(BitsAllocated=32) + native(64, 8, b"OF")),
    "float, too short": Case(
        described(BitsAllocated=32) + native(60, 8, b"OF"), pixel_data="60 bytes, 64 by"
    ),
    "double": Case(described(BitsAllocated=64) + native(128, 9, b"OD")),
    "nothing described": Case(described(Rows=None) + native(6)),
    "no number of frames": Case(described(NumberOfFrames="0") + native(6)),
    "no pixels": Case(described()),
    "implicit VR": Case(
        described(implicit=True) + struct.pack("<HHI", 0x7FE0, 0x10, 30) + bytes(30), IMPLICIT,
        pixel_data="30 bytes, 32 by",
    ),
    "deflated": Case(deflated(described() + native(32)), DEFLATED),
    "deflated, padded": Case(deflated(described() + native(32)) + b"\0", DEFLATED),
    "deflated, too short": Case(
        deflated(described() + native(30)), DEFLATED, pixel_data="30 bytes, 32 by"
    ),
    "deflated, cut short": Case(deflated(described() + native(32))[:-8], DEFLATED,
                                cut_short="it ends"),
    "encapsulated": Case(described() + encapsulated(FRAME), JPEG),
    "encapsulated, with its table": Case(described() + encapsulated(FRAME, table=(0,)), JPEG),
    "encapsulated, a frame in fragments": Case(described() + encapsulated(FRAME, FRAME), JPEG),
    "encapsulated, frames": Case(TWO + encapsulated(FRAME, FRAME), JPEG),
    "encapsulated, frames in fragments": Case(
        TWO + encapsulated(FRAME, FRAME, FRAME, table=(0, 36)), JPEG
    ),
    "encapsulated, frames in fragments, no table": Case(
        TWO + encapsulated(FRAME, FRAME, FRAME), JPEG
    ),
    "encapsulated, frames missing": Case(
        TWO + encapsulated(FRAME), JPEG, pixel_data="1 fragments for 2 frames"
    ),
    "encapsulated, nothing": Case(
        described() + encapsulated(), JPEG, pixel_data="0 fragments for 1 frames"
    ),
    "encapsulated, no items": Case(
        described() + element(0xFFFFFFFF, END), JPEG, pixel_data="no Basic Offset Table"
    ),
    "video": Case(described(NumberOfFrames="90") + encapsulated(FRAME), MPEG),
    "RLE, more fragments than frames": Case(
        described() + encapsulated(FRAME, FRAME), RLE, pixel_data="2 fragments for 1 frames"
    ),
    "a table too short": Case(
        TWO + encapsulated(FRAME, FRAME, table=(0,)), JPEG, pixel_data="1 Basic Offset Table"
    ),
    "a table that points elsewhere": Case(
        TWO + encapsulated(FRAME, FRAME, table=(0, 20)), JPEG, pixel_data="does not point at"
    ),
    "a table that does not start at 0": Case(
        described() + encapsulated(FRAME, table=(8,)), JPEG, pixel_data="does not point at"
    ),
    "a table of half an entry": Case(
        described() + element(0xFFFFFFFF, items(b"\0\0", FRAME) + END), JPEG,
        pixel_data="a Basic Offset Table of 2 bytes",
    ),
    "an odd fragment": Case(
        described() + encapsulated(FRAME[:-1]), JPEG, pixel_data="fragment 1 of an odd length"
    ),
    "no end": Case(described() + encapsulated(FRAME, end=b""), JPEG, cut_short="(7FE0,0010)"),
    "cut in a fragment": Case(
        described() + encapsulated(FRAME, end=b"")[:-2], JPEG, cut_short="(7FE0,0010)"
    ),
    "something else than a fragment": Case(
        described() + encapsulated(FRAME, end=b"\x28\0\x10\0US\2\0"), JPEG,
        pixel_data="neither a fragment nor the end: (0028,0010)",
    ),
    "a fragment without length": Case(
        described() + encapsulated(FRAME, end=struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)),
        JPEG, pixel_data="neither a fragment",
    ),
    "an extended table": Case(
        TWO + extended((0, 18), (10, 10)) + encapsulated(FRAME, FRAME), JPEG
    ),
    "an extended table, of a padded frame": Case(
        TWO + extended((0, 18), (10, 9)) + encapsulated(FRAME, FRAME), JPEG
    ),
    "an extended table too short": Case(
        TWO + extended((0,), (10,)) + encapsulated(FRAME, FRAME), JPEG,
        pixel_data="1 Extended Offset Table",
    ),
    "an extended table that points elsewhere": Case(
        TWO + extended((0, 20), (10, 10)) + encapsulated(FRAME, FRAME), JPEG,
        pixel_data="the Extended Offset Table does not point",
    ),
    "an extended table of other lengths": Case(
        TWO + extended((0, 18), (10, 4)) + encapsulated(FRAME, FRAME), JPEG,
        pixel_data="Extended Offset Table Lengths",
    ),
    "an extended table, a frame in fragments": Case(
        TWO + extended((0, 18), (10, 10)) + encapsulated(FRAME, FRAME, FRAME), JPEG,
        pixel_data="3 fragments for 2 frames",
    ),
    "native where it should be encapsulated": Case(
        described() + native(32), JPEG, pixel_data="native, in a transfer syntax"
    ),
    "encapsulated where it should be native": Case(
        described() + encapsulated(FRAME), EXPLICIT, pixel_data="encapsulated, in a transfer"
    ),
    "a syntax that nobody knows": Case(described() + encapsulated(), PRIVATE),
    "cut in the description": Case(described()[:-1], cut_short="within"),
    "an icon of its own": Case(
        described()
        + struct.pack("<HH2sHI", 0x0088, 0x0200, b"SQ", 0, 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + described(Rows=9) + encapsulated(FRAME)
        + struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + END
        + native(32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_with_pixel_data_is_told_and_nothing_else(name: str) -> None:
    case = CASES[name]
    passed: list[int] = []
    passage = Digested(BytesIO(case.data), passed.append)
    found = damage(passage, case.syntax)
    for told, words in ((found.pixel_data, case.pixel_data), (found.cut_short, case.cut_short)):
        assert bool(told) == bool(words), told
        assert words in told
    # However far the walk came, the digest is that of all.
    assert passage.digest() == hashlib.sha256(case.data).hexdigest()
    assert sum(passed) == passage.position == len(case.data)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("rows", [4, 5])
def test_numbers_are_read_in_the_order_of_the_syntax(syntax: str, rows: int) -> None:
    order = "<" if syntax == EXPLICIT else ">"
    data = b""
    for number, value in ((0x02, 1), (0x10, rows), (0x11, 4), (0x100, 16)):
        data += struct.pack(f"{order}HH2sHH", 0x28, number, b"US", 2, value)
    data += struct.pack(f"{order}HH2sHI", 0x7FE0, 0x10, b"OW", 0, 32) + bytes(32)
    found = damage(Digested(BytesIO(data), lambda count: None), syntax)
    assert found == Damage(
        pixel_data="" if rows == 4 else "32 bytes, 40 by the image's description"
    )


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG, DEFLATED])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, syntax: str) -> None:
    # Of a deflated one the header is inflated apart, up to a limit of its own.
    size, limit = (256, 220) if syntax == DEFLATED else (128, 4)
    size, limit = size * 1024 * 1024, limit * 1024 * 1024
    uids = encoded(_uids())
    head = uids + described(Rows=8192, Columns=size // 2 // 8192)
    tree = Tree(tmp_path, sync=False)
    path = tree.path(UIDS)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(part10.header("1.2.3", "1.4", syntax))
        if syntax == DEFLATED:
            deflater = zlib.compressobj(level=0, wbits=-zlib.MAX_WBITS)
            file.write(deflater.compress(head + element(size, b"")))
            for _ in range(128):
                file.write(deflater.compress(bytes(size // 128)))
            file.write(deflater.flush())
        elif syntax == JPEG:
            file.write(head + element(0xFFFFFFFF, items(b""), vr=b"OB"))
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, size))
            file.seek(size, os.SEEK_CUR)
            file.write(END)
        else:
            file.write(head + element(size, b""))
            file.truncate(file.tell() + size)
    tracemalloc.start()
    try:
        found = examine(tree, UIDS, "", lambda count: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, Examined)
    assert found.damage == Damage()
    assert peak < limit


UIDS = "1.5", "1.6", "1.4"


def _uids() -> Dataset:
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.3", "1.4"
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.5", "1.6"
    return data_set
