"""A data set brought down to a few of its elements: what lies between them is passed over.

By length where that is told, else head by head in a loop of its own, without recursion and
without objects: a structure of a million items costs a second, and no memory. What is left is a
data set in the same encoding, for whoever reads elements.
"""

import struct
from collections.abc import Container
from typing import BinaryIO

from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets.budget import ReadBudget, name
from storage.dicom.data_sets.inflating import Blocks
from storage.dicom.values import LONG_FORM_VRS

_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITERS = 0xFFFE
_UNDEFINED = 0xFFFFFFFF
# In the place of a VR, with a length of 16 bits behind.
_BLANK_VRS = (b"\0\0", b"  ")
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 12


def reduced(
    source: BinaryIO, is_deflated: bool, implicit_vr: bool, little_endian: bool,
    wanted: Container[int], last_tag: int, budget: ReadBudget, tolerant: bool = False,
) -> bytes:  # fmt: skip
    """The elements that are `wanted` of the data set where `source` stands, up to `last_tag`.

    Of one that is there several times, the last. Raises DataSetError where what lies between
    them is no data set, BudgetError where it, or a value, is too much. `tolerant`: ends of items
    and sequences may stand where there is none, or be missing, and VRs be NULs or blanks.
    """
    blocks = Blocks(source, is_deflated, budget)
    walk = _Walk(blocks, implicit_vr, little_endian, tolerant)
    found: dict[int, bytes] = {}
    while blocks.has(_HEAD_BYTES):
        tag, length, head = walk.head()
        if tolerant and tag in (_ITEM_END, _SEQUENCE_END):
            continue
        if tag > last_tag or tag == _ITEM_END:
            break
        if tag >> 16 == _DELIMITERS:
            raise DataSetError("The data set is damaged: an item outside of a sequence")
        if tag not in wanted:
            walk.skip(tag, length)
            continue
        if length != _UNDEFINED and length > budget.limits.value_bytes:
            raise BudgetError(f"More than {budget.limits.value_bytes} bytes in {name(tag)}")
        blocks.record(budget.limits.value_bytes)
        walk.skip(tag, length)
        value = blocks.recorded()
        if value is None:
            raise BudgetError(f"More than {budget.limits.value_bytes} bytes in {name(tag)}")
        found[tag] = head + value
    return b"".join(found.values())


class _Walk:
    """Where a reading of elements stands."""

    def __init__(
        self, blocks: Blocks, implicit_vr: bool, little_endian: bool, tolerant: bool
    ) -> None:
        self._tolerant = tolerant
        order = "<" if little_endian else ">"
        self._blocks = blocks
        self._implicit_vr = implicit_vr
        self._explicit = struct.Struct(f"{order}HH2sH").unpack_from
        self._implicit = struct.Struct(f"{order}HHI").unpack_from
        self._long = struct.Struct(f"{order}I").unpack_from
        self._is_first = True

    def head(self) -> tuple[int, int, bytes]:
        """Tag and length of the element of the data set itself that begins here, and its head."""
        blocks = self._blocks
        group, number, vr, _ = self._explicit(blocks.data, blocks.at)
        if self._is_first:  # as pydicom has it: the first element tells, whatever was agreed
            self._is_first = False
            self._implicit_vr = not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B)
        size, length = self._measure()
        head = blocks.data[blocks.at : blocks.at + size]
        blocks.skip(size)
        return group << 16 | number, length, head

    def skip(self, tag: int, length: int) -> None:
        """Go past the value of an element; of undefined length, to its delimiter."""
        if length != _UNDEFINED:
            self._blocks.skip(length)
            return
        self._blocks.require(_HEAD_BYTES)
        self._skip_sequence(tag)

    def _measure(self) -> tuple[int, int]:
        """The bytes of the head of the element that begins here, and of its value."""
        data, at = self._blocks.data, self._blocks.at
        _, _, vr, length = self._explicit(data, at)
        if self._tolerant and vr in _BLANK_VRS and not self._implicit_vr:
            return _HEAD_BYTES, length
        # Some writers change to implicit VR inside of a sequence; pydicom reads that, too.
        if self._implicit_vr or not b"AA" <= vr <= b"ZZ":
            return _HEAD_BYTES, self._implicit(data, at)[2]
        if vr not in _LONG_FORM:
            return _HEAD_BYTES, length
        self._blocks.require(_LONG_HEAD_BYTES)
        return _LONG_HEAD_BYTES, self._long(self._blocks.data, self._blocks.at + _HEAD_BYTES)[0]

    def _skip_sequence(self, tag: int) -> None:
        """Items, to the delimiter; `depth` counts what is open, sequences and items in turn."""
        blocks, implicit = self._blocks, self._implicit
        depth = 1
        while depth:
            if blocks.end - blocks.at < _LONG_HEAD_BYTES:
                blocks.require(_HEAD_BYTES)
            group, number, length = implicit(blocks.data, blocks.at)
            is_item = depth % 2
            if group == _DELIMITERS:
                blocks.at += _HEAD_BYTES
                if number == (0xE0DD if is_item else 0xE00D):
                    depth -= 1
                elif self._tolerant and number == 0xE0DD:  # of the sequence, in an item
                    depth -= 2
                elif self._tolerant and number == 0xE00D:  # of no item
                    continue
                elif not is_item or number != 0xE000:
                    raise DataSetError(f"The data set is damaged: {name(tag)} ends oddly")
                elif length == _UNDEFINED:
                    depth += 1
                else:
                    blocks.skip(length)
                continue
            if is_item:
                raise DataSetError(f"The data set is damaged: {name(tag)} is no sequence")
            size, length = self._measure()
            blocks.skip(size)
            if length != _UNDEFINED:
                blocks.skip(length)
                continue
            depth += 1
