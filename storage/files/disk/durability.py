"""What a power cut does not take, and names that nothing needs any more."""

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

_C = ctypes.CDLL(None, use_errno=True)
_SYNC_FILE_RANGE_WRITE = 2  # <fcntl.h>


def begin_writing(descriptor: int) -> None:
    """Have a file's data begin its way to the disk: syncs of many that follow then share waits.

    A hint: what fails here fails with the sync.
    """
    zero = ctypes.c_int64(0)
    _C.sync_file_range(descriptor, zero, zero, _SYNC_FILE_RANGE_WRITE)


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """See that what a file holds is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(descriptor: int) -> None:
    """See that all that was written to the file system of an open file is on the disk.

    Raises OSError, also for a write that failed since the file was opened, once.
    """
    if _C.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def can_sync_file_systems() -> bool:
    """Whether that tells of writes that failed: Linux does since 5.8 (sync(2))."""
    numbers = re.findall(r"\d+", os.uname().release)
    return tuple(map(int, numbers[:2])) >= (5, 8)


def prune(path: Path) -> None:
    """Remove the series' and the study's folder of a file that is gone, where nothing is left."""
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # never made, or not empty: others lie there
            folder.rmdir()
