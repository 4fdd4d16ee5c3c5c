"""Data sets read by pydicom, undecoded, and no more of one than there is a budget for."""

import struct
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets.budget import (
    MAX_DEPTH,
    SMALL_BYTES,
    STORED,
    Metered,
    ReadBudget,
    ReadLimits,
)
from storage.dicom.data_sets.elements import CHARACTER_SET
from storage.dicom.data_sets.header_scanner import UnusualError, slices
from storage.dicom.data_sets.inflating import beginning, inflated
from storage.dicom.data_sets.reducing import Reduced, begins_oddly, reduced

# Transfer syntaxes that deflate the data set as a whole (PS3.5 A.5, A.7, A.9): Deflated Explicit
# VR Little Endian, JPIP Referenced Deflate, JPIP HTJ2K Referenced Deflate.
DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
# So much is inflated of a deflated data set that is read for all its elements.
_MOST_INFLATED_BYTES = 64 * 1024 * 1024
_UNDEFINED = 0xFFFFFFFF
_LAST_TAG = 0xFFFFFFFF
_DELIMITERS = 0xFFFE
_HEAD_BYTES = 8
# By whether the data set is little endian.
_ITEM_HEADS = {True: b"\xfe\xff\x00\xe0", False: b"\xff\xfe\xe0\x00"}


def read_data_set(
    source: BinaryIO,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    last_tag: int = _LAST_TAG,
    limits: ReadLimits = STORED,
) -> Dataset:
    """The elements of a data set up to `last_tag`, undecoded; only `tags` where given.

    With `tags`, what lies between them may be of any size, and its structure as `reduced` takes it
    tolerantly; of an element that is there several times it is the first. Raises DataSetError
    where `source` is not a data set in `transfer_syntax`, BudgetError where it is more than
    `limits`.
    """
    start, form = source.tell(), _form(transfer_syntax)
    if tags is None:
        file = source
        if transfer_syntax in DEFLATED:
            most = min(limits.value_bytes, _MOST_INFLATED_BYTES)
            file = beginning(source, most, ReadBudget(limits))
        return _read_counted(file, form, None, last_tag, ReadBudget(limits))
    wanted = {int(tag) for tag in tags} | {int(CHARACTER_SET)}
    how = transfer_syntax in DEFLATED, *form, wanted, last_tag
    try:
        few = reduced(source, *how, ReadBudget(limits))
    except BudgetError:
        raise
    except DataSetError:
        source.seek(start)
        few = reduced(source, *how, ReadBudget(limits), tolerant=True)
    return _data_set(few, form[1], ReadBudget(limits))


def read_beginning(
    data: bytes, transfer_syntax: str, tags: frozenset[int], last_tag: int, is_whole: bool
) -> Dataset:
    """The same of an ordinary data set that begins with `data`, or `is_whole` in it.

    Raises UnusualError where it is another one, or has to be read further.
    """
    implicit_vr = ordinary_form(transfer_syntax)
    if implicit_vr is None or begins_oddly(data):
        raise UnusualError("not plain little endian")
    found = slices(data, implicit_vr, tags | {int(CHARACTER_SET)}, last_tag, is_whole)
    return _data_set(Reduced(found, implicit_vr, True, False), True, ReadBudget(STORED))


def _data_set(few: Reduced, little_endian: bool, budget: ReadBudget) -> Dataset:
    """The elements that were found, each read alone: none ends what another has begun."""
    elements = dict[BaseTag, RawDataElement | DataElement]()
    for tag, data in few.elements.items():
        source = cast(BinaryIO, Metered(BytesIO(data), budget))
        budget.enter(tag)
        try:
            element = next(data_element_generator(source, few.implicit_vr, little_endian))
        except Exception as error:  # whatever a hostile or broken value makes the reader raise
            raise budget.failure(error) from error
        elements[element.tag] = element
    data_set = Dataset(elements)
    data_set.set_original_encoding(few.implicit_vr, little_endian)
    return data_set


@lru_cache(maxsize=64)
def ordinary_form(transfer_syntax: str) -> bool | None:
    """Whether VRs are implicit; None where the data set is not plain little endian."""
    syntax = UID(transfer_syntax)
    if not syntax.is_transfer_syntax or syntax.is_private or transfer_syntax in DEFLATED:
        return None
    return bool(syntax.is_implicit_VR) if syntax.is_little_endian else None


def _form(transfer_syntax: str) -> tuple[bool, bool]:
    """Whether its VRs are implicit, and whether it is little endian. Raises DataSetError."""
    syntax = UID(transfer_syntax)
    try:
        return bool(syntax.is_implicit_VR), bool(syntax.is_little_endian)
    except ValueError as error:
        raise DataSetError(f"The data set cannot be read: {error}") from error


def _read_counted(
    file: BinaryIO,
    form: tuple[bool, bool],
    tags: list[BaseTag | int] | None,
    last_tag: int,
    budget: ReadBudget,
    is_small: bool = False,
) -> Dataset:
    """What pydicom reads, counted unless it `is_small`. Raises DataSetError."""

    def ends(tag: BaseTag, vr: str | None, length: int) -> bool:
        if length == _UNDEFINED:
            budget.enter(tag)
        is_behind: bool = tag > last_tag
        return is_behind

    counted = file if is_small else cast(BinaryIO, Metered(file, budget))
    try:
        return read_dataset(counted, *form, stop_when=ends, specific_tags=tags)
    except Exception as error:  # whatever a hostile or broken data set makes the reader raise
        raise budget.failure(error) from error


def read_whole(data: bytes, transfer_syntax: str, budget: ReadBudget) -> Dataset:
    """The data set that `data` is, to its last byte; `reduced` says what its structure may be.

    Raises DataSetError, and BudgetError where it is more than `budget` has.
    """
    if transfer_syntax in DEFLATED:
        data = inflated(data, budget.limits.value_bytes)
    form = _form(transfer_syntax)
    _check_depth(data, form, budget.limits)
    try:
        data_set = _read_to_end(data, form, budget)
    except BudgetError:
        raise
    except DataSetError as failure:
        data_set = _read_tolerantly(data, form, budget, failure)
    for tag in data_set.keys():  # noqa: SIM118
        raw = data_set.get_item(tag, keep_deferred=True)
        if raw and raw.VR == "SQ" and isinstance(raw, RawDataElement) and raw.value:
            _check_items(raw.value, tag, bool(raw.is_little_endian))
    return data_set


def _check_depth(data: bytes, form: tuple[bool, bool], limits: ReadLimits) -> None:
    """Raise BudgetError where sequences nest so deeply that pydicom, which recurses, would not end.

    It would raise that, too; but what is finalized meanwhile would have no stack.
    """
    _, little_endian = form
    if data.count(_ITEM_HEADS[little_endian]) <= MAX_DEPTH:
        return
    how = False, *form, (), _LAST_TAG, ReadBudget(limits), True, MAX_DEPTH
    try:
        reduced(BytesIO(data), *how)
    except BudgetError:
        raise
    except DataSetError:  # which who reads it says better
        return


def _read_to_end(data: bytes, form: tuple[bool, bool], budget: ReadBudget) -> Dataset:
    source, is_small = _Message(data), len(data) <= SMALL_BYTES
    data_set = _read_counted(source, form, None, _LAST_TAG, budget, is_small)
    if source.tell() != len(data):
        raise DataSetError(f"The data set ends at byte {source.tell()} of {len(data)}")
    if any(source.rest):
        raise DataSetError("The data set is cut short in the head of an element")
    if any(tag.group == _DELIMITERS for tag in data_set.keys()):  # noqa: SIM118
        raise DataSetError("The data set is damaged: an end of nothing")
    check_lengths(data_set)
    return data_set


class _Message(BytesIO):
    """Bytes of which `rest` are those that are no head, of which pydicom does not tell."""

    rest = b""

    def read(self, count: int | None = -1, /) -> bytes:
        found = super().read(count)
        if count == _HEAD_BYTES > len(found):
            self.rest = found
        return found


def _read_tolerantly(
    data: bytes, form: tuple[bool, bool], budget: ReadBudget, failure: DataSetError
) -> Dataset:
    """The same where ends are stray or VRs are none. Raises `failure` where it is something else.

    Nothing is left out of what a peer asks: it would be another question.
    """
    try:
        found = reduced(BytesIO(data), False, *form, _Everything(), _LAST_TAG, budget, True)
        if not found.is_whole or found.is_unsure:
            raise failure
        data_set = _data_set(found, form[1], budget)
        check_lengths(data_set)
    except BudgetError:
        raise
    except DataSetError:
        raise failure from None
    return data_set


class _Everything:
    """The tags of any data set."""

    def __contains__(self, tag: object) -> bool:
        return True


def check_lengths(data_set: Dataset) -> None:
    """Raise DataSetError where a value is shorter than its element says."""
    for tag in data_set.keys():  # noqa: SIM118
        raw = data_set.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and raw.length != len(raw.value or b""):
            raise DataSetError(f"The element {tag} is cut short")


def _check_items(value: bytes, tag: BaseTag, little_endian: bool) -> None:
    group, number = struct.unpack("<HH" if little_endian else ">HH", value[:4].ljust(4, b"\0"))
    if (group, number) != (0xFFFE, 0xE000):
        raise DataSetError(f"The sequence {tag} has no items")
