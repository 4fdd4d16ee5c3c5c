"""Segments that nobody writes any more: of processes that died, or that could not sync them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from storage.archive.receiving.log.entries import BLOCK_BYTES, LoggedEntry, entries_in
from storage.archive.receiving.log.segment import FRESH, SUFFIX, UNSYNCED, epoch_of
from storage.files import LOCK_SECONDS, claim, lock, sync_folder

_SUFFIXES = (SUFFIX, UNSYNCED, FRESH)


class LeftSegment:
    """One, open and claimed. `is_unsynced`: its process tried, and may have been told once."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.is_unsynced = path.suffix == UNSYNCED

    def entries(self) -> Iterator[LoggedEntry]:
        """Its entries, in the order in which they lie there. Raises OSError."""
        epoch = epoch_of(self.file)
        return entries_in(self.file, epoch, BLOCK_BYTES) if epoch else iter(())


class LeftSegments:
    """Those of a data folder; nobody else brings them in meanwhile."""

    def __init__(self, folder: Path, found: list[LeftSegment]) -> None:
        self._folder = folder
        self.found = found

    def remove(self) -> None:
        """Remove them: what they hold is on the disk. Raises OSError."""
        for one in self.found:
            one.path.unlink(missing_ok=True)
        if self.found:
            sync_folder(self._folder)


@contextmanager
def left_segments(data: Path) -> Iterator[LeftSegments]:
    """The segments that are left in a data folder, claimed. Raises OSError."""
    folder = data / "log"
    if not folder.exists():
        yield LeftSegments(folder, [])
        return
    one_at_a_time = os.open(data / "log.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        lock(one_at_a_time, 0, time.monotonic() + LOCK_SECONDS)
        found = list(_claimed(folder))
        try:
            yield LeftSegments(folder, found)
        finally:
            for one in found:
                one.file.close()
    finally:
        os.close(one_at_a_time)


def has_left(data: Path) -> bool:
    """Whether there are any. Raises OSError."""
    found = False
    for one in _claimed(data / "log"):
        one.file.close()
        found = True
    return found


def _claimed(folder: Path) -> Iterator[LeftSegment]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for path in (folder / name for name in names if name.endswith(_SUFFIXES)):
        with suppress(FileNotFoundError):  # removed, or renamed by who has just made it
            file = path.open("r+b")
            if claim(file.fileno()) and path.exists():
                yield LeftSegment(path, file)
            else:
                file.close()
