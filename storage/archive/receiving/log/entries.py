"""The bytes of an entry: the receipt of an instance as the journal has it, and the file's.

It begins at a block of its segment. What lies in a block says nothing unless it has the segment's
epoch, and sums that hold: so one that was torn, taken back, or of an earlier use is none.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from storage.dicom.values import Uids
from storage.journal import record_of

BLOCK_BYTES = 4096
EPOCH_BYTES = 16
_MAGIC = b"mpentry1"
# Magic, epoch, position, arrived; bytes of receipt, Part 10 header and data set; a sum of these,
# the receipt and the header. The receipt has the digest of the data set.
_HEAD = struct.Struct(f"<8s{EPOCH_BYTES}sQQIII")
_SUM = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _SUM.size
ERASED = bytes(_HEAD_BYTES)

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Entry:
    """A new instance: its receipt, a line of the journal, and what its file is to hold.

    `arrived` is the time of its file, in nanoseconds since 1970.
    """

    uids: Uids
    arrived: int
    receipt: bytes
    head: bytes
    data_set: Bytes

    @property
    def size(self) -> int:
        """The bytes that it takes in a segment, in whole blocks."""
        size = _HEAD_BYTES + len(self.receipt) + len(self.head) + len(self.data_set)
        return size + -size % BLOCK_BYTES

    def parts(self, epoch: bytes, position: int) -> list[Bytes]:
        """What is to be written.

        `position` is the journal's end before the receipt is written to it, while nobody else can
        store the instance.
        """
        head = _HEAD.pack(
            _MAGIC, epoch, position, self.arrived,
            len(self.receipt), len(self.head), len(self.data_set),
        )  # fmt: skip
        return [head, _sum(head, self.receipt, self.head), self.receipt, self.head, self.data_set]


@dataclass(frozen=True)
class LoggedEntry:
    """An entry that was found in a segment, without its file's bytes: those are at `offset`."""

    uids: Uids
    position: int
    arrived: int
    receipt: bytes
    digest: str
    offset: int
    head_bytes: int
    data_set_bytes: int

    def file_bytes(self, segment: BinaryIO) -> tuple[bytes, bytes]:
        """Part 10 header and data set. Raises OSError."""
        segment.seek(self.offset)
        return segment.read(self.head_bytes), segment.read(self.data_set_bytes)


def entries_in(segment: BinaryIO, epoch: bytes, start: int) -> Iterator[LoggedEntry]:
    """The whole entries of a segment from a byte on. Raises OSError.

    One that is none hides no other: several are written at once, and any may be torn.
    """
    at = start
    while True:
        segment.seek(at)
        block = segment.read(BLOCK_BYTES)
        if len(block) < _HEAD_BYTES:
            return
        found = _entry_at(segment, at, block, epoch)
        if found:
            yield found
            at = found.offset + found.head_bytes + found.data_set_bytes
            at += -at % BLOCK_BYTES
        else:
            at += BLOCK_BYTES


def _entry_at(segment: BinaryIO, at: int, block: bytes, epoch: bytes) -> LoggedEntry | None:
    magic, of_epoch, position, arrived, *lengths = _HEAD.unpack_from(block)
    if magic != _MAGIC or of_epoch != epoch:
        return None
    receipt_bytes, head_bytes, data_set_bytes = lengths
    segment.seek(at + _HEAD_BYTES)
    receipt, head = segment.read(receipt_bytes), segment.read(head_bytes)
    if _sum(block[: _HEAD.size], receipt, head) != block[_HEAD.size : _HEAD_BYTES]:
        return None
    told = record_of(receipt)
    if told is None:
        return None
    study, series, instance = told["uids"]
    digest = str(told["digest"])
    if hashlib.sha256(segment.read(data_set_bytes)).hexdigest() != digest:
        return None
    offset = at + _HEAD_BYTES + receipt_bytes
    return LoggedEntry(
        (study, series, instance), position, arrived, receipt, digest, offset, head_bytes,
        data_set_bytes,
    )  # fmt: skip


def _sum(*parts: bytes) -> bytes:
    found = 0
    for part in parts:
        found = zlib.crc32(part, found)
    return _SUM.pack(found)
