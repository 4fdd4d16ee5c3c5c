"""What stands in a data set and is none of its elements: why its header cannot be read."""

import struct
import zlib
from typing import BinaryIO

from pydicom.uid import UID
from pydicom.valuerep import STANDARD_VR

from storage.dicom.data_sets import DEFLATED, Inflater
from storage.dicom.values import LONG_FORM_VRS, UNIQUE

_READ_BYTES = 64 * 1024
_INFLATED_BYTES = 1024 * 1024
_PREFIX_AT = 128
_ITEMS, _FIRST_GROUP, _UNDEFINED = 0xFFFE, 0x0008, 0xFFFFFFFF
_UIDS = frozenset(int(attribute.tag) for attribute in UNIQUE.values())
_VRS = frozenset(str(vr).encode() for vr in STANDARD_VR)
_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)


def found_in(source: BinaryIO, transfer_syntax: str) -> str:
    """What of other make stands in the data set where `source` is, in words; or nothing."""
    data = source.read(_READ_BYTES)
    if b"DICM" in (data[:4], data[_PREFIX_AT : _PREFIX_AT + 4]):
        return "A whole DICOM file (prefix DICM) was sent as data set"
    if transfer_syntax in DEFLATED:
        try:
            data = Inflater().decompress(data, _INFLATED_BYTES)
        except zlib.error:
            return ""
        if b"DICM" in (data[:4], data[_PREFIX_AT : _PREFIX_AT + 4]):
            return "A whole DICOM file (prefix DICM) was sent as data set"
    syntax = UID(transfer_syntax)
    if not syntax.is_transfer_syntax or syntax.is_private:
        return ""
    return _among_elements(data, syntax.is_implicit_VR, "<" if syntax.is_little_endian else ">")


def _among_elements(data: bytes, implicit_vr: bool, order: str) -> str:
    """The first element that ends the reading, of those in front of the unique keys."""
    at, missing = 0, set(_UIDS)
    while at + 8 <= len(data) and missing:
        group, number = struct.unpack_from(f"{order}HH", data, at)
        vr = data[at + 4 : at + 6]
        # File Meta Information and commands are Little Endian, whatever the data set is.
        is_swapped = order == ">" and data[at : at + 2] == b"\2\0"
        if is_swapped:
            group, number = struct.unpack_from("<HH", data, at)
        is_foreign = group < _FIRST_GROUP and (is_swapped or (vr in _VRS) == implicit_vr)
        if group == _ITEMS or is_foreign:
            return f"({group:04X},{number:04X}) at byte {at} does not belong in a data set"
        if not implicit_vr and vr not in _VRS:
            return ""
        head, form = 8, f"{order}I"
        if implicit_vr:
            (length,) = struct.unpack_from(form, data, at + 4)
        elif vr in _LONG_FORM:
            head, (length,) = 12, struct.unpack_from(form, data.ljust(at + 12, b"\0"), at + 8)
        else:
            (length,) = struct.unpack_from(f"{order}H", data, at + 6)
        if length == _UNDEFINED:
            return ""
        missing.discard(group << 16 | number)
        at += head + length
    return ""
