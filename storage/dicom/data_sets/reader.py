"""Data sets read by pydicom, undecoded, and no more of one than there is a budget for."""

import struct
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets.budget import SMALL_BYTES, STORED, Metered, ReadBudget, ReadLimits
from storage.dicom.data_sets.elements import CHARACTER_SET
from storage.dicom.data_sets.inflating import beginning, inflated
from storage.dicom.data_sets.reducing import reduced

# Transfer syntaxes that deflate the data set as a whole (PS3.5 A.5, A.7, A.9): Deflated Explicit
# VR Little Endian, JPIP Referenced Deflate, JPIP HTJ2K Referenced Deflate.
DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
# Of a deflated data set this much is inflated at once; a longer one is looked through.
_INFLATED_BYTES = 1024 * 1024
_MOST_INFLATED_BYTES = 64 * 1024 * 1024
_UNDEFINED = 0xFFFFFFFF
# Of a File Meta Information with its preamble (PS3.10 7.1).
_PREFIX_END = 132
_FIRST_GROUP, _DELIMITERS = 0x0008, 0xFFFE


def read_data_set(
    source: BinaryIO,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    last_tag: int = 0xFFFFFFFF,
    limits: ReadLimits = STORED,
) -> Dataset:
    """The elements of a data set up to `last_tag`, undecoded; only `tags` where given.

    With `tags`, what lies between them may be of any size. Raises DataSetError where `source`
    is not a data set in `transfer_syntax`, BudgetError where it is more than `limits`.
    """
    start, is_deflated, form = source.tell(), transfer_syntax in DEFLATED, _form(transfer_syntax)
    file, is_whole = source, True
    if is_deflated:
        file, is_whole = _beginning(source, tags, limits)
    if tags is None:
        return _read_counted(file, form, None, last_tag, ReadBudget(limits))
    if is_whole:
        with suppress(BudgetError):
            return _read_counted(file, form, tags, last_tag, ReadBudget(limits))
    source.seek(start)
    there = {int(tag) for tag in tags} | {int(CHARACTER_SET)}
    few = BytesIO(reduced(source, is_deflated, *form, there, last_tag, ReadBudget(limits)))
    return _read_counted(few, form, tags, last_tag, ReadBudget(limits))


def search_data_set(source: BinaryIO, transfer_syntax: str, tags: list[BaseTag | int]) -> Dataset:
    """Elements found in a data set whose structure is not as PS3.5 7 has it: see `reduced`.

    Raises DataSetError, also for a whole DICOM file and what begins with another kind of bytes.
    """
    start, form = source.tell(), _form(transfer_syntax)
    if not _begins_as_data_set(source.read(_PREFIX_END), transfer_syntax, form[1]):
        raise DataSetError("It does not begin as a data set")
    source.seek(start)
    wanted, budget = {int(tag) for tag in tags}, ReadBudget(STORED)
    is_deflated = transfer_syntax in DEFLATED
    few = reduced(source, is_deflated, *form, wanted, 0xFFFFFFFF, budget, tolerant=True)
    return _read_counted(BytesIO(few), form, tags, 0xFFFFFFFF, budget)


def _begins_as_data_set(data: bytes, transfer_syntax: str, little_endian: bool) -> bool:
    if b"DICM" in (data[:4], data[_PREFIX_END - 4 :]):
        return False
    group = int.from_bytes(data[:2], "little" if little_endian else "big")
    return transfer_syntax in DEFLATED or _FIRST_GROUP <= group < _DELIMITERS


def _beginning(
    source: BinaryIO, tags: list[BaseTag | int] | None, limits: ReadLimits
) -> tuple[BinaryIO, bool]:
    most = min(_INFLATED_BYTES if tags else limits.value_bytes, _MOST_INFLATED_BYTES)
    return beginning(source, most, ReadBudget(limits))


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
    """The data set that `data` is, to its last byte.

    Raises DataSetError, and BudgetError where it is more than `budget` has.
    """
    if transfer_syntax in DEFLATED:
        data = inflated(data, budget.limits.value_bytes)
    source, is_small = BytesIO(data), len(data) <= SMALL_BYTES
    data_set = _read_counted(source, _form(transfer_syntax), None, 0xFFFFFFFF, budget, is_small)
    if transfer_syntax not in DEFLATED and source.tell() != len(data):
        raise DataSetError(f"The data set ends at byte {source.tell()} of {len(data)}")
    check_lengths(data_set)
    for tag in data_set.keys():  # noqa: SIM118
        raw = data_set.get_item(tag, keep_deferred=True)
        if raw and raw.VR == "SQ" and isinstance(raw, RawDataElement) and raw.value:
            _check_items(raw.value, tag, bool(raw.is_little_endian))
    return data_set


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
