"""Where the elements of a data set lie in a file: read level by level, values left undecoded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from scp.copies.conversion.data_set.errors import TranscodeError
from storage.dicom.data_sets import WHOLE, ReadBudget
from storage.dicom.values import LONG_FORM_VRS, SHORT_FORM_VRS

PIXEL_DATA = 0x7FE00010
# Zeros in the place of what ends the fragments, or behind the data set.
_MOST_PADDING = 1 << 16
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
_DELIMITERS = 0xFFFE

_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_SHORT_FORM = frozenset(vr.encode() for vr in SHORT_FORM_VRS)
_VRS = {vr.encode(): vr for vr in LONG_FORM_VRS | SHORT_FORM_VRS}
_explicit, _length = struct.Struct("<HH2sH").unpack_from, struct.Struct("<I").unpack_from
_EMPTY_ITEMS = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack(">HHI", 0xFFFE, 0xE000, 0)
# Holds most headers but for their pixels.
_WINDOW_BYTES = 4096
_CHUNK = 1 << 20
# Far beyond any IOD; what is beyond these is made to exhaust who reads it.
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_MAX_FRAGMENTS = 1_000_000


class StoredElement(NamedTuple):
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


class StoredItem(NamedTuple):
    """An item of a sequence."""

    elements: list[StoredElement]
    is_undefined: bool


class Span(NamedTuple):
    """Bytes of the source."""

    start: int
    length: int


@dataclass(frozen=True)
class DataSetSource:
    """A data set in a file, `start` to `end`; raises TranscodeError where it is not a whole one."""

    file: BinaryIO
    start: int
    end: int
    implicit_vr: bool
    little_endian: bool
    # Each head counts each time that it is looked at. Raises BudgetError.
    budget: ReadBudget = field(default_factory=lambda: ReadBudget(WHOLE), compare=False)

    def elements(self) -> list[StoredElement]:
        """The elements of the data set itself."""
        return self._level(self.start, self.end, 0)[0]

    def elements_before(self, tag: int) -> list[StoredElement]:
        """Those in front of the first element of `tag` or a higher one, which is not looked at."""
        found: list[StoredElement] = []
        at = self.start
        while at + 8 <= self.end:
            next_tag, head = self._head(at)
            if next_tag >= tag:
                break
            if len(found) >= _MAX_ELEMENTS:
                raise TranscodeError(f"more than {_MAX_ELEMENTS} elements at one level")
            found.append(self._element(at, next_tag, head, self.end, 0))
            at = found[-1].end
        return found

    def items(self, sequence: StoredElement, depth: int) -> Iterator[StoredItem]:
        """The items of a sequence; `depth` is that of their elements, 1 in the data set itself."""
        for start, end, elements in self._items(sequence, depth):
            if elements is None:
                yield StoredItem(self._level(start, end, depth)[0], is_undefined=False)
            else:
                yield StoredItem(elements, is_undefined=True)

    def fragments(self, encapsulated: StoredElement) -> list[Span]:
        """The items of an encapsulated value: the Basic Offset Table first (PS3.5 A.4)."""
        found: list[Span] = []
        for start, end, elements in self._items(encapsulated, 0):
            if elements is not None:
                raise TranscodeError("a fragment of the Pixel Data has no length")
            if len(found) >= _MAX_FRAGMENTS:
                raise TranscodeError(f"more than {_MAX_FRAGMENTS} fragments")
            found.append(Span(start, end - start))
        return found

    def is_delimited(self, sequence: StoredElement) -> bool:
        """Whether one of undefined length ends in a delimiter."""
        return self._head(max(sequence.end - 8, sequence.start))[0] == SEQUENCE_END

    def in_implicit(self) -> "DataSetSource":
        """The same bytes seen as Implicit VR Little Endian, as the value of UN (PS3.5 6.2.2)."""
        return DataSetSource(self.file, self.start, self.end, True, True, self.budget)

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

    def _level(self, at: int, stop: int | None, depth: int) -> tuple[list[StoredElement], int]:
        """The elements from `at` to `stop`, or to the item's delimiter; and where they end."""
        if depth > _MAX_DEPTH:
            raise TranscodeError(f"sequences are nested more than {_MAX_DEPTH} deep")
        limit = self.end if stop is None else stop
        found, at = self._ordinary(at, limit) if not depth else ([], at)
        while at != stop:
            if at + 8 > limit and depth == 0 and not any(self.read(Span(at, limit - at))):
                break  # padding
            tag, head = self._head(at)
            if stop is None and tag in (ITEM_END, SEQUENCE_END):  # which also ends its last item
                return found, at + 8 * (tag == ITEM_END)
            if found and (tag in (ITEM_END, SEQUENCE_END) or head in _EMPTY_ITEMS):
                at += 8  # of nothing
                continue
            if len(found) >= _MAX_ELEMENTS:
                raise TranscodeError(f"more than {_MAX_ELEMENTS} elements at one level")
            found.append(self._element(at, tag, head, limit, depth))
            at = found[-1].end
        return found, at

    def _ordinary(self, at: int, limit: int) -> tuple[list[StoredElement], int]:
        """The first elements, in explicit VR Little Endian up to one of undefined length, read at
        once; and where they end. Any others are none of them."""
        found: list[StoredElement] = []
        if self.implicit_vr or not self.little_endian:
            return found, at
        self.file.seek(at)
        window = self.file.read(min(_WINDOW_BYTES, limit - at))
        offset = 0
        while offset + 12 <= len(window):
            group, number, code, length = _explicit(window, offset)
            start = offset + 8
            if code in _LONG_FORM:
                (length,) = _length(window, start)
                start += 4
            end = start + length
            if group == _DELIMITERS or code not in _VRS or at + end > limit:
                break
            self.budget.head(window[offset : offset + 8])
            tag = group << 16 | number
            found.append(StoredElement(tag, _VRS[code], at + start, length, at + end))
            offset = end
        return found, at + offset

    def _head(self, at: int) -> tuple[int, bytes]:
        """The tag at an offset, and it with the four bytes behind it."""
        head = self.read(Span(at, 8))
        self.budget.head(head)
        group, number = struct.unpack_from("<HH" if self.little_endian else ">HH", head)
        return group << 16 | number, head

    def _long(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.little_endian else "big")

    def _element(self, at: int, tag: int, head: bytes, stop: int, depth: int) -> StoredElement:
        if tag >> 16 == _DELIMITERS:
            raise TranscodeError(f"{name(tag)} at byte {at} does not belong in a data set")
        vr, start, length = self._measured(at, tag, head, stop)
        element = StoredElement(tag, vr.decode(), start, length, start + length)
        if length == UNDEFINED:
            element = self._delimited(element, depth)
        if element.end > stop:
            raise TranscodeError(f"the value of {name(tag)} ends beyond what holds it")
        return element

    def _measured(self, at: int, tag: int, head: bytes, stop: int) -> tuple[bytes, int, int]:
        """The VR of an element, empty where it has none; where its value starts, and its length."""
        vr, start = head[4:6], at + 8
        if self.implicit_vr and (belongs(tag) or vr not in _SHORT_FORM | _LONG_FORM):
            return b"", start, self._long(head[4:])
        # File Meta Information that was left in front of a data set is explicit, whatever that is.
        if vr in _LONG_FORM:
            return vr, start + 4, self._long(self.read(Span(start, 4)))
        if vr in _SHORT_FORM:
            return vr, start, self._long(head[6:])
        # A VR that is none, or none at all: some writers change to Implicit VR inside of a sequence
        # (pydicom reads that, too), some write blanks or what PS3.5 6.2 does not have. Of the ways
        # to read on, the first that comes to another element.
        implicit = self._long(head[4:])
        for value_at, length in ((start, self._long(head[6:])), (start + 4, None)):
            if length is None and value_at <= stop:
                length = self._long(self.read(Span(start, 4)))
            if length is not None and self._goes_on(value_at + length, tag, stop):
                return b"", value_at, length
        return b"", start, implicit

    def _goes_on(self, at: int, tag: int, stop: int) -> bool:
        """Whether what holds the element `tag` ends here, or goes on with one behind it."""
        if at + 8 > stop:
            return at == stop
        next_tag, head = self._head(at)
        if next_tag >> 16 == _DELIMITERS:
            return True
        return next_tag > tag and head[4:6] in _SHORT_FORM | _LONG_FORM

    def _delimited(self, element: StoredElement, depth: int) -> StoredElement:
        """An element of undefined length, with its end found."""
        if element.vr == "UN":
            implicit = self.in_implicit()
            try:
                for _ in implicit.items(element, depth + 1):
                    pass
                return element._replace(end=implicit._end(element, depth))
            except TranscodeError:  # not as PS3.5 6.2.2 has it: a sequence in its own encoding
                element = element._replace(vr="SQ")
        return element._replace(end=self._end(element, depth))

    def _end(self, sequence: StoredElement, depth: int) -> int:
        ends = [end for _, end, _ in self._items(sequence, depth + 1)]
        return min((ends[-1] if ends else sequence.start) + 8, self.end)

    def _is_over(self, at: int) -> bool:
        """Whether nothing comes, or zeros: some writers leave out the delimiter of fragments."""
        left = self.end - at
        return left <= _MOST_PADDING and not any(self.read(Span(at, left)))

    def _is_item(self, at: int) -> bool:
        return at + 8 <= self.end and self._head(at)[0] == ITEM

    def _items(
        self, sequence: StoredElement, depth: int
    ) -> Iterator[tuple[int, int, list[StoredElement] | None]]:
        """Where each item starts and ends, with the elements of one of undefined length."""
        at, stop = sequence.start, None if sequence.is_undefined else sequence.end
        while at != stop:
            if stop is None and sequence.tag == PIXEL_DATA and self._is_over(at):
                return
            tag, head = self._head(at)
            if tag == SEQUENCE_END and stop is None:
                if depth != 1 or not self._is_item(at + 8):
                    return
                at += 8  # in front of another item
                continue
            if tag in (ITEM_END, SEQUENCE_END):
                at += 8  # behind an item, or a sequence, whose length is told
                continue
            if tag != ITEM:
                raise TranscodeError(f"{name(sequence.tag)} is not a sequence of items")
            elements, start, length = None, at + 8, self._long(head[4:])
            at = start + length
            if length == UNDEFINED:
                elements, at = self._level(start, None, depth)
            if at > (self.end if stop is None else stop):
                raise TranscodeError(f"an item of {name(sequence.tag)} ends beyond it")
            yield start, at, elements


def belongs(tag: int) -> bool:
    """Whether an element can be one of a data set, and not of a command or of a file's header.

    Groups below 0008 are those of command sets, File Meta Information and directories.
    """
    return tag >> 16 >= 0x0008


def name(tag: int) -> str:
    """A tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
