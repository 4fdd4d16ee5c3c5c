"""ICC profiles with the colours that are in them, and no words, names or dates (ISO 15076-1)."""

import struct
from collections.abc import Callable

MOST_BYTES = 16 * 1024 * 1024
_HEAD_BYTES, _ENTRY_BYTES = 128, 12
_CLASSES = frozenset({b"scnr", b"mntr", b"prtr", b"spac"})
_SPACES, _CONNECTIONS = frozenset({b"RGB ", b"GRAY", b"CMYK"}), frozenset({b"XYZ ", b"Lab "})
_PARAMETERS = (1, 3, 4, 5, 7)
_NAMED = (b"desc", b"cprt")


def _curve(data: bytes) -> int:
    return 12 + 2 * _long(data, 8)


def _parametric(data: bytes) -> int:
    function = int.from_bytes(data[8:10], "big")
    return 12 + 4 * _PARAMETERS[function] if function < len(_PARAMETERS) else 0


def _table(data: bytes, samples: int) -> int:
    """Tables of 8 or 16 bits: curves of each channel in, a grid, curves of each channel out."""
    inputs, outputs, points = data[8], data[9], data[10]
    if samples == 1:
        return int(48 + 256 * inputs + points**inputs * outputs + 256 * outputs)
    entries_in, entries_out = struct.unpack_from(">HH", data, 48)
    return int(52 + 2 * (entries_in * inputs + points**inputs * outputs + entries_out * outputs))


# How long the value of each tag is, by its type; others may hold anything.
_SIZES: dict[bytes, Callable[[bytes], int]] = {
    b"XYZ ": lambda data: 20,
    b"curv": _curve,
    b"para": _parametric,
    b"sf32": lambda data: 44,
    b"mft1": lambda data: _table(data, 1),
    b"mft2": lambda data: _table(data, 2),
}
_TAGS = frozenset(
    b"rXYZ gXYZ bXYZ wtpt bkpt rTRC gTRC bTRC kTRC chad A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 gamt".split()
)


def cleaned(profile: bytes) -> bytes:
    """The profile; empty where it is none, or holds its colours in a way that is not known here."""
    try:
        found = _tags(profile)
    except (struct.error, IndexError):
        return b""
    head = profile[:_HEAD_BYTES]
    is_known = head[12:16] in _CLASSES and head[16:20] in _SPACES and head[20:24] in _CONNECTIONS
    if not found or not is_known or head[36:40] != b"acsp":
        return b""
    words = _described if head[8] < 4 else _localized
    return _written(head, {**{name: words(name) for name in _NAMED}, **found})


def _tags(profile: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for number in range(min(_long(profile, _HEAD_BYTES), 100)):
        at = _HEAD_BYTES + 4 + number * _ENTRY_BYTES
        tag, offset, length = struct.unpack(">4sII", profile[at : at + _ENTRY_BYTES])
        if tag not in _TAGS:
            continue
        value = profile[offset : offset + length]
        size = _SIZES[value[:4]](value) if value[:4] in _SIZES else 0
        if not size or len(value) < size:
            return {}  # of a kind that is not known here
        found[tag] = value[:4] + bytes(4) + value[8:size]
    return found


def _written(head: bytes, tags: dict[bytes, bytes]) -> bytes:
    entries, values = b"", b""
    first = _HEAD_BYTES + 4 + _ENTRY_BYTES * len(tags)
    for tag, value in tags.items():
        entries += struct.pack(">4sII", tag, first + len(values), len(value))
        values += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + entries + values
    # Version, class, colour spaces; a date that is none; intent and illuminant.
    kept = bytes([head[8], head[9]]) + bytes(2) + head[12:24]
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    intent = bytes(3) + bytes([head[67] & 3])
    start = struct.pack(">I4x", _HEAD_BYTES + len(body)) + kept + date + b"acsp" + bytes(24)
    return start + intent + head[68:80] + bytes(48) + body


def _described(name: bytes) -> bytes:
    if name == b"cprt":
        return b"text" + bytes(4) + b"REMOVED\0"
    return b"desc" + struct.pack(">4xI", 8) + b"REMOVED\0" + bytes(4 + 4 + 2 + 1 + 67)


def _localized(name: bytes) -> bytes:
    words = "REMOVED".encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", len(words), 28) + words


def _long(data: bytes, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])
