"""Binary values that other attributes describe: what is behind their end is not one of them."""

import struct
from collections.abc import Iterator

from scp.copies.conversion.data_set import Made, Scope, StoredElement, swapped, unit

_CHANNELS, _SAMPLES, _BITS = 0x003A0005, 0x003A0010, 0x54001004
_TABLES = {
    0x00283006: 0x00283002,  # LUT Data
    **{0x00281201 + number: 0x00281101 + number for number in range(3)},  # palettes
    0x00281204: 0x00281104,
}
_WAVEFORM = 0x54001010


def cut(element: StoredElement, vr: str, scope: Scope) -> Made | None:
    """A value that is longer than it should be, as long as it should be; None: it is not."""
    size = described(element, scope)
    if not size or element.length <= size + size % 2:
        return None
    source = scope.source
    chunks: Iterator[bytes] = source.chunks(element.start, element.start + size)
    if not source.little_endian and unit(vr) > 1:
        chunks = swapped(vr, chunks)
    return Made(element.tag, vr, size + size % 2, [*chunks, bytes(size % 2)])


def described(element: StoredElement, scope: Scope) -> int:
    """How many bytes a value takes by what describes it; 0: nothing does."""
    if element.tag == _WAVEFORM:
        samples = _number(scope, _SAMPLES, "I")
        return _number(scope, _CHANNELS, "H") * samples * _number(scope, _BITS, "H") // 8
    if element.tag not in _TABLES:
        return 0
    descriptor = scope.value(_TABLES[element.tag], 6)
    if len(descriptor) < 6:
        return 0
    order = "<" if scope.source.little_endian else ">"
    entries, _, bits = struct.unpack(f"{order}3H", descriptor)
    entries = entries or 1 << 16  # PS3.3 C.11.1.1
    # Entries of 8 bits may be one byte each, or the lower one of two.
    small = bits <= 8 and element.length < 2 * entries
    return int(entries if small else 2 * entries)


def _number(scope: Scope, tag: int, kind: str) -> int:
    data = scope.value(tag, struct.calcsize(f"<{kind}"))
    order = "<" if scope.source.little_endian else ">"
    try:
        return int(struct.unpack(f"{order}{kind}", data)[0])
    except struct.error:
        return 0
