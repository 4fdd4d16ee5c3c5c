"""A DICOMDIR: the directory records of a file-set (PS3.10 8, PS3.3 annex F).

What a record has is pydicom's (`DIRECTORY_RECORDERS`); its `FileSet` is not used, as that writes
each instance into a temporary folder, names the files itself and goes into a folder alone: an
export has its own names, sends bytes as they lie, and may be one ZIP archive.
"""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.fileset import DIRECTORY_RECORDERS, _four_level_record_type
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from storage.dicom import FileMeta, part10
from storage.dicom.values import element

_CHARACTER_SET = "SpecificCharacterSet"
# In the order of their encoding: each record begins with these, so that they can be filled in.
_NEXT, _IN_USE, _LOWER, _TYPE = 0x00041400, 0x00041410, 0x00041420, 0x00041430
_NEXT_AT, _LOWER_AT = 8 + 8, 8 + 12 + 10 + 8
_LEVELS = (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID"))
# Keys of Type 1 that instances may lack (PS3.3 F.5): "{}" is a number within the file-set.
_INVENTED = {
    "PatientID": "UNKNOWN{}", "StudyDate": "19000101", "StudyTime": "000000", "StudyID": "{}",
    "Modality": "OT", "SeriesNumber": "{}", "InstanceNumber": "{}", "ContentDate": "19000101",
    "ContentTime": "000000",
}  # fmt: skip


class RecordError(Exception):
    """An instance of which no directory record can be made; says why."""


@dataclass
class _Record:
    data: bytes
    below: "dict[str, _Record]" = field(default_factory=dict)
    position: int = 0


class Directory:
    """The records of a file-set, as they are added; encoded, a few hundred bytes each."""

    def __init__(self) -> None:
        self._root: dict[str, _Record] = {}
        self._count = 0

    def add(self, header: Dataset, meta: FileMeta, name: str) -> None:
        """Add an instance by its header, for the file `name`. Raises RecordError."""
        self._count += 1
        for keyword, value in _INVENTED.items():
            if not str(header.get(keyword) or ""):
                setattr(header, keyword, value.format(self._count))
        try:
            kind = _four_level_record_type(header)
            made: list[tuple[str, _Record]] = []
            level = self._root
            for above, unique in _LEVELS:
                key = str(header[unique].value)
                record = level[key] if key in level else _Record(_encoded(above, header))
                made.append((key, record))
                level = record.below
            last = _Record(_encoded(kind, header, meta, name))
        except Exception as error:  # values in the field are what they are
            raise RecordError(f"no directory record can be made: {error}") from error
        level = self._root
        for key, record in made:
            level = level.setdefault(key, record).below
        level[meta.sop_instance_uid] = last

    def encoded(self) -> bytes:
        """The DICOMDIR as a file."""
        head = part10.header(
            MediaStorageDirectoryStorage, generate_uid(prefix=None), ExplicitVRLittleEndian
        )
        records = list(_walk(self._root))
        # The elements in front of the first item do not change in length.
        position = len(head) + len(self._front(0, 0, 0))
        for record in records:
            record.position = position
            position += len(record.data)
        tops = list(self._root.values())
        first, last = (tops[0].position, tops[-1].position) if tops else (0, 0)
        out = BytesIO()
        out.write(head)
        out.write(self._front(first, last, position - len(head) - len(self._front(0, 0, 0))))
        following = dict(_siblings(self._root))
        for record in records:
            data = bytearray(record.data)
            below = next(iter(record.below.values()), None)
            after = following.get(id(record))
            struct.pack_into("<I", data, _NEXT_AT, after.position if after else 0)
            struct.pack_into("<I", data, _LOWER_AT, below.position if below else 0)
            out.write(data)
        return out.getvalue()

    def _front(self, first: int, last: int, length: int) -> bytes:
        """The elements in front of the records, which are `length` bytes."""
        return b"".join((
            element(0x00041130, "CS", b""),
            element(0x00041200, "UL", struct.pack("<I", first)),
            element(0x00041202, "UL", struct.pack("<I", last)),
            element(0x00041212, "US", struct.pack("<H", 0)),
            struct.pack("<HH2s2xI", 0x0004, 0x1220, b"SQ", length),
        ))  # fmt: skip


def _walk(level: dict[str, _Record]) -> Iterator[_Record]:
    for record in level.values():
        yield record
        yield from _walk(record.below)


def _siblings(level: dict[str, _Record]) -> Iterator[tuple[int, _Record]]:
    """Of each record the one behind it at its level."""
    records = list(level.values())
    for record, following in itertools.pairwise(records):
        yield id(record), following
    for record in records:
        yield from _siblings(record.below)


def _encoded(kind: str, header: Dataset, meta: FileMeta | None = None, name: str = "") -> bytes:
    """A record as an item, its offsets left open (PS3.3 F.3.2.2)."""
    front = element(_NEXT, "UL", bytes(4)) + element(_IN_USE, "US", b"\xff\xff")
    front += element(_LOWER, "UL", bytes(4)) + element(_TYPE, "CS", _even(kind))
    if meta:
        front += element(0x00041500, "CS", _even(name.replace("/", "\\")))
        for tag, uid in (
            (0x00041510, meta.sop_class_uid), (0x00041511, meta.sop_instance_uid),
            (0x00041512, meta.transfer_syntax_uid),
        ):  # fmt: skip
            front += element(tag, "UI", _even(uid, "\0"))
    keys: Dataset = DIRECTORY_RECORDERS[kind](header)
    if _CHARACTER_SET in header:
        keys.SpecificCharacterSet = header.SpecificCharacterSet
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, keys)
    data = front + buffer.getvalue()
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def _even(text: str, padding: str = " ") -> bytes:
    return (text + padding * (len(text) % 2)).encode("ascii")
