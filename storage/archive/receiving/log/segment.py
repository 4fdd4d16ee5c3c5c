"""A segment of the log: a file whose blocks are there before they are needed.

A write into it changes nothing but data, so that one wait for the disk does. Its first block has
the epoch: who uses it anew writes another, durably, and so has all that lies in it be nothing.
"""

import errno
import os
import secrets
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from storage.archive.receiving.log.entries import BLOCK_BYTES, EPOCH_BYTES, ERASED, Entry
from storage.dicom.values import Uids
from storage.files import claim, sync_folder

# Of the first one of a process, which is there soon, and of the others.
FIRST_BYTES, SEGMENT_BYTES = 2 << 20, 16 << 20
SUFFIX, UNSYNCED, FRESH = ".log", ".unsynced", ".new"
_MAGIC = b"mplogsg1"
_HEAD = struct.Struct(f"<8s{EPOCH_BYTES}sI")
_ZEROS_BYTES = 1 << 20
# Where the file system or the kernel does not know the flag (pwritev2(2)).
_UNKNOWN = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Segment:
    """One that this process writes; locked for as long as that lives, so that others leave it.

    Who takes a part of it holds the lock of the log; who writes it does not.
    """

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path, self._size = path, size
        self._descriptor = descriptor
        self._epoch = b""
        self.under_way = 0  # entries whose instances are not in their places yet
        self.instances: list[Uids] = []
        self.lines: list[int] = []  # the numbers of their receipts in the journal
        self.since = 0.0  # the first of them, by the monotonic clock
        self.end = BLOCK_BYTES

    def has_room(self, entry: Entry) -> bool:
        """Whether an entry fits into what is left."""
        return self.end + entry.size <= self._size

    @property
    def is_nearly_full(self) -> bool:
        """Whether another is needed soon."""
        return self.end > self._size // 2

    @property
    def is_used(self) -> bool:
        """Whether it has entries."""
        return self.end > BLOCK_BYTES

    def take(self, entry: Entry) -> int:
        """Where an entry is to lie."""
        offset = self.end
        self.end += entry.size
        self.under_way += 1
        return offset

    def write(self, entry: Entry, position: int, offset: int) -> None:
        """Write an entry, durably. Raises OSError."""
        _write(self._descriptor, entry.parts(self._epoch, position), offset)

    def erase(self, offset: int) -> None:
        """Have an entry be none, durably. Raises OSError."""
        _write(self._descriptor, [ERASED], offset)

    def begin(self) -> None:
        """Have all that lies in it be nothing, durably: for its next use. Raises OSError."""
        self._epoch = secrets.token_bytes(EPOCH_BYTES)
        _write(self._descriptor, [_head(self._epoch)], 0)
        self.instances.clear()
        self.lines.clear()
        self.end = BLOCK_BYTES

    def leave(self) -> None:
        """Leave it to be brought in by who comes next: what its instances are was not synced."""
        with suppress(OSError):
            self.path.rename(self.path.with_suffix(UNSYNCED))
        self.close()

    def remove(self) -> None:
        """Remove the file, which holds nothing that is needed."""
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file, and so give up its lock."""
        _held.discard(self._descriptor)
        os.close(self._descriptor)


def made_in(folder: Path, number: int, size: int) -> Segment:
    """A new segment of so many bytes, on the disk with all of its blocks.

    Raises OSError; nothing is left then.
    """
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    path = folder / f"{os.getpid()}-{number}-{secrets.token_hex(4)}{SUFFIX}"
    fresh = path.with_suffix(FRESH)
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600)
    _held.add(descriptor)
    segment = Segment(path, descriptor, size)
    try:
        if not claim(descriptor):
            raise OSError(errno.EAGAIN, "taken for one that was left")
        zeros = bytes(_ZEROS_BYTES)
        for at in range(0, size, _ZEROS_BYTES):
            _write_all(descriptor, zeros, at)
        os.fsync(descriptor)
        segment.begin()
        fresh.rename(path)
        sync_folder(folder)
    except BaseException:
        fresh.unlink(missing_ok=True)
        segment.remove()
        raise
    return segment


def epoch_of(segment: BinaryIO) -> bytes:
    """What the entries of a segment are known by; empty where its first block was torn.

    That is written while no entry is needed. Raises OSError.
    """
    segment.seek(0)
    block = segment.read(_HEAD.size)
    if len(block) < _HEAD.size:
        return b""
    _, epoch, _ = _HEAD.unpack(block)
    return epoch if block == _head(epoch) else b""


def _head(epoch: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, epoch, zlib.crc32(_MAGIC + epoch))


def _write(descriptor: int, parts: list[bytes | bytearray | memoryview], offset: int) -> None:
    """Write, and wait for the disk. Raises OSError."""
    size = sum(map(len, parts))
    try:
        written = os.pwritev(descriptor, parts, offset, os.RWF_DSYNC)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        written = os.pwritev(descriptor, parts, offset)
        os.fdatasync(descriptor)
    if written != size:
        raise OSError(errno.EIO, "only a part was written")


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


# A file that is open in a forked process, too, would stay locked when this one has died.
_held: set[int] = set()


def _forget_held() -> None:
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_held)
