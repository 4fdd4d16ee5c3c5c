"""Elements as bytes, whether they are right or not."""

import struct
from collections.abc import Iterable

LONG_FORM = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
UNDEFINED = 0xFFFFFFFF
ITEM, PIXEL_DATA = 0xFFFEE000, 0x7FE00010


def ex(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """An element in explicit VR."""
    size = len(value) if length is None else length
    form = "HH2s2xI" if vr in LONG_FORM else "HH2sH"
    return struct.pack(order + form, tag >> 16, tag & 0xFFFF, vr.encode(), size) + value


def im(tag: int, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """An element in implicit VR, an item, or a delimiter."""
    size = len(value) if length is None else length
    return struct.pack(f"{order}HHI", tag >> 16, tag & 0xFFFF, size) + value


ITEM_END, SEQUENCE_END = im(0xFFFEE00D, b""), im(0xFFFEE0DD, b"")


def encapsulated(fragments: Iterable[bytes], table: bytes = b"") -> bytes:
    """Pixel Data in fragments, with a Basic Offset Table (PS3.5 A.4)."""
    items = b"".join(im(ITEM, fragment) for fragment in (table, *fragments))
    return ex(PIXEL_DATA, "OB", items + SEQUENCE_END, UNDEFINED)


def us(tag: int, number: int) -> bytes:
    """An element of one US."""
    return ex(tag, "US", struct.pack("<H", number))


def rle(*planes: bytes) -> bytes:
    """A frame of RLE, of literal runs: a segment per plane (PS3.5 annex G)."""
    segments = [
        b"".join(
            bytes([len(plane[at : at + 128]) - 1]) + plane[at : at + 128]
            for at in range(0, len(plane), 128)
        )
        for plane in planes
    ]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    head = struct.pack("<16I", len(planes), *offsets, *([0] * (15 - len(planes))))
    return head + b"".join(segments)
