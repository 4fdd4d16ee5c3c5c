"""RLE (PS3.5 annex G)."""

import struct
from collections.abc import Iterator

from scp.copies.conversion.codecs.codestream import DamagedError

_RLE_HEAD_BYTES, _MAX_SEGMENTS = 64, 15


def decode(frame: bytes, segments: int, segment_bytes: int) -> Iterator[bytearray]:
    """The segments of an RLE frame, each of `segment_bytes`, decoded one after the other.

    Raises DamagedError where they are not as many, or not as long.
    """
    if len(frame) < _RLE_HEAD_BYTES:
        raise DamagedError("it is shorter than the header of RLE")
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != segments or count > _MAX_SEGMENTS:
        raise DamagedError(f"it has {count} RLE segments where there should be {segments}")
    ends = [*offsets[1:count], len(frame)]
    if offsets[0] < _RLE_HEAD_BYTES or any(a > b for a, b in zip(offsets, ends, strict=False)):
        raise DamagedError("its RLE header is damaged")
    for start, end in zip(offsets[:count], ends, strict=True):
        yield _rle_segment(frame[start:end], segment_bytes)


def _rle_segment(coded: bytes, size: int) -> bytearray:
    decoded = bytearray()
    at, end = 0, len(coded)
    while len(decoded) < size and at < end:
        control = coded[at]
        if control < 128:
            decoded += coded[at + 1 : at + 2 + control]
            at += 2 + control
        elif control > 128:
            decoded += coded[at + 1 : at + 2] * (257 - control)
            at += 2
        else:
            at += 1
    # A byte too much is an encoder's padding.
    if at > end or not size <= len(decoded) <= size + 1 or coded[at:].strip(b"\0\x80")[1:]:
        raise DamagedError("an RLE segment does not fill its part of the image, or overflows it")
    del decoded[size:]
    return decoded
