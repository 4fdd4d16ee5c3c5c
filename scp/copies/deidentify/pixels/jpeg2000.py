"""JPEG 2000 and HTJ2K with nothing but what decoding needs (ISO 15444-1 annex A, ISO 15444-15)."""

import struct

from scp.copies.conversion.codecs import DamagedError, codestream_in, part_of

_SOC, _EOC = b"\xff\x4f", b"\xff\xd9"
_JP2 = b"\0\0\0\x0cjP  "
_SOT, _SOD, _TLM = 0xFF90, 0xFF93, 0xFF55
_SIZ, _COD, _COC, _QCD = 0xFF51, 0xFF52, 0xFF53, 0xFF5C
# Size, extended capabilities, profile, coding, quantization, regions of interest, progression,
# packed packet headers. Not comments, and no lengths of packets.
_KEPT = frozenset({
    0xFF50, 0xFF51, 0xFF52, 0xFF53, 0xFF56, 0xFF59, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F, 0xFF60, 0xFF61,
})  # fmt: skip
_SOT_BYTES = 12
_MOST_LENGTHS = 10_000

_Segment = tuple[int, bytes]  # marker and body


def cleaned(frame: bytes) -> bytes:
    """A frame; the codestream alone, without boxes around it. Raises DamagedError."""
    if frame.startswith(_JP2):
        frame = codestream_in(frame)
    if not frame.startswith(b"\xff\x4f\xff\x51"):
        raise DamagedError("it does not start as JPEG 2000 does")
    main, at = _header(frame, len(_SOC), _SOT)
    levels = _levels(main)
    parts: list[tuple[int, bytes]] = []
    while frame[at : at + 2] != _EOC:
        tile, part, at = _tile_part(frame, at, levels)
        parts.append((tile, part))
    lengths = _lengths(parts) if any(marker == _TLM for marker, _ in main) else b""
    return b"".join([_SOC, _kept(main, levels), lengths, *(part for _, part in parts), _EOC])


def _header(frame: bytes, at: int, last: int) -> tuple[list[_Segment], int]:
    """The segments, and where the marker `last` lies behind them."""
    found: list[_Segment] = []
    while True:
        marker, length = struct.unpack(">HH", part_of(frame, at, 4))
        if marker == last:
            return found, at
        if marker < 0xFF00 or length < 2:
            raise DamagedError("its JPEG 2000 header is damaged")
        found.append((marker, part_of(frame, at + 4, length - 2)))
        at += 2 + length


def _levels(main: list[_Segment]) -> int | None:
    """Those of decomposition, where they are the same for all components."""
    found = [body[5] for marker, body in main if marker == _COD and len(body) > 5]
    return found[0] if found and all(marker != _COC for marker, _ in main) else None


def _kept(segments: list[_Segment], levels: int | None) -> bytes:
    out = b""
    for marker, body in segments:
        if marker in _KEPT:
            kept = body[: _size(marker, body, levels)]
            out += struct.pack(">HH", marker, len(kept) + 2) + kept
    return out


def _size(marker: int, body: bytes, levels: int | None) -> int:
    """How much of a segment means anything, where that follows from what is said."""
    if marker == _SIZ and len(body) >= 36:
        return int(36 + 3 * int.from_bytes(body[34:36], "big"))
    if marker == _COD and len(body) > 5:
        return 10 + (body[5] + 1) * (body[0] & 1)
    if marker == _QCD and body and levels is not None:
        steps = 3 * levels + 1
        return {0: 1 + steps, 1: 3, 2: 1 + 2 * steps}.get(body[0] & 0x1F, len(body))
    return len(body)


def _tile_part(frame: bytes, at: int, levels: int | None) -> tuple[int, bytes, int]:
    """The tile's number, the tile-part, and where it ends."""
    marker, size, tile, length, part, parts = struct.unpack(
        ">HHHIBB", part_of(frame, at, _SOT_BYTES)
    )
    if marker != _SOT or size != 10:
        raise DamagedError("its JPEG 2000 tile-parts are damaged")
    end = at + length if length else frame.rfind(_EOC)  # the last one, as far as the stream goes
    header, data = _header(frame, at + _SOT_BYTES, _SOD)
    if not data + 2 <= end <= len(frame):
        raise DamagedError("its JPEG 2000 tile-parts are damaged")
    if any(marker in (_COD, _COC) for marker, _ in header):
        levels = None  # the tile has its own
    body = _kept(header, levels) + frame[data:end]
    start = struct.pack(">HHHIBB", _SOT, 10, tile, _SOT_BYTES + len(body), part, parts)
    return tile, start + body, end


def _lengths(parts: list[tuple[int, bytes]]) -> bytes:
    """The tile-part lengths as they are then; HTJ2K with RPCL has them."""
    out = b""
    for number, first in enumerate(range(0, len(parts), _MOST_LENGTHS)):
        some = parts[first : first + _MOST_LENGTHS]
        body = b"".join(struct.pack(">HI", tile, len(part)) for tile, part in some)
        out += struct.pack(">HHBB", _TLM, 4 + len(body), number, 0x60) + body
    return out
