"""Elements of an ordinary data set, found fast: of anything else it says so, and pydicom reads it.

An ordinary one is little endian, in ascending order, with VRs and lengths that are what they
should be. All that a store needs of it lies in its first kilobytes.
"""

import struct
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from storage.dicom.values import LONG_FORM_VRS, SHORT_FORM_VRS

_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHI")
_LENGTH = struct.Struct("<I")
_TAG = struct.Struct("<HH")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# VR on the wire -> VR, and whether its length has 32 bits (PS3.5 7.1.2).
_LONGEST_HEAD_BYTES = 12
_VRS = {vr.encode(): (vr, False) for vr in SHORT_FORM_VRS} | {
    vr.encode(): (vr, True) for vr in LONG_FORM_VRS
}
# VRs that are no value, or whose value's VR has to be looked for.
_NOT_TEXT = frozenset({"SQ", "UN"})
_MAX_DEPTH = 16
# Of a header: an item has 8 bytes at least, and no more bytes are scanned.
_MAX_ITEMS = 8192
# What may lie behind others, against PS3.5 7.1, is looked for by its bytes; of more tags than these
# all is gone through.
_FEW = 16
_DELIMITERS = 0xFFFE
_LAST_TAG = 0xFFFDFFFF  # before these
_DELIMITER_BYTES = b"\xfe\xff"


class UnusualError(Exception):
    """The data set is not an ordinary one, or goes on behind what there is of it."""


@dataclass(slots=True)  # not frozen: that would take four times as long to make
class FoundElement:
    """An element: its VR (empty where the data set does not say), its value, or its items."""

    vr: str
    value: bytes = b""
    items: "Sequence[dict[int, FoundElement]]" = ()


# Tags to find; those of sequences with the tags to find in their items.
Wanted = Mapping[int, "Wanted | None"]


def scan(
    data: bytes, implicit_vr: bool, wanted: Wanted, last_tag: int, whole: bool = True,
    most_items: int = _MAX_ITEMS, expected: Set[int] = frozenset(),
) -> dict[int, FoundElement]:  # fmt: skip
    """The elements of `data` that are wanted; none behind `last_tag` is looked at.

    `whole`: the data set ends where `data` does. Raises UnusualError, also where it has more
    than `most_items` items in its sequences, or lies on where one that is `expected` is missing.
    """
    scanner = Scanner(data, implicit_vr, most_items)
    try:
        found = scanner.elements(wanted, last_tag)
    except struct.error:
        raise UnusualError("cut short") from None
    if not scanner.has_ended and not expected <= found.keys():
        raise UnusualError("without what is expected, so far")
    if scanner.is_at_end and not whole:
        raise UnusualError("it goes on")
    return found


def slices(
    data: bytes, implicit_vr: bool, wanted: frozenset[int], last_tag: int, whole: bool
) -> dict[int, bytes]:
    """The elements of `data` that are wanted, each as it is encoded, as `reduced` finds them.

    None behind `last_tag` is one, and no more is gone through than can hold one. `whole`: the data
    set ends where `data` does. Raises UnusualError.
    """
    scanner = Scanner(data, implicit_vr)
    try:
        found = scanner.slices(wanted, last_tag)
    except struct.error:
        raise UnusualError("cut short") from None
    if scanner.is_at_end and not whole:
        raise UnusualError("it goes on")
    return found


class Scanner:
    """Goes through a data set; `position` is where it stands."""

    def __init__(self, data: bytes, implicit_vr: bool, most_items: int = _MAX_ITEMS) -> None:
        self._data = data
        self._items_left = most_items
        self._implicit_vr = implicit_vr
        # Explicit VR in what should be implicit: a length that looks like two letters.
        if implicit_vr and data[4:6].isalpha() and data[4:6].isupper():
            raise UnusualError("explicit VR")
        self._position = 0
        self.has_ended = True  # and not at an element behind the last that is looked at

    @property
    def is_at_end(self) -> bool:
        """Whether all of the data was gone through."""
        return self._position >= len(self._data)

    def elements(
        self, wanted: Wanted, last_tag: int = 0, end: int | None = None, depth: int = 0
    ) -> dict[int, FoundElement]:
        """The elements up to `last_tag`, to `end`, or to the delimiter of an item."""
        data, previous = self._data, -1
        found: dict[int, FoundElement] = {}
        limit = len(data) if end is None else end
        last_plain = _LAST_TAG if depth else last_tag
        while True:
            previous = self._pass_plain(found, wanted, last_plain, limit, previous)
            if self._position == limit:
                if end is None and depth:
                    raise UnusualError("an item without end")
                return found
            tag, vr, length = self._head()
            if depth and tag >= _ITEM_END:
                if tag > _ITEM_END or end is not None:
                    raise UnusualError("an item that ends oddly")
                return found
            if not depth and tag > last_tag:
                self.has_ended = False
                return found
            if tag <= previous:
                raise UnusualError("out of order")
            previous = tag
            self._take(found, wanted, (tag, vr, length), limit, depth)

    def _take(
        self, found: dict[int, FoundElement], wanted: Wanted, head: tuple[int, str, int],
        limit: int, depth: int,
    ) -> None:  # fmt: skip
        """Go past the value of the element of a `head`, and have it where it is wanted."""
        tag, vr, length = head
        within = wanted.get(tag)
        if length == _UNDEFINED or within is not None:
            items = self._items(vr, length, within or {}, depth + 1)
            if within is not None:
                found[tag] = FoundElement("SQ", items=items)
            elif tag in wanted:
                raise UnusualError("a sequence in place of a value")
            return
        following = self._position + length
        if following > limit:
            raise UnusualError("cut short")
        if tag in wanted:
            if vr in _NOT_TEXT:
                raise UnusualError("another VR")
            found[tag] = FoundElement(vr, self._data[self._position : following])
        self._position = following

    def spans(self, last_tag: int) -> list[tuple[int, int, int]]:
        """Tag, start and end of each element up to `last_tag`, behind which there is another."""
        found: list[tuple[int, int, int]] = []
        while True:
            start = self._position
            head = self._head()
            if head[0] > last_tag:
                return found
            self._take({}, {}, head, len(self._data), 0)
            found.append((head[0], start, self._position))

    def element_at(
        self, position: int, tag: int, found: dict[int, FoundElement], wanted: Wanted
    ) -> int:
        """Have the element that begins there, which is to be of a tag; the end of it."""
        self._position = position
        head = self._head()
        if head[0] != tag:
            raise UnusualError("another element")
        self._take(found, wanted, head, len(self._data), 0)
        return self._position

    def is_behind(self, position: int, last_tag: int) -> bool:
        """Whether an element begins there whose tag is behind the last, and more follows."""
        self._position = position
        return self._head()[0] > last_tag and not self.is_at_end

    def _pass_plain(
        self, found: dict[int, FoundElement], wanted: Wanted,
        last_tag: int, limit: int, previous: int,
    ) -> int:  # fmt: skip
        """Go past elements with nothing special about them; the tag of the last one, or `previous`.

        Nearly all of a header is such elements: in one loop they take a third less of its time.
        """
        data, position, implicit_vr = self._data, self._position, self._implicit_vr
        vr, is_long = "", False
        while position <= limit - _LONGEST_HEAD_BYTES:
            if implicit_vr:
                group, number, length = _IMPLICIT.unpack_from(data, position)
                start = position + 8
            else:
                group, number, code, length = _EXPLICIT.unpack_from(data, position)
                if code not in _VRS:
                    break
                vr, is_long = _VRS[code]
                start = position + 8
                if is_long:
                    (length,) = _LENGTH.unpack_from(data, start)
                    start += 4
            tag, following = group << 16 | number, start + length
            if not previous < tag <= last_tag or following > limit:
                break
            if tag in wanted:
                if wanted[tag] is not None or vr in _NOT_TEXT:
                    break
                found[tag] = FoundElement(vr, data[start:following])
            previous, position = tag, following
        self._position = position
        return previous

    def slices(self, wanted: frozenset[int], last_tag: int) -> dict[int, bytes]:
        """The same as they are encoded, of the data set itself."""
        data, found = self._data, dict[int, bytes]()
        previous, has_delimiters = -1, False
        last = min(max(wanted), last_tag)
        while self._position < len(data):
            start = self._position
            tag, vr, length = self._head()
            if tag >> 16 == _DELIMITERS:
                raise UnusualError("an end of nothing")
            if tag > last:
                missing = wanted.difference(found)
                if tag > last_tag or not _may_follow(data, start, missing, has_delimiters):
                    return found
                last = last_tag
            if tag <= previous:
                raise UnusualError("out of order")
            previous = tag
            if length == _UNDEFINED:
                has_delimiters = True
                self._items(vr, length, {}, 1)
            else:
                self._position += length
            if self._position > len(data):
                raise UnusualError("cut short")
            if tag in wanted:
                found[tag] = data[start : self._position]
        return found

    def _head(self) -> tuple[int, str, int]:
        """Tag, VR and length of the element that begins here."""
        if self._implicit_vr:
            group, number, length = _IMPLICIT.unpack_from(self._data, self._position)
            self._position += _IMPLICIT.size
            return group << 16 | number, "", length
        group, number, vr, length = _EXPLICIT.unpack_from(self._data, self._position)
        tag = group << 16 | number
        self._position += _EXPLICIT.size
        if group == 0xFFFE:
            return tag, "", 0
        if vr not in _VRS:
            raise UnusualError("an unknown VR")
        name, is_long = _VRS[vr]
        if is_long:
            (length,) = _LENGTH.unpack_from(self._data, self._position)
            self._position += _LENGTH.size
        return tag, name, length

    def _items(
        self, vr: str, length: int, wanted: Wanted, depth: int
    ) -> list[dict[int, FoundElement]]:
        """The items of the sequence whose value begins here."""
        if depth > _MAX_DEPTH or vr not in ("SQ", ""):
            raise UnusualError("not a sequence")
        end = None if length == _UNDEFINED else self._position + length
        items: list[dict[int, FoundElement]] = []
        while end is None or self._position < end:
            group, number, item_length = _IMPLICIT.unpack_from(self._data, self._position)
            self._position += _IMPLICIT.size
            tag = group << 16 | number
            if tag == _SEQUENCE_END and end is None:
                return items
            if tag != _ITEM:
                raise UnusualError("no item")
            item_end = None if item_length == _UNDEFINED else self._position + item_length
            if item_end is not None and item_end > (len(self._data) if end is None else end):
                raise UnusualError("an item longer than its sequence")
            self._items_left -= 1
            if self._items_left < 0:
                raise UnusualError("too many items")
            items.append(self.elements(wanted, end=item_end, depth=depth))
        if self._position != end:
            raise UnusualError("an item longer than its sequence")
        return items


def _may_follow(data: bytes, start: int, missing: frozenset[int], has_delimiters: bool) -> bool:
    """Whether what is behind `start` may hold one of the tags, or the end of a sequence before."""
    if len(missing) > _FEW or (has_delimiters and data.find(_DELIMITER_BYTES, start) >= 0):
        return True
    return any(data.find(_TAG.pack(tag >> 16, tag & 0xFFFF), start) >= 0 for tag in missing)
