"""The codestream of JPEG and JPEG-LS (ISO 10918-1 annex B, ISO 14495-1 annex C)."""

import re
import struct

from scp.copies.conversion.codecs.codestream import RGB, YBR, DamagedError, Stream

_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
# Baseline, extended, progressive, lossless; those with arithmetic coding or hierarchies are not
# read.
_FRAMES = {0xC0, 0xC1, 0xC2, _LOSSLESS, _JPEG_LS}
_OTHER_FRAMES = {0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_SOI, _EOI, _SOS, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
# Where coded data end: a marker that is neither a stuffed byte nor a restart.
_JPEG_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JPEG_LS_END = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
_RGB_COMPONENTS = (b"RGB", b"rgb")


def inspect(frame: bytes) -> Stream:
    """The header of a JPEG or JPEG-LS frame; raises DamagedError where it does not reach EOI."""
    if not frame.startswith(b"\xff\xd8\xff"):
        raise DamagedError("it does not start as JPEG does")
    segments: dict[int, bytes] = {}
    last_scan, at = b"", 2
    while True:
        marker, at = _marker(frame, at)
        if marker == _EOI:
            break
        length = int.from_bytes(frame[at : at + 2], "big")
        body = frame[at + 2 : at + length]
        if length < 2 or len(body) != length - 2:
            raise DamagedError("it ends inside of a JPEG marker segment")
        at += length
        if marker in _FRAMES | _OTHER_FRAMES and _FRAMES & segments.keys():
            raise DamagedError("it holds more than one JPEG frame header")
        segments.setdefault(marker, body)
        if marker == _SOS:
            last_scan = body
            end = (_JPEG_LS_END if _JPEG_LS in segments else _JPEG_END).search(frame, at)
            if end is None:
                raise DamagedError("it ends before JPEG's end of image")
            at = end.start()
    if frame.find(b"\xff\xd8\xff", at) >= 0:
        raise DamagedError("another image follows in the same frame")
    return _stream(segments, last_scan)


def _marker(frame: bytes, at: int) -> tuple[int, int]:
    """The marker at an offset, and the offset behind it."""
    start = at
    while frame[at : at + 1] == b"\xff":
        at += 1
    if at == start or at >= len(frame):
        raise DamagedError("it ends before JPEG's end of image, or is no JPEG")
    return frame[at], at + 1


def _stream(segments: dict[int, bytes], last_scan: bytes) -> Stream:
    process = next((marker for marker in segments if marker in _FRAMES), 0)
    header = segments.get(process, b"")
    if not process or not last_scan:
        other = _OTHER_FRAMES & segments.keys()
        raise DamagedError("a JPEG process that nothing here reads" if other else "it has no image")
    samples = header[5] if len(header) > 5 else 0
    if len(header) != 6 + 3 * samples or len(last_scan) < 4:
        raise DamagedError("its JPEG frame header is damaged")
    precision, rows, columns = struct.unpack_from(">BHH", header)
    near, approximation = last_scan[-3], last_scan[-1] & 0x0F
    # A lossless process with a point transform drops bits.
    lossy = {_JPEG_LS: near > 0, _LOSSLESS: approximation > 0}.get(process, True)
    discrete_cosine = process not in (_LOSSLESS, _JPEG_LS)
    return Stream(
        rows,
        columns,
        samples,
        precision,
        is_lossy=lossy,
        # Lossless processes change no colours: they are what the data set says.
        colour=_colour(segments, header[6::3]) if discrete_cosine else "",
        is_discrete_cosine=discrete_cosine,
        is_near_lossless=process == _JPEG_LS and near > 0,
        process=process,
        selection=near,  # both are the same byte
    )


def _colour(segments: dict[int, bytes], components: bytes) -> str:
    """What the stream says of its colours; PS3.5 8.2: it goes before the data set."""
    if components in _RGB_COMPONENTS:
        return RGB
    if segments.get(_APP0, b"").startswith(b"JFIF\0"):
        return YBR
    adobe = segments.get(_APP14, b"")
    if adobe.startswith(b"Adobe") and len(adobe) >= 12:
        return {0: RGB, 1: YBR}.get(adobe[11], "")
    return ""
