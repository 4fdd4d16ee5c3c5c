"""A data set brought down to a few of its elements: what lies between them is passed over.

By length where that is told, else head by head in a loop of its own, without recursion and
without objects: a structure of a million items costs a second, and no memory. What is left is a
data set in the same encoding, for whoever reads elements.
"""

import struct
import sys
from collections.abc import Container
from typing import BinaryIO, NamedTuple

from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets.budget import ReadBudget, name, too_deep
from storage.dicom.data_sets.inflating import Blocks
from storage.dicom.values import LONG_FORM_VRS, SHORT_FORM_VRS, vr_of_tag

_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_VRS = _LONG_FORM | {vr.encode() for vr in SHORT_FORM_VRS}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_GROUP, _DELIMITERS = 0x0008, 0xFFFE
_UNDEFINED = 0xFFFFFFFF
_END_OF_SEQUENCE = (0xFFFE, 0xE0DD)
# Where a VR is none, so far at most is looked whether an element follows.
_LOOKED_AHEAD_BYTES = 1 << 20
_MOST_SHORT = 0xFFFF
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 12
# Of a File Meta Information with its preamble (PS3.10 7.1).
_PREFIX_END = 132


class Reduced(NamedTuple):
    """Elements of a data set by their tags, each as it is encoded, and how that is.

    `is_whole`: nothing is left behind the last. `is_unsure`: an end was passed in a sequence that
    may be another's.
    """

    elements: dict[int, bytes]
    implicit_vr: bool
    is_whole: bool
    is_unsure: bool


def reduced(
    source: BinaryIO, is_deflated: bool, implicit_vr: bool, little_endian: bool,
    wanted: Container[int], last_tag: int, budget: ReadBudget, tolerant: bool = False,
    most_depth: int = sys.maxsize,
) -> Reduced:  # fmt: skip
    """The elements that are `wanted` of the data set where `source` stands, up to `last_tag`.

    Of one that is there several times, the first. Raises DataSetError where what lies between
    them is no data set, BudgetError where it, or a value, is too much. `tolerant`: ends of items
    and sequences may stand where there is none, or be missing, and VRs be none; what such an end
    may have lifted out of an item is left out. `most_depth`: so deep sequences of undefined length
    may nest.
    """
    blocks = Blocks(source, is_deflated, budget)
    _check_beginning(blocks, little_endian, tolerant)
    walk = _Walk(blocks, implicit_vr, little_endian, tolerant, most_depth)
    found: dict[int, bytes] = {}
    # What was found behind a sequence that may have gone on; None where there is no such.
    lifted: list[int] | None = None
    while blocks.has(_HEAD_BYTES):
        tag, length, head = walk.head()
        if tag >> 16 == _DELIMITERS and tolerant:
            if tag == _ITEM:
                walk.skip_item(length)
            elif walk.ends_what_was_open(tag):
                for one in lifted or ():
                    del found[one]
                lifted = []
            continue
        if tag > last_tag and tag >> 16 != _DELIMITERS:
            break
        if tag >> 16 == _DELIMITERS:
            raise DataSetError(f"The data set is damaged: {name(tag)} outside of a sequence")
        was_unsure = walk.is_unsure
        if tag not in wanted or tag in found:
            walk.skip(tag, length)
        else:
            found[tag] = head + _value(walk, blocks, tag, length, budget.limits.value_bytes)
            if lifted is not None:
                lifted.append(tag)
        if not was_unsure and (length == _UNDEFINED or walk.is_sequence(tag, head)):
            lifted = []
    return Reduced(found, walk.implicit_vr, not blocks.has(1), walk.is_unsure)


def _check_beginning(blocks: Blocks, little_endian: bool, tolerant: bool) -> None:
    """Raise DataSetError for a whole DICOM file, and for what begins as no data set does."""
    blocks.has(_PREFIX_END)
    data = blocks.data[blocks.at : blocks.at + _PREFIX_END]
    group = int.from_bytes(data[:2], "little" if little_endian else "big")
    least = _FIRST_GROUP if tolerant else 0
    if begins_oddly(data) or not least <= group < _DELIMITERS:
        raise DataSetError("It does not begin as a data set")


def begins_oddly(data: bytes) -> bool:
    """Whether it begins as a DICOM file does, with preamble or without."""
    return b"DICM" in (data[:4], data[_PREFIX_END - 4 : _PREFIX_END])


def _value(walk: "_Walk", blocks: Blocks, tag: int, length: int, most: int) -> bytes:
    """The value that begins here. Raises BudgetError where it is longer than is read."""
    value = None
    if length == _UNDEFINED or length <= most:
        blocks.record(most)
        walk.skip(tag, length)
        value = blocks.recorded()
    if value is None:
        raise BudgetError(f"More than {most} bytes in {name(tag)}")
    return value


class _Walk:
    """Where a reading of elements stands."""

    def __init__(
        self, blocks: Blocks, implicit_vr: bool, little_endian: bool, tolerant: bool,
        most_depth: int,
    ) -> None:  # fmt: skip
        self._tolerant = tolerant
        self._most_depth = most_depth
        self._order = "<" if little_endian else ">"
        self._blocks = blocks
        self.implicit_vr = implicit_vr
        self._explicit = struct.Struct(f"{self._order}HH2sH").unpack_from
        self._implicit = struct.Struct(f"{self._order}HHI").unpack_from
        self._long = struct.Struct(f"{self._order}I").unpack_from
        self._is_first = True
        self.is_unsure = False  # an end was passed that may be another's

    def head(self) -> tuple[int, int, bytes]:
        """Tag and length of the element of the data set itself that begins here, and its head."""
        blocks = self._blocks
        group, number, vr, _ = self._explicit(blocks.data, blocks.at)
        tag = group << 16 | number
        if group == _DELIMITERS:
            blocks.at += _HEAD_BYTES
            return tag, self._implicit(blocks.data, blocks.at - _HEAD_BYTES)[2], b""
        # As pydicom has it: the first element tells, whatever was agreed.
        if self._is_first and group >= _FIRST_GROUP:
            self._is_first = False
            is_explicit = 0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B
            self.implicit_vr = not is_explicit and (self.implicit_vr or self._is_implicit(tag))
        has_vr = self.implicit_vr or vr in _VRS
        if not has_vr and not self._tolerant:
            raise DataSetError(f"The data set is damaged: {name(tag)} has no VR")
        size, length = self._measure()
        head = blocks.data[blocks.at : blocks.at + size]
        if not has_vr:
            head = self._head_by_dictionary(tag, length)
        blocks.skip(size)
        return tag, length, head

    def _is_implicit(self, tag: int) -> bool:
        """Whether what has no VR, though that was agreed, is in implicit VR; else it is one odd."""
        blocks = self._blocks
        length = self._implicit(blocks.data, blocks.at)[2]
        count: int = _HEAD_BYTES + length
        if not self._tolerant or length == _UNDEFINED:
            return True
        if count > _LOOKED_AHEAD_BYTES or not blocks.has(count + _HEAD_BYTES):
            return blocks.end - blocks.at == count
        group, number, _ = self._implicit(blocks.data, blocks.at + count)
        is_behind: bool = group << 16 | number > tag
        return is_behind

    def is_sequence(self, tag: int, head: bytes) -> bool:
        """Whether the element with this head is of VR SQ."""
        return vr_of_tag(tag) == "SQ" if self.implicit_vr else head[4:6] == b"SQ"

    def skip(self, tag: int, length: int) -> None:
        """Go past the value of an element; of undefined length, to its delimiter."""
        if length != _UNDEFINED:
            self._blocks.skip(length)
            return
        self._blocks.require(_HEAD_BYTES)
        self._skip_sequence(tag, 1)

    def skip_item(self, length: int) -> None:
        """Go past an item outside of a sequence."""
        if length != _UNDEFINED:
            self._blocks.skip(length)
        else:
            self._skip_sequence(_ITEM, 2, 1)

    def ends_what_was_open(self, tag: int) -> bool:
        """Whether a delimiter outside of a sequence tells that something had been closed early.

        So it is behind an end that may have been another's, and where a whole sequence ends.
        """
        is_whole = tag == _ITEM_END and self._blocks.has(_HEAD_BYTES) and (
            self._implicit(self._blocks.data, self._blocks.at)[:2] == _END_OF_SEQUENCE
        )  # fmt: skip
        return self.is_unsure or is_whole

    def _head_by_dictionary(self, tag: int, length: int) -> bytes:
        """The head of an element whose VR is none, with that of PS3.6."""
        vr = vr_of_tag(tag).encode()
        group, number = tag >> 16, tag & 0xFFFF
        if vr in _LONG_FORM or length > _MOST_SHORT:
            vr = vr if vr in _LONG_FORM else b"UN"
            return struct.pack(f"{self._order}HH2s2xI", group, number, vr, length)
        return struct.pack(f"{self._order}HH2sH", group, number, vr, length)

    def _measure(self) -> tuple[int, int]:
        """The bytes of the head of the element that begins here, and of its value."""
        data, at = self._blocks.data, self._blocks.at
        group, number, vr, length = self._explicit(data, at)
        implicit = _HEAD_BYTES, self._implicit(data, at)[2]
        # File Meta Information that was left in front is explicit, whatever the data set is.
        if self.implicit_vr and (group >= _FIRST_GROUP or vr not in _VRS):
            return implicit
        if vr in _LONG_FORM:
            self._blocks.require(_LONG_HEAD_BYTES)
            return _LONG_HEAD_BYTES, self._long(self._blocks.data, self._blocks.at + _HEAD_BYTES)[0]
        if vr in _VRS:
            return _HEAD_BYTES, length
        # Some writers change to implicit VR inside of a sequence; pydicom reads that, too.
        return self._guessed(group << 16 | number, length, implicit)

    def _guessed(self, tag: int, length: int, implicit: tuple[int, int]) -> tuple[int, int]:
        """The same for a VR that is none: what comes to another element, else as in implicit VR."""
        if not self._tolerant:
            return implicit
        blocks = self._blocks
        if self._goes_on(_HEAD_BYTES + length, tag):
            return _HEAD_BYTES, length
        if blocks.has(_LONG_HEAD_BYTES):
            (long,) = self._long(blocks.data, blocks.at + _HEAD_BYTES)
            if self._goes_on(_LONG_HEAD_BYTES + long, tag):
                return _LONG_HEAD_BYTES, long
        return implicit

    def _goes_on(self, count: int, tag: int) -> bool:
        """Whether so many bytes on the data set ends, or another element begins."""
        blocks = self._blocks
        if count > _LOOKED_AHEAD_BYTES:
            return False
        if not blocks.has(count + _HEAD_BYTES):
            return blocks.end - blocks.at == count
        group, number, vr, _ = self._explicit(blocks.data, blocks.at + count)
        return group == _DELIMITERS or (group << 16 | number > tag and vr in _VRS)

    def _skip_sequence(self, tag: int, depth: int, until: int = 0) -> None:
        """Items, to the delimiter; `depth` counts what is open, sequences and items in turn."""
        blocks, implicit, has_items = self._blocks, self._implicit, depth > 1
        while depth > until:
            if blocks.end - blocks.at < _LONG_HEAD_BYTES:
                blocks.require(_HEAD_BYTES)
            group, number, length = implicit(blocks.data, blocks.at)
            is_item = depth % 2
            if group == _DELIMITERS:
                blocks.at += _HEAD_BYTES
                if number == (0xE0DD if is_item else 0xE00D):
                    depth -= 1
                elif is_item and number == 0xE000:
                    has_items = True
                    if length == _UNDEFINED:
                        depth += 1
                    else:
                        blocks.skip(length)
                else:
                    depth = self._past_stray(tag, number, length, depth)
                continue
            if is_item:
                if not (self._tolerant and has_items):
                    raise DataSetError(f"The data set is damaged: {name(tag)} is no sequence")
                self.is_unsure = True  # the end in front was not that of the item
                depth += 1
            size, length = self._measure()
            blocks.skip(size)
            if length != _UNDEFINED:
                blocks.skip(length)
                continue
            depth += 1
            if depth > 2 * self._most_depth:  # of which each but the last holds an item
                raise too_deep()

    def _past_stray(self, tag: int, number: int, length: int, depth: int) -> int:
        """How much is open behind a delimiter that does not belong where it stands."""
        if not self._tolerant:
            raise DataSetError(f"The data set is damaged: {name(tag)} ends oddly")
        self.is_unsure = True
        if number == 0xE0DD:  # of the sequence, in an item, which ends too
            return max(depth - 2, 0)
        if number != 0xE000 or length == _UNDEFINED:  # of nothing; or of the next item
            return depth
        self._blocks.skip(length)
        return depth - 1
