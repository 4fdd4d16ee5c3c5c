"""The Part 10 header in front of a data set (PS3.10 7.1): written as bytes, read as little."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from storage.errors import DataSetError
from storage.keeping import kept
from storage.values import LONG_FORM_VRS, element, uid_bytes

IMPLEMENTATION_CLASS_UID = "2.25.252451620206676909138830494954228097618"
IMPLEMENTATION_VERSION_NAME = "MINIPACS_0_1"

_PREAMBLE = b"\0" * 128 + b"DICM"
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_MAX_META_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FileMeta:
    """What the header says, and where the data set begins, in bytes from the file's start."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


def header(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble, prefix and File Meta Information for a data set."""
    before, behind = _around(sop_class_uid, transfer_syntax_uid)
    body = before + element(_SOP_INSTANCE, "UI", uid_bytes(sop_instance_uid)) + behind
    return _PREAMBLE + element(0x00020000, "UL", struct.pack("<I", len(body))) + body


@kept(256)
def _around(sop_class_uid: str, transfer_syntax_uid: str) -> tuple[bytes, bytes]:
    """The elements before and behind the SOP Instance UID."""
    before = element(0x00020001, "OB", b"\0\1")
    before += element(_SOP_CLASS, "UI", uid_bytes(sop_class_uid))
    behind = element(_TRANSFER_SYNTAX, "UI", uid_bytes(transfer_syntax_uid))
    behind += element(0x00020012, "UI", uid_bytes(IMPLEMENTATION_CLASS_UID))
    behind += element(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode())
    return before, behind


def read(file: BinaryIO) -> FileMeta:
    """The header of `file`, which stands at its start and is left at the data set.

    Goes by the elements' own lengths, so that a wrong or missing group length does not matter.
    Raises DataSetError where there is no Part 10 header.
    """
    if file.read(len(_PREAMBLE))[128:] != b"DICM":
        raise DataSetError("Not a DICOM file: no DICM prefix at byte 128")
    found: dict[int, str] = {}
    while True:
        position = file.tell()
        head = file.read(8)
        group, number = struct.unpack_from("<HH", head) if len(head) == 8 else (0, 0)
        if group != 0x0002:
            file.seek(position)
            break
        length = struct.unpack_from("<H", head, 6)[0]
        if head[4:6] in _LONG_FORM:
            length = struct.unpack("<I", file.read(4).rjust(4, b"\xff"))[0]
        if length > _MAX_META_BYTES:
            raise DataSetError("Damaged File Meta Information: an element without end")
        value = file.read(length)
        if len(value) != length:
            raise DataSetError("The File Meta Information is cut short")
        found[group << 16 | number] = value.decode("latin-1").strip(" \0")
    if not found.get(_TRANSFER_SYNTAX):
        raise DataSetError("No Transfer Syntax UID in the File Meta Information")
    return FileMeta(
        found.get(_SOP_CLASS, ""),
        found.get(_SOP_INSTANCE, ""),
        found[_TRANSFER_SYNTAX],
        file.tell(),
    )
