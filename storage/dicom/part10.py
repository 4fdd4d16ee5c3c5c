"""The Part 10 header in front of a data set (PS3.10 7.1): written as bytes, read as little."""

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, NamedTuple

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import STANDARD_VR

from storage.diagnostics import DataSetError
from storage.dicom.values import LONG_FORM_VRS, element, kept, uid_bytes

IMPLEMENTATION_CLASS_UID = "2.25.252451620206676909138830494954228097618"
IMPLEMENTATION_VERSION_NAME = "MINIPACS_0_1"

_PREFIX = b"DICM"
_PREAMBLE = b"\0" * 128 + _PREFIX
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 12
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_GROUP_LENGTH, _IMPLEMENTATION_CLASS = 0x00020000, 0x00020012
_GROUP_BYTES = b"\2\0"
_OTHER_ENCODINGS = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRBigEndian)})
_VRS = frozenset(str(vr).encode() for vr in STANDARD_VR)
_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_MAX_META_BYTES = 1024 * 1024
# Most headers are shorter, and end where their group length says.
_ORDINARY_BYTES = 512
_EXPLICIT, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<I")
_GROUP_LENGTH_HEAD = b"\2\0\0\0UL\4\0"


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

    Goes by the elements' own lengths, so that a wrong or missing group length does not matter;
    a right one tells a data set that begins with elements of group 0002 from the header. Raises
    DataSetError where there is no Part 10 header.
    """
    if file.read(len(_PREAMBLE))[128:] != _PREFIX:
        raise DataSetError("Not a DICOM file: no DICM prefix at byte 128")
    return _read(file)


def read_without_preamble(file: BinaryIO) -> FileMeta | None:
    """The same of a file that lacks the preamble, or the prefix too; None where there is none."""
    start = file.tell()
    first = file.read(len(_PREFIX) + _HEAD_BYTES)
    at = len(_PREFIX) if first.startswith(_PREFIX) else 0
    file.seek(start + at)
    head = first[at : at + _HEAD_BYTES]
    is_explicit = head[4:6] in _VRS
    is_group_length = head[:4] in (b"\2\0\0\0", b"\0\2\0\0")
    if head[:2] not in (_GROUP_BYTES, _GROUP_BYTES[::-1]) or not (is_explicit or is_group_length):
        file.seek(start)
        return None
    return _read(file)


class _Form(NamedTuple):
    """How a header is encoded: its tags, its lengths of 16 and of 32 bits, and whether VRs are."""

    tag: struct.Struct
    short: struct.Struct
    long: struct.Struct
    implicit_vr: bool

    @classmethod
    def of(cls, order: str, implicit_vr: bool) -> "_Form":
        """The form by order of bytes."""
        tag, short, long = (struct.Struct(order + code) for code in ("HH", "H", "I"))
        return cls(tag, short, long, implicit_vr)


# PS3.10 7.1, and what some writers make of it.
_RIGHT = _Form.of("<", False)
_FORMS = {
    (_GROUP_BYTES, False): _RIGHT,
    (_GROUP_BYTES, True): _Form.of("<", True),
    (_GROUP_BYTES[::-1], False): _Form.of(">", False),
    (_GROUP_BYTES[::-1], True): _Form.of(">", True),
}


def _read(file: BinaryIO) -> FileMeta:
    start = file.tell()
    block = file.read(_ORDINARY_BYTES)
    if ordinary := _ordinary(block):
        found, length = ordinary
        file.seek(start + length)
        return _meta(found, start + length)
    file.seek(start)
    return _read_any(file)


def _ordinary(block: bytes) -> tuple[dict[int, bytes], int] | None:
    """The elements and the length of a header that is as PS3.10 7.1 has it, and all in `block`."""
    position = len(_GROUP_LENGTH_HEAD) + 4
    if not block.startswith(_GROUP_LENGTH_HEAD) or len(block) < position:
        return None
    end = position + _LENGTH.unpack_from(block, len(_GROUP_LENGTH_HEAD))[0]
    if end > len(block) - _LONG_HEAD_BYTES or block.startswith(_GROUP_BYTES, end):
        return None
    found: dict[int, bytes] = {}
    last = _GROUP_LENGTH
    while position < end:
        group, number, vr, length = _EXPLICIT.unpack_from(block, position)
        tag = group << 16 | number
        if group != 0x0002 or tag <= last or vr not in _VRS:
            return None
        last, position = tag, position + _HEAD_BYTES
        if vr in _LONG_FORM:
            (length,) = _LENGTH.unpack_from(block, position)
            position += 4
        found[tag] = block[position : position + length]
        position += length
    return (found, end) if position == end else None


def _read_any(file: BinaryIO) -> FileMeta:
    found: dict[int, bytes] = {}
    last, end = 0, -1
    position, head = file.tell(), file.read(_HEAD_BYTES)
    form = _FORMS.get((head[:2], head[4:6] not in _VRS), _RIGHT)
    while True:
        group, number = form.tag.unpack_from(head) if len(head) == _HEAD_BYTES else (0, 0)
        tag = group << 16 | number
        if group != 0x0002 or (
            (position == end or tag in found) and _begins_data_set(head, tag > last, found, form)
        ):
            file.seek(position)
            break
        found[tag] = _value(file, head, form)
        last = max(last, tag)
        if tag == _GROUP_LENGTH and len(found) == 1 and len(found[tag]) == 4:
            end = file.tell() + form.long.unpack(found[tag])[0]
        position, head = file.tell(), file.read(_HEAD_BYTES)
    return _meta(found, position)


def _meta(found: dict[int, bytes], end: int) -> FileMeta:
    sop_class, sop_instance = _text(found.get(_SOP_CLASS)), _text(found.get(_SOP_INSTANCE))
    syntax = _text(found.get(_TRANSFER_SYNTAX))
    if not syntax:
        raise DataSetError("No Transfer Syntax UID in the File Meta Information")
    return FileMeta(sop_class, sop_instance, syntax, end)


def is_read_back(head: bytes, data_set: bytes) -> bool:
    """Whether a file of `head`, which `header` made, and of `data_set` is read as just these."""
    # What does not go on as the header does is no part of it: nothing else can be mistaken.
    if not data_set.startswith(_GROUP_BYTES):
        return True
    try:
        return read(BytesIO(head + data_set)).data_set_offset == len(head)
    except DataSetError:
        return False


def _value(file: BinaryIO, head: bytes, form: _Form) -> bytes:
    """The value of the element that `head` begins."""
    if form.implicit_vr:
        length = form.long.unpack_from(head, 4)[0]
    elif head[4:6] in _LONG_FORM:
        length = form.long.unpack(file.read(4).rjust(4, b"\xff"))[0]
    else:
        length = form.short.unpack_from(head, 6)[0]
    if length > _MAX_META_BYTES:
        raise DataSetError("Damaged File Meta Information: an element without end")
    value = file.read(length)
    if len(value) != length:
        raise DataSetError("The File Meta Information is cut short")
    return value


def _begins_data_set(head: bytes, ascends: bool, found: dict[int, bytes], form: _Form) -> bool:
    """Whether an element of group 0002 where a header may end is the data set's first one.

    It is in a file of ours, whose group length is right. In another one the header goes on where
    the element is encoded as there, in Explicit VR Little Endian, and the data set is not.
    """
    syntax = _text(found.get(_TRANSFER_SYNTAX))
    if not syntax:
        return False
    if _text(found.get(_IMPLEMENTATION_CLASS)) == IMPLEMENTATION_CLASS_UID:
        return True
    goes_on = form is _RIGHT and ascends and head[4:6] in _VRS
    return syntax not in _OTHER_ENCODINGS or not goes_on


def _text(value: bytes | None) -> str:
    return value.decode("latin-1").strip(" \0") if value else ""
