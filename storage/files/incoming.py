"""A data set on its way in: held in memory while it is small, else written as it arrives."""

import hashlib
import os
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.diagnostics import ArchiveError, DataSetError, ResourceError
from storage.dicom import part10
from storage.files.digests import digest_of_rest, is_rest, status_of
from storage.files.disk import DigestBehind
from storage.files.staging import Staging, write_all

# What is written at once; more goes to the file while the rest is still on the wire.
IN_MEMORY_BYTES = 64 * 1024
# The head of an element, and more.
_FIRST_BYTES = 16

# How often, in bytes, the disk is asked for room while a data set arrives.
_CHECK_BYTES = 8 * 1024 * 1024
# What is larger is digested by a thread of its own from there on: a start of one takes 0.1 ms.
_DIGESTED_HERE_BYTES = 16 * 1024 * 1024

Bytes = bytes | bytearray | memoryview


class Larger(Protocol):
    """Who knows of the data sets on their way that are not small."""

    def begin(self) -> int:
        """Count one more, until its `end`; how many bytes of it may be held in memory."""

    def end(self) -> None:
        """Count one less."""


class IncomingDataSet:
    """A data set as it arrives, behind the header of its file; `size` is in bytes, without that.

    Once it `is_placed` there is nothing left to be discarded.

    A failure to write is kept for `finish`, so that the peer can be told when it has sent all.
    """

    def __init__(
        self, staging: Staging, head: bytes, least_free: int = 0, larger: Larger | None = None
    ) -> None:
        self.size = 0
        self.is_placed = False
        self.arrived = 0  # the time of its file, in nanoseconds since 1970, once that is whole
        self._staging = staging
        self._head = head
        self._least_free = least_free
        self._held = bytearray()
        self._most, self._larger = IN_MEMORY_BYTES, larger
        self._is_counted = False  # among these
        self._first = b""  # of what was spilled
        self._hash = hashlib.sha256()
        self._digest = -1, ""  # with the size that it is of
        self._behind: DigestBehind | None = None
        self._path: str | None = None
        self._descriptor = -1
        self._has_room = False
        self._checked = 0  # at what size the disk had room
        self._error: ArchiveError | None = None

    def write(self, fragment: Bytes) -> None:
        """Take the next bytes."""
        self.size += len(fragment)
        if self._error:
            return
        if self._descriptor < 0 and self._may_hold(len(self._held) + len(fragment)):
            self._held += fragment
            self._hash.update(fragment)
            return
        try:
            if self._descriptor < 0:
                self._spill()
            elif self.size - self._checked > _CHECK_BYTES:
                self._checked = self.size
                self.check_room()
            write_all(self._descriptor, memoryview(fragment))
        except OSError as error:
            self._fail(ResourceError(f"Cannot write to disk: {error.strerror}"))
        except ArchiveError as failure:
            self._fail(failure)
        else:
            self._add_to_digest(fragment)

    def open(self) -> BinaryIO:
        """What has arrived, from its first byte on. Raises ResourceError."""
        if self._error:
            raise self._error
        if self._path is None:
            return BytesIO(self._held)
        try:
            file = open(self._path, "rb")  # noqa: SIM115 - the caller closes it
        except OSError as error:
            name = Path(self._path).name
            raise ResourceError(f"Cannot read {name}: {error.strerror}") from error
        file.seek(len(self._head))
        return file

    def check_read_back(self) -> None:
        """Raise DataSetError where the file would not be read as this header and this data set."""
        first = self._first if self._path else bytes(self._held[:_FIRST_BYTES])
        if not part10.is_read_back(self._head, first):
            raise DataSetError("Its first elements would be read as those of the file's header")

    def begin_sync(self) -> None:
        """Have the file in `incoming/`, whole, on its way to the disk. Raises ResourceError.

        `finish` then has less to wait for, where it comes for several.
        """
        self._write_all()
        if self._descriptor >= 0:
            self._staging.begin_sync(self._descriptor)

    def finish(self) -> Path:
        """The whole file, synced, in `incoming/`. Raises ResourceError."""
        self._write_all()
        return Path(self._close())

    def write_out(self, arrived: int) -> str:
        """The whole file, not synced, in `incoming/`, with this time. Raises ResourceError."""
        self._write_all()
        return self._close(arrived, sync=False)

    def _close(self, arrived: int = 0, sync: bool = True) -> str:
        path = self._staged
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self.arrived = self._staging.close_staged(path, descriptor, arrived, sync)
        return path

    @property
    def in_memory(self) -> tuple[bytes, bytearray] | None:
        """Part 10 header and data set, where they have not been written. Raises ResourceError."""
        if self._error:
            raise self._error
        return (self._head, self._held) if self._path is None else None

    @property
    def path(self) -> Path:
        """Its file in `incoming/`. Raises ResourceError where there is none."""
        return Path(self._staged)

    @property
    def _staged(self) -> str:
        if self._error:
            raise self._error
        if self._path is None:
            raise ResourceError("The data set was not written")
        return self._path

    @property
    def digest(self) -> str:
        """The digest of what has arrived. Raises ResourceError."""
        if self._behind:
            behind, self._behind = self._behind, None
            try:
                behind.finish(len(self._head) + self.size)
            except OSError as error:
                failure = ResourceError(f"Cannot read what was written: {error.strerror}")
                self._fail(failure)
                raise failure from error
        if self._digest[0] != self.size:
            self._digest = self.size, self._hash.hexdigest()
        return self._digest[1]

    def is_rest_of(self, file: BinaryIO, offset: int) -> bool:
        """Whether what lies in `file` from `offset` on is the same. Raises OSError."""
        if status_of(file).bytes - offset != self.size:
            return False
        file.seek(offset)
        if self._path is None:
            return is_rest(file, self._held)
        return digest_of_rest(file) == self.digest

    def check_room(self) -> None:
        """Raise ResourceError where the disk would be left with less than it has to keep."""
        to_come = 0 if self._path else len(self._held)
        free = self._staging.free_bytes() - to_come
        if free < self._least_free:
            raise ResourceError(f"Disk full: {max(free, 0)} bytes would be left")
        self._has_room = self._path is None  # for what is held by now

    def discard(self) -> None:
        """Remove what is in `incoming/`, if it is still there."""
        if self._behind:
            self._behind.abandon()
            self._behind = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._path and not self.is_placed:
            self._staging.discard(self._path)
        if self._is_counted and self._larger:
            self._larger.end()
            self._larger = None

    def _may_hold(self, size: int) -> bool:
        """Whether so much of it may be in memory."""
        if size > IN_MEMORY_BYTES and self._larger and not self._is_counted:
            self._is_counted = True
            self._most = self._larger.begin()
        return size <= self._most

    def _write_all(self) -> None:
        """Have all in the file."""
        if self._descriptor < 0 and self._path is None and self._error is None:
            try:
                self._spill()
            except OSError as error:
                self._fail(ResourceError(f"Cannot write to disk: {error.strerror}"))
            except ArchiveError as failure:
                self._fail(failure)
        if self._error:
            raise self._error

    def _add_to_digest(self, fragment: Bytes) -> None:
        """Take what was written last into the digest, or leave it to who does so beside."""
        end = len(self._head) + self.size
        if self.size > _DIGESTED_HERE_BYTES and self._behind is None and self._path:
            with suppress(OSError, RuntimeError):  # there are too many files, or threads
                start = end - len(fragment)
                self._behind = DigestBehind(self._staging.begin_sync, self._path, self._hash, start)
        if self._behind:
            self._behind.written(end)
        else:
            self._hash.update(fragment)

    def _spill(self) -> None:
        if not self._has_room:
            self.check_room()
        self._path, self._descriptor = self._staging.open_staged()
        if len(self._held) <= IN_MEMORY_BYTES:  # one call takes less than a copy
            write_all(self._descriptor, memoryview(self._head + self._held))
        else:
            write_all(self._descriptor, memoryview(self._head))
            write_all(self._descriptor, memoryview(self._held))
        self._first = bytes(self._held[:_FIRST_BYTES])
        self._held = bytearray()

    def _fail(self, error: ArchiveError) -> None:
        self._error = error
        self._held = bytearray()
        self.discard()
