"""Copies of files: each is whole and on the disk before it has its name."""

import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from storage.diagnostics import DataSetError
from storage.dicom import part10
from storage.files import begin_writing, copy_of_rest, prune, sync_folder

# So many files, or bytes, are written before the first of them is synced: they share its wait.
_MOST_FILES, _MOST_BYTES = 64, 64 << 20
# The folders whose names are still to be synced are no more than that.
_MOST_FOLDERS = 1024


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class UnreadableFileError(Exception):
    """A file that cannot be read to its end, which is its fault alone; says why."""


class _Source(io.FileIO):
    """A file that tells its own errors from those of the copy."""

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """As `FileIO`. Raises UnreadableFileError."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise UnreadableFileError(f"cannot be read: {error.strerror}") from error


def open_source(path: str) -> BinaryIO:
    """The file of an instance. Raises FileNotFoundError, UnreadableFileError."""
    try:
        # Of a pipe nobody waits for who writes it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFileError("is no file")
    return io.BufferedReader(_Source(descriptor))


class _Copy(NamedTuple):
    """What was written and has not its name yet."""

    file: BinaryIO
    fresh: Path
    target: Path


class FileCopies:
    """Makes and removes files below one folder; what was done is on the disk after `sync`."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._written: list[_Copy] = []
        self._bytes = 0
        self._folders: set[Path] = set()

    def add(self, source: BinaryIO, target: Path) -> str:
        """Copy an instance's file, with its time; returns the digest of its data set.

        Its name it has after `flush`. Raises OSError, UnreadableFileError.
        """
        held = os.fstat(source.fileno())
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = target.with_suffix(".part")
        copy = fresh.open("wb")
        try:
            os.fchmod(copy.fileno(), 0o600)
            copy.write(source.read(_head_bytes(source)))
            digest = copy_of_rest(source, copy)
            copy.flush()
        except UnreadableFileError:
            copy.close()
            fresh.unlink()
            raise
        self._written.append(_Copy(copy, fresh, target))
        begin_writing(copy.fileno())
        os.utime(copy.fileno(), ns=(held.st_atime_ns, held.st_mtime_ns))
        self._bytes += held.st_size
        if len(self._written) >= _MOST_FILES or self._bytes >= _MOST_BYTES:
            self.flush()
        return digest

    def flush(self) -> None:
        """Give what was copied its names. Raises OSError."""
        for copy in self._written:
            os.fsync(copy.file.fileno())
        for copy in self._written:
            copy.file.close()
            os.replace(copy.fresh, copy.target)
            self.touched(copy.target)
        self._written.clear()
        self._bytes = 0

    def remove(self, target: Path) -> None:
        """Remove a copy, and the folders that held nothing else. Raises OSError."""
        target.unlink(missing_ok=True)
        self.touched(target)
        prune(target)

    def touched(self, target: Path) -> None:
        """Have the way to a file's name synced. Raises OSError."""
        self._folders.update(list(target.parents)[: len(target.relative_to(self._top).parts)])
        if len(self._folders) >= _MOST_FOLDERS:
            self._sync_folders()

    def sync(self) -> None:
        """See that all that was done is on the disk. Raises OSError."""
        self.flush()
        self._sync_folders()

    def _sync_folders(self) -> None:
        for folder in self._folders:
            with suppress(FileNotFoundError):  # pruned since
                sync_folder(folder)
        self._folders.clear()


def _head_bytes(file: BinaryIO) -> int:
    """How long the Part 10 header of a file is, which is then read from its start; 0: has none."""
    try:
        length = part10.read(file).data_set_offset
    except DataSetError:
        length = 0
    file.seek(0)
    return length
