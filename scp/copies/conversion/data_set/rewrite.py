"""A data set written in another transfer syntax, its values byte for byte, and padded."""

import struct
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from scp.copies.conversion.codecs import Syntax
from scp.copies.conversion.data_set.errors import TranscodeError
from scp.copies.conversion.data_set.layout import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    DataSetSource,
    StoredElement,
    belongs,
    name,
)
from scp.copies.conversion.data_set.vrs import (
    BITS_ALLOCATED,
    Made,
    Scope,
    find,
    padded,
    swapped,
    unit,
)
from storage.dicom.values import LONG_FORM_VRS

_MAX_SHORT_LENGTH = 0xFFFF

# What the elements of a data set, or of an item, become: Pixel Data decompressed.
Adapt = Callable[[Scope], list[StoredElement | Made]]


@dataclass(frozen=True)
class Writer:
    """Writes to `out`, which can be read and sought, in the encoding of `target`.

    What does not belong in a data set is left out.
    """

    out: BinaryIO
    target: Syntax
    adapt: Adapt
    keeps_group_lengths: bool

    def write(self, source: DataSetSource) -> None:
        """The whole data set; raises TranscodeError where the source is not one."""
        self._level(Scope(source, _belonging(source.elements())))

    def _level(self, scope: Scope) -> None:
        adapted = Scope(scope.source, self.adapt(scope), scope.outer)
        for element in adapted.elements:
            if element.tag & 0xFFFF == 0 and not self.keeps_group_lengths:
                continue  # a group length (retired), which would be wrong
            if isinstance(element, Made):
                self._made(element, adapted)
            else:
                self._stored(element, adapted)

    def _made(self, element: Made, scope: Scope) -> None:
        self._value(element.tag, element.vr, element.length, element.value, True, scope)

    def _stored(self, element: StoredElement, scope: Scope) -> None:
        source = scope.source
        vr = element.vr or find(element.tag, scope)
        if element.is_undefined and element.vr == "UN":
            # Implicit VR Little Endian inside, wherever it lies (PS3.5 6.2.2).
            self._head(element.tag, "UN", UNDEFINED)
            self._copy(source.chunks(element.start, element.end))
        elif vr == "SQ" or (element.is_undefined and vr == "UN"):
            self._sequence(element, scope)
        elif element.is_undefined:
            raise TranscodeError(f"{name(element.tag)} is encapsulated, and has no decoder")
        else:
            value = source.chunks(element.start, element.end)
            self._value(element.tag, vr, element.length, value, source.little_endian, scope)

    def _value(
        self,
        tag: int,
        vr: str,
        length: int,
        value: Iterable[bytes],
        little_endian: bool,
        scope: Scope,
    ) -> None:
        """Write an element whose value comes in the byte order told, of even length (PS3.5 7.1)."""
        if length % 2:
            length, value = length + 1, padded(vr, value)
        too_long = vr not in LONG_FORM_VRS and length > _MAX_SHORT_LENGTH
        written_as = "UN" if too_long else vr  # PS3.5 6.2.2
        self._head(tag, written_as, length)
        wants_little_endian = self.target.little_endian or written_as == "UN"
        if unit(vr) > 1 and little_endian != wants_little_endian:
            _check_samples(tag, scope)
            value = swapped(vr, value)
        self._copy(value)

    def _sequence(self, element: StoredElement, scope: Scope) -> None:
        start = self._head(element.tag, "SQ", UNDEFINED)
        for item in scope.source.items(element, scope.depth + 1):
            item_start = self._item_head(ITEM, UNDEFINED)
            self._level(Scope(scope.source, _belonging(item.elements), scope))
            self._close(item_start, item.is_undefined, ITEM_END)
        self._close(start, element.is_undefined, SEQUENCE_END)

    def _close(self, start: int, is_undefined: bool, delimiter: int) -> None:
        """Write the delimiter, or the length in the four bytes before `start`."""
        if is_undefined:
            self._item_head(delimiter, 0)
            return
        end = self.out.tell()
        if end - start >= UNDEFINED:
            raise TranscodeError("a sequence grows beyond the 4 GiB that its length can tell")
        self.out.seek(start - 4)
        self.out.write(struct.pack(f"{self._order}I", end - start))
        self.out.seek(end)

    def _head(self, tag: int, vr: str, length: int) -> int:
        """Write tag, VR and length (PS3.5 7.1); where the value starts."""
        group, number = tag >> 16, tag & 0xFFFF
        if self.target.implicit_vr:
            head = struct.pack(f"{self._order}HHI", group, number, length)
        elif vr in LONG_FORM_VRS:
            head = struct.pack(f"{self._order}HH2s2xI", group, number, vr.encode(), length)
        else:
            head = struct.pack(f"{self._order}HH2sH", group, number, vr.encode(), length)
        self.out.write(head)
        return self.out.tell()

    def _item_head(self, tag: int, length: int) -> int:
        self.out.write(struct.pack(f"{self._order}HHI", tag >> 16, tag & 0xFFFF, length))
        return self.out.tell()

    @property
    def _order(self) -> str:
        return "<" if self.target.little_endian else ">"

    def _copy(self, chunks: Iterable[bytes]) -> None:
        pieces = iter(chunks)
        try:
            for chunk in pieces:
                self.out.write(chunk)
        finally:
            if isinstance(pieces, Generator):  # which may hold what others wait for
                pieces.close()


def as_it_is(scope: Scope) -> list[StoredElement | Made]:
    """An `Adapt` that changes nothing."""
    return scope.elements


def holds_strays(scope: Scope) -> bool:
    """Whether an element, or one in the items of one, does not belong in a data set."""
    return any(
        isinstance(one, StoredElement)
        and (not belongs(one.tag) or _holds_strays_within(one, scope))
        for one in scope.elements
    )


def _holds_strays_within(element: StoredElement, scope: Scope) -> bool:
    if (element.vr or find(element.tag, scope)) != "SQ":
        return False
    try:
        items = list(scope.source.items(element, scope.depth + 1))
    except TranscodeError:  # what it is nobody can tell: it stays as it came
        return False
    return any(holds_strays(Scope(scope.source, list(one.elements), scope)) for one in items)


def _belonging(elements: list[StoredElement]) -> list[StoredElement | Made]:
    return [one for one in elements if belongs(one.tag)]


def _check_samples(tag: int, scope: Scope) -> None:
    """OW is words of 16 bits (PS3.5 6.2), but pydicom and others reverse whole samples."""
    if tag == PIXEL_DATA and (scope.number(BITS_ALLOCATED) or 0) > 16:
        raise TranscodeError("programs disagree on Big Endian samples of more than 16 bits")
