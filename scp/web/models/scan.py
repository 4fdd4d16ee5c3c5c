"""The elements of an ordinary data set, fast; of any other it says so, and `walk` takes it.

An ordinary one is little endian, in ascending order, with VRs and lengths that are what they should
be. What an instance says its series has said before, most of it: an element that was written once
is known by its bytes.
"""

import struct
from functools import partial
from typing import BinaryIO

from scp.copies.conversion.data_set import PIXEL_DATA, SEQUENCE_END, UNDEFINED
from scp.web.models.fragments import (
    CHARACTER_SET,
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
from scp.web.models.memory import KEPT_BYTES, Key, Known, Memory, keep
from scp.web.models.walk import MOST_BYTES
from storage.diagnostics import BudgetError
from storage.dicom.data_sets import UnusualError
from storage.dicom.values import LONG_FORM_VRS, SHORT_FORM_VRS, Charset

# VRs on the wire, and those whose lengths have 32 bits (PS3.5 7.1.2).
_VRS = {vr.encode(): vr for vr in SHORT_FORM_VRS | LONG_FORM_VRS}
_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_long = struct.Struct("<I").unpack_from
_ITEM, _ITEM_END = 0xFFFEE000, 0xFFFEE00D
_PIXEL_REPRESENTATION, _BITS_ALLOCATED = 0x00280103, 0x00280100
_FIRST_GROUP, _DELIMITERS = 0x0008, 0xFFFE
_MAX_DEPTH = 16
# In the place of a creator, which has no such blanks: an element that others depend on.
_NOTED = " "
_MOST_ELEMENTS = 1_000_000
# The header of an ordinary instance; and of what there is to read at once, where it is larger.
_WINDOW_BYTES, _MOST_WINDOW_BYTES = 32 * 1024, 64 << 20


class _ShortError(Exception):
    """An element goes on behind what was read of the file."""


class _Level:
    """The elements of a data set, or of an item in it."""

    __slots__ = ("bits", "creators", "fragments", "known", "named", "path", "previous", "signed")

    def __init__(self, named: Charset, known: Known, path: tuple[int, ...]) -> None:
        self.named, self.known, self.path = named, known, path
        self.fragments: list[bytes] = []
        self.creators: dict[int, str] = {}
        self.previous = -1
        # Of the nearest Pixel Representation and Bits Allocated, None where there is none yet.
        self.signed: bool | None = None
        self.bits: int | None = None


class Scan:
    """Goes through a data set from front to back, a window of the file at a time."""

    def __init__(
        self, form: Form, memory: Memory, bulk_uri: BulkUri, implicit_vr: bool, charset: str
    ) -> None:
        self._form, self._memory, self._bulk_uri = form, memory, bulk_uri
        self._implicit_vr, self._charset = implicit_vr, charset
        self._file: BinaryIO
        self._data = b""
        self._base = 0
        self._elements_left = _MOST_ELEMENTS
        # Whether what is written says more than its bytes: it cannot be known again by these.
        self._varies = False

    def data_set(self, file: BinaryIO, start: int, end: int) -> list[bytes]:
        """The elements of the data set in part of a file. Raises UnusualError, BudgetError."""
        self._file = file
        named = charset_of(b"", self._charset)
        level = _Level(named, self._memory.of(self._implicit_vr, named), ())
        at, size, came = start, _WINDOW_BYTES, 0
        while at < end:
            self._read(at, min(size, end - at))
            came += len(self._data)
            if came > MOST_BYTES:
                raise BudgetError(f"More than {MOST_BYTES} bytes beside bulk data")
            following = at + self._elements(level, 0, None, 0)
            if following > end:
                raise UnusualError("cut short")
            if following == at:  # it is larger
                if end - at < 8 and not any(self._data):
                    break  # padding
                if size >= min(end - at, _MOST_WINDOW_BYTES):
                    raise UnusualError("cut short, or too large")
                size *= 8
            at = following
        return level.fragments

    def _read(self, at: int, count: int) -> None:
        self._file.seek(at)
        self._data, self._base = self._file.read(count), at
        if self._implicit_vr and self._data[4:6] in _VRS:
            raise UnusualError("explicit VR where it should be implicit")

    def _elements(self, level: _Level, at: int, stop: int | None, depth: int) -> int:
        """Where the elements end that begin `at`: at `stop`, or behind the item's delimiter.

        Those of the data set itself end with what was read, too, or before the one that goes on.
        """
        data, implicit, known, kept = self._data, self._implicit_vr, level.known, KEPT_BYTES
        append, creators, previous = level.fragments.append, level.creators, level.previous
        limit = len(data) if stop is None else stop
        count = len(level.fragments)
        code = b""
        try:
            while at < limit:
                value = at + 8
                if implicit:
                    group, number, length = _implicit(data, at)
                else:
                    group, number, code, length = _explicit(data, at)
                    if code in _LONG_FORM:
                        (length,) = _long(data, value)
                        value += 4
                tag = group << 16 | number
                if tag <= previous:
                    raise UnusualError("out of order")
                following: int = value + length
                if length <= kept and following <= limit:
                    key: Key = data[at:following]
                    creator = ""
                    if group & 1 and number > 0xFF:
                        creator = creators.get(tag & 0xFFFF0000 | number >> 8, "")
                        key = creator, data[at:following]
                    found = known.get(key)
                    if found is None:  # of whose head nothing was checked
                        if tag == _ITEM_END and depth and stop is None:
                            self._count(len(level.fragments) - count + 1)
                            return following
                        how = level, tag, self._said(group, code), creator, value, length, depth
                        found = self._made(*how, key)
                        known = level.known
                else:
                    how_large = level, tag, self._said(group, code), value, length, limit, depth
                    found, following = self._large(*how_large)
                if found:
                    append(found)
                previous = tag
                at = following
        except (struct.error, _ShortError):
            if depth:
                raise _ShortError from None
        if depth and (stop is None or at != stop):
            raise (_ShortError if stop is None else UnusualError("an item that ends oddly"))
        level.previous = previous
        self._count(len(level.fragments) - count + 1)
        return at

    def _count(self, count: int) -> None:
        self._elements_left -= count
        if self._elements_left < 0:
            raise BudgetError(f"More than {_MOST_ELEMENTS} elements, items and fragments")

    def _said(self, group: int, code: bytes) -> str:
        """The VR that an element says, empty where VRs are implicit."""
        if group < _FIRST_GROUP or group == _DELIMITERS:
            raise UnusualError("no element of a data set")
        if self._implicit_vr:
            return ""
        if code not in _VRS:
            raise UnusualError("an unknown VR")
        return _VRS[code]

    def _in_charset(self, level: _Level, value: bytes) -> None:
        if b"\0" in value.rstrip(b"\0"):
            raise UnusualError("a character set that is none")
        outer = level.named if level.path else self._charset
        level.named = charset_of(value, outer)
        level.known = self._memory.of(self._implicit_vr, level.named)

    def _made(
        self, level: _Level, tag: int, vr: str, creator: str, value: int, length: int, depth: int,
        key: Key,
    ) -> bytes:  # fmt: skip
        """A small element; it is kept where its bytes say all of it."""
        if not tag & 0xFFFF:  # Group Length (PS3.18 F.2.2)
            return b""
        varied, self._varies = self._varies, False
        head = Head(tag, self._vr(level, tag, vr, creator), creator)
        if self._note(level, head, self._data[value : value + length]):
            assert isinstance(key, bytes)
            key = _NOTED, key
        found = level.known.get(key)
        if found is None:
            found = self._written(level, head, value, length, depth)
            if not self._varies:
                keep(level.known, key, found)
        self._varies |= varied
        return found

    def _note(self, level: _Level, head: Head, value: bytes) -> bool:
        """Note what others depend on, where it says that: it is looked at each time."""
        if head.tag == CHARACTER_SET:
            self._in_charset(level, value)
        elif is_creator(head.tag):
            level.creators[head.tag] = creator_of(value, level.named)
        elif self._implicit_vr and head.tag in (_PIXEL_REPRESENTATION, _BITS_ALLOCATED):
            _note_pixels(level, head.tag, value)
        else:
            return False
        return True

    def _large(
        self, level: _Level, tag: int, vr: str, value: int, length: int, limit: int, depth: int
    ) -> tuple[bytes, int]:
        """An element that is not kept, or one of undefined length; and where it ends."""
        creator = level.creators.get(block_of(tag), "") if tag & 0x10000 else ""
        head = Head(tag, self._vr(level, tag, vr, creator), creator)
        if length == UNDEFINED:
            return self._undefined(level, head, value, depth)
        following = value + length
        if following > limit:
            # What is only named need not be there.
            if not depth and limit == len(self._data) and is_bulk(head, length):
                return self._bulk(level, head), following
            raise _ShortError if limit == len(self._data) else UnusualError("too long")
        if not tag & 0xFFFF:
            return b"", following
        found = self._written(level, head, value, length, depth)
        self._note(level, head, self._data[value:following])
        return found, following

    def _vr(self, level: _Level, tag: int, vr: str, creator: str) -> str:
        """The VR that is said, or that the dictionary has. Raises UnusualError where it has more.

        That is what depends on other elements than these here.
        """
        if vr and vr != "UN":
            return vr
        known = known_vr(tag, creator)
        if vr == "UN" and (known == "SQ" or len(known) > 2):
            raise UnusualError("an unknown element that is not")
        if len(known) == 2:
            return known
        self._varies = True
        if known == "US or SS" and level.signed is not None:
            return "SS" if level.signed else "US"
        if tag == PIXEL_DATA and level.bits is not None:
            return "OW" if level.bits > 8 else "OB"
        raise UnusualError("one of several VRs")

    def _written(self, level: _Level, head: Head, value: int, length: int, depth: int) -> bytes:
        if head.vr == "SQ":
            return self._items(level, head, value, value + length, depth)[0]
        if is_bulk(head, length):
            return self._bulk(level, head)
        return fragment(self._form, head, self._data[value : value + length], level.named)

    def _bulk(self, level: _Level, head: Head) -> bytes:
        self._varies = True
        return self._form.bulk(head, self._bulk_uri((*level.path, head.tag)))

    def _undefined(self, level: _Level, head: Head, value: int, depth: int) -> tuple[bytes, int]:
        if head.vr == "SQ":
            return self._items(level, head, value, None, depth)
        if head.tag != PIXEL_DATA or depth or head.vr not in ("OB", "OW"):
            raise UnusualError("a value without length")
        return self._bulk(level, head), self._behind_fragments(value)

    def _items(
        self, level: _Level, head: Head, at: int, stop: int | None, depth: int
    ) -> tuple[bytes, int]:
        """A sequence, and where it ends."""
        if depth >= _MAX_DEPTH:
            raise UnusualError("nested deep")
        items: list[bytes] = []
        path = partial(_path_of_item, level.path, head.tag)
        while stop is None or at < stop:
            group, number, length = _implicit(self._data, at)
            tag = group << 16 | number
            at += 8
            if tag == SEQUENCE_END and stop is None and not length:
                return self._form.items(head, items), at
            if tag != _ITEM:
                raise UnusualError("no item")
            inner = _Level(level.named, level.known, path(len(items) + 1))
            inner.signed, inner.bits = level.signed, level.bits
            end = None if length == UNDEFINED else at + length
            limit = len(self._data) if stop is None else stop
            if end is not None and end > limit:
                raise _ShortError if stop is None else UnusualError("an item too long")
            at = self._elements(inner, at, end, depth + 1)
            items.append(self._form.item(inner.fragments))
        if at != stop:
            raise UnusualError("an item longer than its sequence")
        return self._form.items(head, items), at

    def _behind_fragments(self, at: int) -> int:
        """Where encapsulated pixel data ends, whose fragments are gone past (PS3.5 A.4)."""
        position = self._base + at
        while True:
            self._file.seek(position)
            head = self._file.read(8)
            if len(head) < 8:
                raise UnusualError("without the end of its fragments")
            group, number, length = _implicit(head, 0)
            position += 8
            if group << 16 | number == SEQUENCE_END:
                return position - self._base
            if group << 16 | number != _ITEM or length == UNDEFINED:
                raise UnusualError("fragments that are none")
            position += length
            self._count(1)


def _path_of_item(path: tuple[int, ...], tag: int, number: int) -> tuple[int, ...]:
    return (*path, tag, number)


def _note_pixels(level: _Level, tag: int, value: bytes) -> None:
    """Note what others' VRs depend on."""
    if len(value) < 2:
        raise UnusualError("without a value that others depend on")
    number = int.from_bytes(value[:2], "little")
    if tag == _BITS_ALLOCATED:
        level.bits = number
    else:
        level.signed = number == 1
