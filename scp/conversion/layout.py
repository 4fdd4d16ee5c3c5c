"""Where the elements of a data set lie in a file: read level by level, values left undecoded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from scp.conversion.errors import TranscodeError
from storage.values import LONG_FORM_VRS

PIXEL_DATA = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_SHORT_FORM = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)  # fmt: skip
_CHUNK = 1 << 20
# Far beyond any IOD; what is beyond these is made to exhaust who reads it.
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_MAX_FRAGMENTS = 1_000_000


class Element(NamedTuple):
    """An element as it lies: `vr` is empty where it is implicit; offsets are the source's.

    `end` is behind the value, and behind its delimiter where the length is undefined.
    """

    tag: int
    vr: str
    start: int
    length: int
    end: int

    @property
    def is_undefined(self) -> bool:
        """Whether a delimiter ends the value."""
        return self.length == UNDEFINED


class Item(NamedTuple):
    """An item of a sequence."""

    elements: list[Element]
    is_undefined: bool


class Span(NamedTuple):
    """Bytes of the source."""

    start: int
    length: int


@dataclass(frozen=True)
class Source:
    """A data set in a file, `start` to `end`; raises TranscodeError where it is not a whole one."""

    file: IO[bytes]
    start: int
    end: int
    implicit_vr: bool
    little_endian: bool

    def elements(self) -> list[Element]:
        """The elements of the data set itself."""
        return self.level(self.start, self.end, 0)[0]

    def level(self, at: int, stop: int | None, depth: int) -> tuple[list[Element], int]:
        """The elements from `at` to `stop`, or to the item's delimiter; and where they end."""
        if depth > _MAX_DEPTH:
            raise TranscodeError(f"sequences are nested more than {_MAX_DEPTH} deep")
        found: list[Element] = []
        while at != stop:
            if at + 8 > self.end and depth == 0 and not any(self.read(Span(at, self.end - at))):
                break  # padding
            tag = self._tag(at)
            if tag == ITEM_END and stop is None:
                return found, at + 8
            element = self._element(at, tag, self.end if stop is None else stop, depth)
            if len(found) >= _MAX_ELEMENTS:
                raise TranscodeError(f"more than {_MAX_ELEMENTS} elements at one level")
            found.append(element)
            at = element.end
        return found, at

    def items(self, sequence: Element, depth: int) -> Iterator[Item]:
        """The items of a sequence; `depth` is the one of its items."""
        for start, length, end in self._items(sequence, depth):
            if length == UNDEFINED:
                yield Item(self.level(start, None, depth)[0], True)
            else:
                yield Item(self.level(start, end, depth)[0], False)

    def fragments(self, encapsulated: Element) -> list[Span]:
        """The items of an encapsulated value: the Basic Offset Table first (PS3.5 A.4)."""
        found = []
        for start, length, _ in self._items(encapsulated, 0):
            if length == UNDEFINED:
                raise TranscodeError("a fragment of the Pixel Data has no length")
            if len(found) >= _MAX_FRAGMENTS:
                raise TranscodeError(f"more than {_MAX_FRAGMENTS} fragments")
            found.append(Span(start, length))
        return found

    def in_implicit(self) -> "Source":
        """The same bytes seen as Implicit VR Little Endian, as the value of UN (PS3.5 6.2.2)."""
        return Source(self.file, self.start, self.end, True, True)

    def read(self, span: Span) -> bytes:
        """Bytes of the source; raises TranscodeError where they are not there."""
        self.file.seek(span.start)
        data = self.file.read(span.length)
        if len(data) < span.length:
            raise TranscodeError(f"the data set ends early, at byte {self.end}")
        return data

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Bytes of the source in pieces, each but the last a multiple of 8."""
        for at in range(start, end, _CHUNK):
            yield self.read(Span(at, min(_CHUNK, end - at)))

    def _tag(self, at: int) -> int:
        group, number = struct.unpack("<HH" if self.little_endian else ">HH", self._head(at)[:4])
        return int(group << 16 | number)

    def _head(self, at: int) -> bytes:
        return self.read(Span(at, 8))

    def _element(self, at: int, tag: int, stop: int, depth: int) -> Element:
        if tag >> 16 in (0x0000, 0x0002, 0xFFFE):
            raise TranscodeError(f"{name(tag)} at byte {at} does not belong in a data set")
        head, order = self._head(at), "<" if self.little_endian else ">"
        vr, start = head[4:6], at + 8
        # Some writers change to Implicit VR inside of a sequence; pydicom reads that, too.
        if self.implicit_vr or not b"AA" <= vr <= b"ZZ":
            vr, length = b"", struct.unpack_from(f"{order}I", head, 4)[0]
        elif vr in _LONG_FORM:
            start += 4
            length = struct.unpack(f"{order}I", self.read(Span(at + 8, 4)))[0]
        elif vr in _SHORT_FORM:
            length = struct.unpack_from(f"{order}H", head, 6)[0]
        else:
            raise TranscodeError(f"{name(tag)} has the VR {vr!r}, which nobody knows")
        element = Element(tag, vr.decode(), start, length, start + length)
        if length == UNDEFINED:
            element = self._delimited(element, depth)
        if element.end > stop:
            raise TranscodeError(f"the value of {name(tag)} ends beyond the data set")
        return element

    def _delimited(self, element: Element, depth: int) -> Element:
        """An element of undefined length, with its end found."""
        if element.vr == "UN":
            try:
                return element._replace(end=self.in_implicit()._end(element, depth))
            except TranscodeError:  # not as PS3.5 6.2.2 has it: a sequence in its own encoding
                element = element._replace(vr="SQ")
        return element._replace(end=self._end(element, depth))

    def _end(self, element: Element, depth: int) -> int:
        at = element.start
        for start, length, end in self._items(element, depth + 1):
            at = self.level(start, None, depth + 1)[1] if length == UNDEFINED else end
        return at + 8

    def _items(self, sequence: Element, depth: int) -> Iterator[tuple[int, int, int]]:
        """Start, length and end of each item; the end of one of undefined length is not told."""
        at, stop = sequence.start, None if sequence.is_undefined else sequence.end
        order = "<" if self.little_endian else ">"
        while at != stop:
            tag, length = self._tag(at), struct.unpack_from(f"{order}I", self._head(at), 4)[0]
            if tag == SEQUENCE_END and stop is None:
                return
            if tag != ITEM:
                raise TranscodeError(f"{name(sequence.tag)} is not a sequence of items")
            start = at + 8
            end = start + length if length != UNDEFINED else self.level(start, None, depth)[1]
            if end > (self.end if stop is None else stop):
                raise TranscodeError(f"an item of {name(sequence.tag)} ends beyond it")
            yield start, length, end
            at = end


def name(tag: int) -> str:
    """A tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
