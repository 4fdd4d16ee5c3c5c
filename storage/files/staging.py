"""The folder `incoming/`: files that nobody finds by UIDs until they are put elsewhere."""

import fcntl
import itertools
import logging
import os
import time
from pathlib import Path
from typing import Protocol

from storage.diagnostics import Event, FolderError, ResourceError
from storage.files.disk import begin_writing, refusal
from storage.files.locks import claim

logger = logging.getLogger(__name__)

# Begins the names of what is staged by processes beside the node.
_BESIDE = "beside-"


class Staging(Protocol):
    """Where a data set is written as it arrives; safe to use from many threads and processes."""

    def open_staged(self) -> tuple[str, int]:
        """A new staged file, and a descriptor to write it. Raises ResourceError."""

    def begin_sync(self, descriptor: int) -> None:
        """Have what was written to a staged file begin its way to where it lasts."""

    def close_staged(self, path: str, descriptor: int, arrived: int = 0, sync: bool = True) -> int:
        """Close a staged file, durable unless that comes later; returns its arrival.

        That is now, unless it is given, in nanoseconds since 1970. Raises ResourceError.
        """

    def discard(self, staged: Path | str) -> None:
        """Remove a staged file, if it is still there."""

    def free_bytes(self) -> int:
        """What there is still room for, in bytes. Raises ResourceError."""


class StagingFolder:
    """`incoming/` of a data folder, which one node and who works beside it have for themselves.

    With `sync` a file is on the disk before `close_staged` returns.
    """

    def __init__(self, data: Path, sync: bool) -> None:
        self.data = data
        self._sync = sync
        self._incoming = data / "incoming"
        self._incoming_text = str(self._incoming)
        self._mark = ""
        self._numbers = itertools.count()

    def clear(self) -> int:
        """Clear what an earlier run left half-received; returns how much that was.

        For who has the folder alone, but for those who stay beside. Raises OSError.
        """
        kept = _BESIDE if self._others_beside() else "/"
        leftovers = [one for one in self._incoming.iterdir() if not one.name.startswith(kept)]
        for leftover in leftovers:
            leftover.unlink()
        return len(leftovers)

    def stay_beside(self) -> None:
        """Let what this process and its children stage outlast the start of a node.

        Raises FolderError.
        """
        try:
            descriptor = self._beside_lock()
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # open, and so held, until the process ends
        except OSError as error:
            raise FolderError(f"{error.filename or self.data}: {error.strerror}") from error
        self._mark = _BESIDE

    def clear_of(self, process: int) -> None:
        """Clear what a process that was killed left half-received. Raises OSError."""
        for leftover in self._incoming.glob(f"{process}-*.part"):
            leftover.unlink(missing_ok=True)

    def stage(
        self, *parts: bytes | bytearray | memoryview, arrived: int = 0, sync: bool = True
    ) -> Path:
        """Write `parts` to a new file in `incoming/`, as `close_staged`. Raises ResourceError."""
        path, descriptor = self.open_staged()
        try:
            for part in parts:
                write_all(descriptor, memoryview(part))
        except OSError as error:
            os.close(descriptor)
            self.discard(path)
            raise ResourceError(f"Cannot write to disk: {error.strerror}") from error
        self.close_staged(path, descriptor, arrived, sync)
        return Path(path)

    def open_staged(self) -> tuple[str, int]:
        """A new file in `incoming/`, and a descriptor to write it. Raises ResourceError."""
        name = f"{self._mark}{os.getpid()}-{next(self._numbers)}.part"
        path = f"{self._incoming_text}/{name}"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            return path, os.open(path, flags, 0o666)
        except OSError as error:
            self.discard(path)
            raise ResourceError(f"Cannot write to disk: {refusal(error, Path(path))}") from error

    def begin_sync(self, descriptor: int) -> None:
        """Have what was written to a file in `incoming/` begin its way to the disk."""
        if self._sync:
            begin_writing(descriptor)

    def close_staged(self, path: str, descriptor: int, arrived: int = 0, sync: bool = True) -> int:
        """Sync and close a file in `incoming/`; gone where that fails. Raises ResourceError.

        Returns its time, in nanoseconds since 1970: that of its arrival. The system's own would
        be the same for all that are written within a few milliseconds.
        """
        try:
            try:
                now = arrived or time.time_ns()
                os.utime(descriptor, ns=(now, now))
                arrived = os.fstat(descriptor).st_mtime_ns  # as exact as the file system has it
                if not sync:
                    self._left_unsynced()
                elif self._sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.discard(path)
            raise ResourceError(f"Cannot write to disk: {error.strerror}") from error
        return arrived

    def discard(self, staged: Path | str) -> None:
        """Remove a staged file, if it is still there; what cannot be goes at the next start."""
        try:
            Path(staged).unlink(missing_ok=True)
        except OSError as error:
            logger.warning(Event("left in incoming", error.strerror, file=Path(staged).name))

    def free_bytes(self) -> int:
        """What the disk still takes, in bytes. Raises ResourceError."""
        try:
            disk = os.statvfs(self.data)
        except OSError as error:
            raise ResourceError(f"Cannot ask for free space: {error.strerror}") from error
        return disk.f_bavail * disk.f_frsize

    def _left_unsynced(self) -> None:
        """A file is about to be closed that is synced later, if at all. Raises OSError."""

    def _others_beside(self) -> bool:
        descriptor = self._beside_lock()
        try:
            return not claim(descriptor)
        finally:
            os.close(descriptor)

    def _beside_lock(self) -> int:
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        return os.open(self.data / "beside.lock", flags, 0o600)


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data`. Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]
