"""The codestream of JPEG 2000 and HTJ2K (ISO 15444-1 annex A, ISO 15444-15)."""

import struct

from scp.copies.conversion.codecs.codestream import RGB, DamagedError, Stream

_SIZ, _COD, _SOT, _EOC = 0xFF51, 0xFF52, 0xFF90, b"\xff\xd9"
_JP2 = b"\0\0\0\x0cjP  "
_REVERSIBLE = 1


def inspect(frame: bytes) -> tuple[Stream, bytes]:
    """The header of a JPEG 2000 frame, and the codestream without a file format around it.

    Raises DamagedError where not all of its tiles are there.
    """
    if frame.startswith(_JP2):  # PS3.5 A.4.4 does not have it, but it is sent
        frame = codestream_in(frame)
    if not frame.startswith(b"\xff\x4f\xff\x51"):
        raise DamagedError("it does not start as JPEG 2000 does")
    segments: dict[int, bytes] = {}
    at = 2
    while True:
        marker, length = struct.unpack(">HH", part_of(frame, at, 4))
        if marker == _SOT:
            break
        if marker < 0xFF00 or length < 2:
            raise DamagedError("its JPEG 2000 header is damaged")
        segments[marker] = part_of(frame, at + 4, length - 2)
        at += 2 + length
    stream, tiles = _stream(segments)
    end = _behind_tiles(frame, at, tiles)
    if frame.find(b"\xff\x4f\xff\x51", end) >= 0:
        raise DamagedError("another image follows in the same frame")
    return stream, frame[:end]


def codestream_in(frame: bytes) -> bytes:
    """What is in the contiguous codestream box of a JP2 file (ISO 15444-1 annex I).

    Raises DamagedError.
    """
    at = 0
    while True:
        length, kind = struct.unpack(">I4s", part_of(frame, at, 8))
        head = 8
        if length == 1:
            length, head = struct.unpack(">Q", part_of(frame, at + 8, 8))[0], 16
        if kind == b"jp2c":
            return frame[at + head : at + length if length else None]
        if length < head:
            raise DamagedError("its JP2 boxes are damaged")
        at += length


def _stream(segments: dict[int, bytes]) -> tuple[Stream, int]:
    size, coding = segments.get(_SIZ, b""), segments.get(_COD, b"")
    if len(size) < 36 or len(coding) < 10:
        raise DamagedError("its JPEG 2000 header is damaged")
    _, right, bottom, left, top, width, height, x, y, samples = struct.unpack_from(">H8IH", size)
    if len(size) != 36 + 3 * samples or not width or not height or right <= left or bottom <= top:
        raise DamagedError("its JPEG 2000 header is damaged")
    depths = set(size[36::3])
    if len(depths) != 1:
        raise DamagedError("its components differ in depth")
    # The data set has a sample of each pixel. What OpenJPEG makes up for those that are not there
    # is not in the image, and it changes the colours without a word.
    if set(size[37::3]) | set(size[38::3]) != {1}:
        raise DamagedError("its components do not have a sample of each pixel")
    tiles = -((x - right) // width) * -((y - bottom) // height)
    stream = Stream(
        bottom - top,
        right - left,
        samples,
        precision=(depths.pop() & 0x7F) + 1,
        is_lossy=None if coding[9] == _REVERSIBLE else True,
        colour=RGB if coding[4] else "",
    )
    return stream, tiles


def _behind_tiles(frame: bytes, at: int, tiles: int) -> int:
    """Go from tile-part to tile-part; the offset behind the end of codestream."""
    seen: set[int] = set()
    while frame[at : at + 2] != _EOC:
        marker, _, tile, length = struct.unpack(">HHHI", part_of(frame, at, 10))
        if marker != _SOT:
            raise DamagedError("its JPEG 2000 tile-parts are damaged")
        seen.add(tile)
        if length == 0:  # the last one, as far as the stream goes
            at = frame.rfind(_EOC)
            break
        if length < 14:
            raise DamagedError("its JPEG 2000 tile-parts are damaged")
        at += length
    if at < 0 or len(seen) != tiles:
        raise DamagedError(f"it has {len(seen)} of {tiles} JPEG 2000 tiles")
    return at + 2


def part_of(frame: bytes, at: int, length: int) -> bytes:
    """So many bytes of a frame. Raises DamagedError where it ends before."""
    part = frame[at : at + length]
    if len(part) != length:
        raise DamagedError("it ends before JPEG 2000's end of codestream")
    return part
