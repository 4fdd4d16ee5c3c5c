"""The elements of a data set in any encoding, one at a time: the careful way."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from scp.copies.conversion.data_set import (
    DataSetSource,
    Made,
    Scope,
    Span,
    StoredElement,
    TranscodeError,
    belongs,
    find,
)
from scp.web.models.fragments import (
    CHARACTER_SET,
    PIXELS,
    BulkUri,
    Form,
    Head,
    block_of,
    charset_of,
    creator_of,
    fragment,
    is_bulk,
    is_creator,
    known_vr,
)
from storage.diagnostics import BudgetError
from storage.dicom.values import Charset

# Of values that are no bulk data; what a stranger has made may have any number of them.
MOST_BYTES = 256 << 20
_PIXEL_GROUP = 0x7FE00000
_ENCAPSULATED_VRS = frozenset({"OB", "OW", "OD", "OF", "OL", "OV"})


@dataclass
class Walk:
    """Writes data sets in a form; `left` is what it may still read of values."""

    form: Form
    bulk_uri: BulkUri
    left: int = MOST_BYTES

    def data_set(self, source: DataSetSource, charset: str) -> list[bytes]:
        """The elements in the order of their tags; of a damaged one those before its pixels.

        Raises TranscodeError, BudgetError.
        """
        try:
            elements = source.elements()
        except TranscodeError:
            elements = self._before_pixels(source)
        return self._level(Scope(source, list(elements)), charset, ())

    def _before_pixels(self, source: DataSetSource) -> list[StoredElement]:
        """What is whole of a data set that is cut short in its pixel data, and that.

        It is no reason to tell nothing of it. Raises TranscodeError where it ends before.
        """
        found = source.elements_before(_PIXEL_GROUP)
        start = found[-1].end if found else source.start
        head = source.read(Span(start, min(8, source.end - start)))
        group, number = struct.unpack("<HH" if source.little_endian else ">HH", head[:4].ljust(4))
        tag = group << 16 | number
        if tag not in PIXELS:
            raise TranscodeError(f"the data set is damaged at byte {start}")
        vr = head[4:6].decode("latin-1")
        left = source.end - start
        pixels = StoredElement(tag, vr if vr in _ENCAPSULATED_VRS else "", start, left, source.end)
        return [*found, pixels]

    def _level(self, scope: Scope, outer: Charset | str, path: tuple[int, ...]) -> list[bytes]:
        named = charset_of(scope.value(CHARACTER_SET, 1024), outer)
        elements = [one for one in scope.elements if isinstance(one, StoredElement)]
        creators = _creators(scope, elements, named)
        found: dict[int, bytes] = {}
        for one in elements:
            # Group Lengths are left out (PS3.18 F.2.2), and what is no part of a data set; of an
            # element that is there several times the first one counts, as everywhere here.
            if one.tag & 0xFFFF and belongs(one.tag) and one.tag not in found:
                creator = creators.get(block_of(one.tag), "")
                found[one.tag] = self._element(one, scope, named, creator, (*path, one.tag))
        return [found[tag] for tag in sorted(found)]

    def _element(
        self, one: StoredElement, scope: Scope, named: Charset, creator: str, path: tuple[int, ...]
    ) -> bytes:
        head = Head(one.tag, _vr(one, scope, creator), creator)
        if one.is_undefined and head.vr in _ENCAPSULATED_VRS:
            return self.form.bulk(head, self.bulk_uri(path))
        if head.vr == "SQ" or one.is_undefined:
            try:
                return self._sequence(one, head._replace(vr="SQ"), scope, named, path)
            except TranscodeError:  # it is none, whatever is said of it
                head = head._replace(vr="UN")
        length = one.end - one.start
        if is_bulk(head, length):
            return self.form.bulk(head, self.bulk_uri(path))
        self._count(length)
        value = scope.source.read(Span(one.start, length))
        # What is UN is Little Endian, always (PS3.5 6.2.2).
        little_endian = scope.source.little_endian or "UN" in (one.vr, head.vr)
        return fragment(self.form, head, value, named, little_endian)

    def _sequence(
        self, one: StoredElement, head: Head, scope: Scope, named: Charset, path: tuple[int, ...]
    ) -> bytes:
        source = scope.source.in_implicit() if one.vr == "UN" else scope.source
        items = []
        for number, item in enumerate(source.items(one, scope.depth + 1), 1):
            inner = Scope(source, list[StoredElement | Made](item.elements), scope)
            items.append(self.form.item(self._level(inner, named, (*path, number))))
            self._count(8)
        return self.form.items(head, items)

    def _count(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise BudgetError(f"More than {MOST_BYTES} bytes beside bulk data")


def _vr(one: StoredElement, scope: Scope, creator: str) -> str:
    """The VR that it says, or that the dictionary has (PS3.5 6.2.2, 7.1.3)."""
    if one.vr and one.vr != "UN":
        return one.vr
    if one.tag & 0x10000:
        return known_vr(one.tag, creator)
    return find(one.tag, scope)


def _creators(scope: Scope, elements: Sequence[StoredElement], named: Charset) -> dict[int, str]:
    return {
        one.tag: creator_of(scope.value(one.tag, 1024), named)
        for one in elements
        if is_creator(one.tag)
    }
