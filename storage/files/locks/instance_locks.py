"""Instances' places in the tree, held against other threads and processes."""

import os
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids
from storage.files.disk import refusal
from storage.files.locks.file_locks import lock

# How long a store waits for another of the same instance before it gives up with A700.
LOCK_SECONDS = 30.0
# A place is a byte of the lock file; some share one.
_STRIPES = 1 << 20


@contextmanager
def hold(data: Path, places: Iterable[Uids] | None) -> Iterator[None]:
    """Hold the places of these instances of a data folder; None: all. Raises ResourceError."""
    path = data / "lock"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ResourceError(f"Cannot lock: {refusal(error, path)}") from error
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        try:
            if places is None:
                lock(descriptor, 0, deadline, _STRIPES)
            else:
                for stripe in sorted({_stripe(uids) for uids in places}):
                    lock(descriptor, stripe, deadline)
        except OSError as error:
            raise ResourceError(f"Cannot lock: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)


def _stripe(uids: Uids) -> int:
    return zlib.crc32("/".join(uids).encode()) % _STRIPES
