"""The VR of an element that does not say (PS3.5 7.1.3), and what depends on it."""

import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pydicom.datadict import dictionary_VR

from scp.copies.conversion.data_set.layout import PIXEL_DATA, DataSetSource, Span, StoredElement
from storage.dicom.values import SPACE_PADDED_VRS

BITS_ALLOCATED, PIXEL_REPRESENTATION = 0x00280100, 0x00280103
_LUT_DESCRIPTOR, _LUT_DATA, _WAVEFORM_BITS = 0x00283002, 0x00283006, 0x54001004
_WAVEFORM_DATA = frozenset({0x54000110, 0x54000112, 0x5400100A, 0x54001010})

# Bytes that change places between the byte orders (PS3.5 6.2, 7.3). UN is Little Endian always
# (PS3.5 6.2.2).
_UNITS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), ("H", 2)),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), ("I", 4)),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), ("Q", 8)),
}


@dataclass(frozen=True)
class Made:
    """An element in place of one that lies in the source, or beside it: Little Endian."""

    tag: int
    vr: str
    length: int
    value: Iterable[bytes]


@dataclass(frozen=True)
class Scope:
    """The elements around an element: those of its data set, and of those that hold that."""

    source: DataSetSource
    elements: list[StoredElement | Made]
    outer: "Scope | None" = field(default=None, repr=False)

    @property
    def depth(self) -> int:
        """0 for the data set itself."""
        return self.outer.depth + 1 if self.outer else 0

    def number(self, tag: int) -> int | None:
        """The first value of an element as unsigned 16 bits; None where there is none."""
        data = self.value(tag, 2)
        if len(data) < 2:
            return None
        held = self._by_tag[tag]
        little = isinstance(held, Made) or self.source.little_endian
        return int(struct.unpack("<H" if little else ">H", data)[0])

    def value(self, tag: int, limit: int) -> bytes:
        """The value of an element, as it lies, `limit` bytes at most; empty where there is none."""
        held = self._by_tag.get(tag)
        if isinstance(held, Made):
            return b"".join(held.value)[:limit]
        if held is None or held.is_undefined:
            return b""
        return self.source.read(Span(held.start, min(held.length, limit)))

    def nearest(self, tag: int) -> int | None:
        """The same as `number`, here or in the nearest of the data sets that hold this one."""
        found = self.number(tag)
        return found if found is not None or not self.outer else self.outer.nearest(tag)

    @cached_property
    def _by_tag(self) -> dict[int, StoredElement | Made]:
        return {element.tag: element for element in reversed(self.elements)}


def find(tag: int, scope: Scope) -> str:
    """The VR from the dictionary; of private and unknown elements UN."""
    group, number = tag >> 16, tag & 0xFFFF
    if number == 0:
        return "UL"
    if group % 2:
        return "LO" if 0x10 <= number <= 0xFF else "UN"  # private creators: PS3.5 7.8.1
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return vr if len(vr) == 2 else _choose(tag, vr, scope)


def _choose(tag: int, vr: str, scope: Scope) -> str:
    """One of several VRs, by the rules of PS3.5 A.2, as pydicom's correct_ambiguous_vr does."""
    if vr == "US or SS":
        return "SS" if scope.nearest(PIXEL_REPRESENTATION) == 1 else "US"
    if tag == PIXEL_DATA:
        return "OW" if (scope.number(BITS_ALLOCATED) or 16) > 8 else "OB"
    if tag in _WAVEFORM_DATA:
        return "OW" if (scope.number(_WAVEFORM_BITS) or 16) > 8 else "OB"
    if tag == _LUT_DATA and scope.number(_LUT_DESCRIPTOR) == 1:
        return "US"  # PS3.3 C.11.1.1.1
    return "OW"


def unit(vr: str) -> int:
    """How many bytes change places together."""
    return _UNITS.get(vr, ("", 1))[1]


def swapped(vr: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A value in the other byte order; what is left over at its end stays as it is."""
    code, size = _UNITS[vr]
    for chunk in chunks:
        whole = len(chunk) - len(chunk) % size
        words = array(code, chunk[:whole])
        words.byteswap()
        yield words.tobytes() + chunk[whole:]


def padded(vr: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A value of odd length, a byte longer (PS3.5 6.2): a space behind text, else NUL."""
    last = b""
    for chunk in chunks:
        if last:
            yield last
        last = chunk
    yield last + (b" " if vr in SPACE_PADDED_VRS else b"\0")
