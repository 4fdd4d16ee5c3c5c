"""Pixel Data held against the image that a data set describes; nothing is decoded.

Native: its length (PS3.5 8.1.1 and A.1). Encapsulated: fragments and offset tables (PS3.5 A.4,
PS3.3 C.7.6.3.1.8).
"""

import struct
from array import array
from dataclasses import dataclass

from pydicom.uid import UID

from storage.dicom.data_sets.reader import DEFLATED
from storage.dicom.data_sets.streaming import (
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    ElementStream,
    EndError,
    Head,
    Inflated,
    OddError,
    Passage,
)

_FLOAT, _DOUBLE, _PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS = 0x00280010, 0x00280011, 0x00280100
_NOTED = frozenset({_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS})
_BITS_OF = {_FLOAT: 32, _DOUBLE: 64}
# Two of three samples, one of each chroma for two pixels (PS3.3 C.7.6.3.1.2).
_HALF_CHROMA = ("YBR_FULL_422", "YBR_PARTIAL_422")
_RLE = "1.2.840.10008.1.2.5"
# Of these a fragment is no frame: MPEG-2, MPEG-4 and HEVC (PS3.5 A.4.5 to A.4.7), and JPEG 2000
# Part 2, whose codestreams may hold several (A.4.4).
_VIDEO = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
_NOT_BY_FRAME = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (92, 93))
_JPIP = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (94, 95, 204, 205))
# A table that is longer is passed over, and a value that is.
_MAX_TABLE_BYTES = 64 * 1024 * 1024
_MAX_VALUE_BYTES = 1024


@dataclass(frozen=True)
class Damage:
    """Where a data set ends too early, and what is wrong with its Pixel Data; empty: nothing."""

    cut_short: str = ""
    pixel_data: str = ""


def damage(passage: Passage, transfer_syntax: str) -> Damage:
    """What is wrong with the data set that goes by, as far as it can be told."""
    syntax = UID(transfer_syntax)
    known = syntax.is_transfer_syntax and not syntax.is_private
    if transfer_syntax in DEFLATED:
        passage = Inflated(passage)
    elements = ElementStream(
        passage, known and syntax.is_implicit_VR, not known or syntax.is_little_endian
    )
    walk = _Walk(elements, transfer_syntax, known and syntax.is_encapsulated, known)
    try:
        walk.run()
    except EndError:
        return Damage(f"it ends within {walk.within}, at byte {passage.position}")
    except OddError:
        return Damage(pixel_data=walk.wrong)
    return Damage(pixel_data=walk.wrong)


class _Walk:
    """One way through a data set; `wrong` is what its Pixel Data was found to be, at first."""

    def __init__(
        self, elements: ElementStream, syntax: str, encapsulated: bool, known: bool
    ) -> None:
        self.within = "the data set"
        self.wrong = ""
        self._elements = elements
        self._passage = elements.passage
        self._syntax = syntax
        self._encapsulated = encapsulated
        self._known = known
        self._values: dict[int, bytes] = {}
        self._tables: dict[int, array[int]] = {}

    def run(self) -> None:
        for head in self._elements:
            self.within = f"({head.tag >> 16:04X},{head.tag & 0xFFFF:04X})"
            if head.tag in _NOTED and head.length <= _MAX_VALUE_BYTES:
                self._values[head.tag] = self._read(head.length)
            elif head.tag in (_OFFSETS, _LENGTHS) and head.length <= _MAX_TABLE_BYTES:
                self._tables[head.tag] = _table("Q", self._read(head.length), self._elements.order)
            elif head.tag == _PIXELS and head.length == UNDEFINED:
                self._encapsulated_pixels()
            elif head.tag in (_PIXELS, _FLOAT, _DOUBLE) and head.length != UNDEFINED:
                self._native_pixels(head)
            else:
                self._elements.skip(head)
            self.within = f"the data set, behind {self.within}"

    def _read(self, count: int) -> bytes:
        data = self._passage.read(count)
        if len(data) < count:
            raise EndError
        return data

    def _find(self, wrong: str) -> None:
        self.wrong = self.wrong or wrong

    def _number(self, tag: int) -> int:
        """A number of the image's description; 0 where it has none."""
        value = self._values.get(tag, b"")
        if len(value) < 2:
            return 0
        return int(struct.unpack_from(f"{self._elements.order}H", value)[0])

    @property
    def _frames(self) -> int:
        """Number of Frames; 0 where it is not a number, 1 where it is left out."""
        text = self._values.get(_FRAMES, b"").strip(b" \0")
        if not text:
            return 1
        return int(text) if text.isdigit() else 0

    def _native_pixels(self, head: Head) -> None:
        if self._encapsulated and self._syntax not in _JPIP and head.tag == _PIXELS:
            self._find("native, in a transfer syntax that encapsulates it")
        elif expected := self._expected_bytes(head.tag):
            allowed = {even for count in expected for even in (count, count + count % 2)}
            described = f"{head.length} bytes, {expected[0]} by the image's description"
            self._find("" if head.length in allowed else described)
        self._passage.skip(head.length)

    def _expected_bytes(self, tag: int) -> list[int]:
        """The lengths that native Pixel Data may have; none where the image does not say."""
        samples = 1 if tag in _BITS_OF else self._number(_SAMPLES)
        bits = _BITS_OF.get(tag) or self._number(_BITS)
        pixels = self._number(_ROWS) * self._number(_COLUMNS) * self._frames
        whole = (pixels * samples * bits + 7) // 8
        if not whole:
            return []
        photometric = self._values.get(_PHOTOMETRIC, b"").decode("latin-1").strip(" \0")
        if samples == 3 and photometric in _HALF_CHROMA:
            return [whole // 3 * 2, whole]  # writers in the field leave it at full chroma
        return [whole]

    def _encapsulated_pixels(self) -> None:
        if self._known and not self._encapsulated:
            self._find("encapsulated, in a transfer syntax that does not")
        tag, length = self._elements.item()
        if tag == SEQUENCE_END:
            self._find("no Basic Offset Table item")
            return
        basic: array[int] = array("I")
        if tag == ITEM and length <= _MAX_TABLE_BYTES:
            if length % 4:
                self._find(f"a Basic Offset Table of {length} bytes")
            basic = _table("I", self._read(length), self._elements.order)
        elif tag == ITEM and length != UNDEFINED:
            self._find(f"a Basic Offset Table of {length} bytes")
            self._passage.skip(length)
        else:
            self._not_a_fragment(tag)
        fragments = _Fragments(basic, self._tables.get(_OFFSETS), self._tables.get(_LENGTHS))
        while (item := self._elements.item())[0] != SEQUENCE_END:
            tag, length = item
            if tag != ITEM or length == UNDEFINED:
                self._not_a_fragment(tag)
            fragments.add(length)
            self._passage.skip(length)
        if self._known and self._frames and self._syntax not in _VIDEO | _NOT_BY_FRAME:
            self._find(fragments.wrong(self._frames, self._syntax == _RLE))
        else:
            self._find(fragments.odd)

    def _not_a_fragment(self, tag: int) -> None:
        self._find(
            f"at byte {self._passage.position - 8} neither a fragment nor the end: "
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        )
        raise OddError("what follows cannot be told")


class _Fragments:
    """Fragments as they go by, held against the offset tables: only counted and compared."""

    def __init__(
        self, basic: "array[int]", offsets: "array[int] | None", lengths: "array[int] | None"
    ) -> None:
        self.odd = ""
        self._basic = basic
        self._extended = offsets or array("Q")
        self._lengths = lengths or array("Q")
        self._offset = self._count = self._basic_hits = 0
        self._extended_wrong = ""

    def add(self, length: int) -> None:
        """The next fragment, of `length` bytes."""
        if length % 2:
            self.odd = self.odd or f"fragment {self._count + 1} of an odd length, {length} bytes"
        hits = self._basic_hits
        if hits < len(self._basic) and self._basic[hits] == self._offset:
            self._basic_hits += 1
        number = self._count
        if number < len(self._extended) and self._extended[number] != self._offset:
            self._extended_wrong = "the Extended Offset Table does not point at the fragments"
        if number < len(self._lengths) and self._lengths[number] not in (length, length - 1):
            self._extended_wrong = (
                "the Extended Offset Table Lengths are not those of the fragments"
            )
        self._offset += 8 + length
        self._count += 1

    def wrong(self, frames: int, one_each: bool) -> str:
        """What is wrong with them, for so many frames; `one_each`: one fragment is one frame."""
        count = f"{self._count} fragments for {frames} frames"
        if self.odd:
            return self.odd
        if self._count < frames:
            return count
        if self._extended:
            if len(self._extended) != frames:
                return f"{len(self._extended)} Extended Offset Table entries for {frames} frames"
            return self._extended_wrong or (count if self._count != frames else "")
        if one_each and self._count != frames:
            return count
        if not self._basic:
            return ""
        if len(self._basic) != frames:
            return f"{len(self._basic)} Basic Offset Table entries for {frames} frames"
        if self._basic[0] or self._basic_hits != frames:
            return "the Basic Offset Table does not point at the fragments"
        return ""


def _table(kind: str, data: bytes, order: str) -> "array[int]":
    found = array(kind)
    found.frombytes(data[: len(data) // found.itemsize * found.itemsize])
    if order == ">":
        found.byteswap()
    return found
