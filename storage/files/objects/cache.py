"""A folder with objects that were read: under their keys nothing ever changes."""

import hashlib
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from storage.diagnostics import Event
from storage.files import FileStatus
from storage.files.objects.keys import uuid7

logger = logging.getLogger(__name__)

# What was written before a power cut may have come to the disk or not: nothing is synced here, and
# so nothing is believed that was written before the last start of the system.
_START = Path("/proc/sys/kernel/random/boot_id")
_PART = ".part"
# What goes when there is too much: so that not each object that comes has another one go.
_KEPT_SHARE = 0.9
# How much more may have come before it is looked what there is: others write here too.
_LOOK_SHARE = 0.05


class CacheFolder:
    """Objects in a folder, whole ones alone; safe to use from many threads and processes.

    Of more than `most_bytes` those go that were not opened for the longest time. A folder that
    fails is as one that is empty.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._most = most_bytes
        self._root = folder
        self._folder = folder / _system_start()
        self._unseen = most_bytes  # bytes that came since it was looked

    def open(self, key: str) -> BinaryIO | None:
        """An object, where it is there, for the caller to close."""
        path = self._path(key)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with suppress(OSError):
            arrived = os.fstat(file.fileno()).st_mtime_ns
            os.utime(path, ns=(time.time_ns(), arrived))  # also where nobody else notes reads
        return file

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        return self._path(key).exists()

    def keeping(self, key: str, status: FileStatus) -> "Keeping | None":
        """What takes an object as it is read; None: it would be too large."""
        if status.bytes > self._most * _KEPT_SHARE:
            return None
        return Keeping(self, self._path(key), status)

    def remove(self, key: str) -> None:
        """Have it no more."""
        with suppress(OSError):
            self._path(key).unlink()

    def came(self, size: int) -> None:
        """Be told of an object that came here: what is too much goes."""
        self._unseen += size
        if self._unseen >= self._most * _LOOK_SHARE:
            self._unseen = 0
            try:
                self._make_room()
            except OSError as error:
                logger.warning(Event("cache fails", error.strerror, folder=str(self._root)))

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _make_room(self) -> None:
        found: list[tuple[float, int, Path]] = []
        for path in self._root.glob("*/*/*"):
            with suppress(FileNotFoundError):
                held = path.stat()
                # Of an earlier start of the system: never opened again.
                when = held.st_atime if path.is_relative_to(self._folder) else 0.0
                found.append((when, held.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= self._most:
            return
        for _, size, path in sorted(found):
            path.unlink(missing_ok=True)
            total -= size
            if total <= self._most * _KEPT_SHARE:
                return


class Keeping:
    """An object on its way into the cache: there once all of it was read, from front to back."""

    def __init__(self, cache: CacheFolder, path: Path, status: FileStatus) -> None:
        self._cache, self._path, self._status = cache, path, status
        self._part = path.with_name(f"{uuid7()}{_PART}")
        self._beginning = memoryview(b"")  # not written yet: of many no more is read
        self._file: BinaryIO | None = None
        self._at = 0

    def take(self, start: int, data: memoryview) -> None:
        """Take what follows; what does not is passed over, and it never becomes all then."""
        if start != self._at:
            return
        if start == 0:
            self._beginning, self._at = data, len(data)
            return
        try:
            self._write(data)
        except OSError:
            self._give_up()
        else:
            self._at += len(data)

    def end(self) -> None:
        """Have it there, where that was all."""
        if self._at != self._status.bytes:
            self._give_up()
            return
        try:
            self._write(memoryview(b""))
            if self._file:
                self._file.close()
                os.utime(self._part, ns=(time.time_ns(), self._status.arrived))
                self._part.rename(self._path)
        except OSError:
            self._give_up()
        else:
            self._cache.came(self._at)

    def _write(self, data: memoryview) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("xb")
            self._file.write(self._beginning)
            self._beginning = memoryview(b"")
        self._file.write(data)

    def _give_up(self) -> None:
        self._at, self._beginning = -1, memoryview(b"")
        if self._file:
            with suppress(OSError):  # what is left to be written
                self._file.close()
            self._file = None
            with suppress(OSError):
                self._part.unlink()


def _system_start() -> str:
    return _START.read_text().strip()
