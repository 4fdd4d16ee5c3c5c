"""Pixel Data as a file for others: what its elements say of it, and how it is written."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from scp.copies.conversion.codecs import Codec, Image, Syntax
from scp.copies.conversion.data_set import PIXEL_DATA, Scope, StoredElement
from scp.copies.conversion.limits import Conversion, Spool
from scp.copies.deidentify.elements import text_of
from scp.copies.deidentify.rules import has_form
from storage.diagnostics import DataSetError

# Tags of Pixel Data, with the VR and bits that need not be said.
PIXELS = {0x7FE00008: ("OF", 32), 0x7FE00009: ("OD", 64), PIXEL_DATA: ("OW", 16)}
_ROWS, _COLUMNS, _SAMPLES, _FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280008
_ALLOCATED, _STORED, _HIGH_BIT, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_PHOTOMETRIC = 0x00280004

# Takes the name of what was taken out.
Note = Callable[[str], None]


@dataclass(frozen=True)
class Bulk:
    """The head of an element and what is in front of it; where its value lies, and in what file."""

    head: bytes
    file: BinaryIO
    start: int
    end: int


def head_of(target: Syntax, element: StoredElement, length: int) -> bytes:
    """The tag, VR and length of an element of Pixel Data, or of its tables."""
    order = "<" if target.little_endian else ">"
    group, number = element.tag >> 16, element.tag & 0xFFFF
    if target.implicit_vr:
        return struct.pack(f"{order}HHI", group, number, length)
    known, _ = PIXELS.get(element.tag, ("OV", 0))
    vr = "OB" if element.vr == "OB" else known
    return struct.pack(f"{order}HH2s2xI", group, number, vr.encode(), length)


def image_of(
    scope: Scope, element: StoredElement, codec: Codec = Codec.JPEG, may_be_lossy: bool = False
) -> Image:
    """What the data set says of its frames; `codec` of those that are compressed.

    Raises DataSetError where that is not enough to tell what is an image.
    """
    rows, columns = scope.number(_ROWS), scope.number(_COLUMNS)
    if not rows or not columns:
        raise DataSetError("has no Rows and Columns, so that nothing tells what is an image in it")
    vr, bits = PIXELS[element.tag]
    if vr == "OW":
        bits = scope.number(_ALLOCATED) or (8 if element.vr == "OB" else bits)
    stored = scope.number(_STORED) or bits
    high = scope.number(_HIGH_BIT)
    return Image(
        codec=codec, rows=rows, columns=columns, samples=scope.number(_SAMPLES) or 1,
        bits_allocated=bits, bits_stored=stored, high_bit=stored - 1 if high is None else high,
        pixel_representation=scope.number(_REPRESENTATION) or 0,
        photometric=text_of(scope, _PHOTOMETRIC), may_be_lossy=may_be_lossy,
    )  # fmt: skip


def frame_count(scope: Scope) -> int:
    """Number of Frames, 1 where it is not said; 0: what is said is no number."""
    text = text_of(scope, _FRAMES) or "1"
    return max(int(text), 0) if has_form("IS", text) and "\\" not in text else 0


def spool() -> BinaryIO:
    """A temporary file within the budget of conversions, in memory as long as it is small."""
    return cast(BinaryIO, Spool(Conversion()))
