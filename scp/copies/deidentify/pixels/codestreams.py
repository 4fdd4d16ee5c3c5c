"""Codestreams with nothing in them but what decoding needs: no comments, no application's data.

What is behind their end goes, too. The pixels stay as they are.
"""

import re
import struct
from collections.abc import Callable

from scp.copies.conversion.codecs import DamagedError

_SOI, _EOI, _SOS, _DHT, _DQT = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS, _JPEG_LS})
# Where coded data end: a marker that is neither a stuffed byte nor a restart.
_JPEG_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JPEG_LS_END = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
_JFIF = b"JFIF\0\1\2\0\0\1\0\1\0\0"
_ADOBE = b"Adobe\0\x64\0\0\0\0"

_Segment = tuple[int, bytes, bytes]  # marker, body, and the coded data behind a scan's header


def jpeg(frame: bytes) -> bytes:
    """A frame of JPEG or JPEG-LS (ISO 10918-1 annex B, ISO 14495-1 annex C).

    Raises DamagedError where it is none.
    """
    segments = _segments(frame)
    tables = _used(segments)
    out = [b"\xff\xd8"]
    for marker, body, coded in segments:
        rule = _RULES.get(marker)
        kept = rule(body, tables) if rule else b""
        if kept:
            out += [struct.pack(">BBH", 0xFF, marker, len(kept) + 2), kept, coded]
    return b"".join([*out, b"\xff\xd9"])


def _segments(frame: bytes) -> list[_Segment]:
    if not frame.startswith(b"\xff\xd8\xff"):
        raise DamagedError("it does not start as JPEG does")
    found: list[_Segment] = []
    is_jpeg_ls, at = False, 2
    while True:
        start = at
        while frame[at : at + 1] == b"\xff":
            at += 1
        if at == start or at >= len(frame):
            raise DamagedError("it ends before JPEG's end of image, or is no JPEG")
        marker = frame[at]
        if marker == _EOI:
            return found
        length = int.from_bytes(frame[at + 1 : at + 3], "big")
        body = frame[at + 3 : at + 1 + length]
        if marker == _SOI or length < 2 or len(body) != length - 2:
            raise DamagedError("its JPEG marker segments are damaged")
        at += 1 + length
        is_jpeg_ls = is_jpeg_ls or marker == _JPEG_LS
        start = at
        if marker == _SOS:
            end = (_JPEG_LS_END if is_jpeg_ls else _JPEG_END).search(frame, at)
            if end is None:
                raise DamagedError("it ends before JPEG's end of image")
            at = end.start()
        found.append((marker, body, frame[start:at]))


def _used(segments: list[_Segment]) -> frozenset[tuple[int, int]]:
    """The tables that the image needs: of quantization by (marker, number), of Huffman codes so."""
    found: set[tuple[int, int]] = set()
    is_lossless = any(marker == _LOSSLESS for marker, _, _ in segments)
    for marker, body, _ in segments:
        if marker in _FRAMES:
            found |= {(_DQT, number) for number in body[8::3]}
        elif marker == _SOS:
            for selected in body[2 : 1 + 2 * body[0] : 2] if body else b"":
                found.add((_DHT, selected >> 4))
                if not is_lossless:
                    found.add((_DHT, 0x10 | selected & 0x0F))
    return frozenset(found)


def _exact(size: Callable[[bytes], int]) -> "_Rule":
    """A segment whose length follows from what it says."""

    def kept(body: bytes, tables: frozenset[tuple[int, int]]) -> bytes:
        if not body or len(body) != size(body):
            raise DamagedError("its JPEG marker segments are not as long as they say")
        return body

    return kept


def _tables(marker: int, size: Callable[[bytes], int]) -> "_Rule":
    """A segment of tables, each of which begins with its number: those that are used."""

    def kept(body: bytes, tables: frozenset[tuple[int, int]]) -> bytes:
        out, at = b"", 0
        while at < len(body):
            end = at + size(body[at:])
            if end > len(body):
                raise DamagedError("its JPEG tables are damaged")
            # The precision of quantization is beside the number.
            number = body[at] & (0x0F if marker == _DQT else 0x1F)
            out += body[at:end] if (marker, number) in tables else b""
            at = end
        return out

    return kept


def _application(starts: bytes, of_body: Callable[[bytes], bytes]) -> "_Rule":
    """What decoders heed of an application's segment: which colours, in canonical form."""
    return lambda body, tables: of_body(body) if body.startswith(starts) else b""


def _preset(body: bytes, tables: frozenset[tuple[int, int]]) -> bytes:
    if body[:1] != b"\1" or len(body) != 11:
        raise DamagedError("it has JPEG-LS parameters that are not known here")
    return body


_Rule = Callable[[bytes, frozenset[tuple[int, int]]], bytes]
# What is kept of each marker's segment; of all others nothing is.
_RULES: dict[int, _Rule] = {
    **{marker: _exact(lambda body: 6 + 3 * body[5] if len(body) > 5 else 0) for marker in _FRAMES},
    _SOS: _exact(lambda body: 4 + 2 * body[0]),
    _DHT: _tables(_DHT, lambda table: 17 + sum(table[1:17])),
    _DQT: _tables(_DQT, lambda table: 129 if table[0] >> 4 else 65),
    0xDC: _exact(lambda body: 2),  # number of lines
    0xDD: _exact(lambda body: 2),  # restart interval
    0xE0: _application(b"JFIF\0", lambda body: _JFIF),
    0xE8: _application(b"mrfx", lambda body: body[:5]),  # colours of JPEG-LS
    0xEE: _application(b"Adobe", lambda body: _ADOBE + body[11:12].rjust(1, b"\0")),
    0xF8: _preset,
}


def rle(frame: bytes, segment_bytes: int, tables: list[bytes]) -> bytes:
    """A frame of RLE (PS3.5 annex G), its segments without gaps; raises DamagedError.

    `tables` translate the bytes of each segment, of `segment_bytes` when decoded.
    """
    if len(frame) < 64:
        raise DamagedError("it is shorter than the header of RLE")
    count, *offsets = struct.unpack_from("<16I", frame)
    starts = offsets[:count]
    if count != len(tables) or starts != sorted(starts) or starts[0] < 64:
        raise DamagedError("its RLE header is damaged")
    out, at = [], 64
    for start, end, table in zip(starts, [*starts[1:], len(frame)], tables, strict=True):
        out.append(_segment(frame[start:end], segment_bytes, table))
    sizes = [len(one) for one in out]
    offsets = [at + sum(sizes[:number]) for number in range(count)]
    return struct.pack("<16I", count, *offsets, *[0] * (15 - count)) + b"".join(out)


def _segment(coded: bytes, size: int, table: bytes) -> bytes:
    """As much of it as the image needs."""
    out, at, found = bytearray(), 0, 0
    while found < size:
        control = coded[at : at + 1]
        if not control:
            raise DamagedError("an RLE segment does not fill its part of the image")
        literal = control[0] + 1 if control[0] < 128 else int(control[0] > 128)
        if literal:
            values = coded[at + 1 : at + 1 + literal]
            if len(values) != literal:
                raise DamagedError("an RLE segment does not fill its part of the image")
            run = 0 if control[0] < 128 else min(257 - control[0], size - found)
            values = values[: size - found].translate(table)
            out += bytes([257 - run if run > 1 else len(values) - 1]) + values
            found += run or len(values)
        at += 1 + literal
    return bytes(out + b"\0" * (len(out) % 2))
