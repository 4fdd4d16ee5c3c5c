"""What a command that changes files and rows beside the node marks, for when it is cut off.

While there is a mark the index is not settled: who comes next replays the journal, and so
brings to its end what a kill left half-done.
"""

import itertools
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.diagnostics import FolderError, ResourceError
from storage.files import claim
from storage.journal.journal import MIGRATED, Journal

_NAME = "doing-"
_numbers = itertools.count()


@contextmanager
def in_progress(data: Path) -> Iterator[None]:
    """Mark the journal for as long as a change takes, and beyond where it is cut off.

    Raises ResourceError.
    """
    folder = data / "journal"
    name = f"{_NAME}{os.getpid()}-{next(_numbers)}"  # a process may have several under way
    mark, fresh = folder / name, folder / f"new-{name}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        claim(descriptor)  # until the process ends: first, so that nobody takes it for left
        os.rename(fresh, mark)
    except OSError as error:
        raise ResourceError(f"{mark}: {error.strerror}") from error
    try:
        yield
        mark.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def changes_under_way(data: Path) -> list[Path]:
    """Those of changes that are under way, or were cut off."""
    return list((data / "journal").glob(f"{_NAME}*"))


def changes_cut_off(data: Path) -> list[Path]:
    """The marks of changes that were cut off."""
    return [mark for mark in changes_under_way(data) if _is_left(mark)]


def last_migration(journal: Journal) -> dict[str, Any]:
    """What is told last of a migration into this archive; empty where there was none.

    Raises ResourceError.
    """
    if not journal.size(MIGRATED):
        return {}
    return next(iter(deque(journal.read(MIGRATED), maxlen=1)), {})


def require_migrated(journal: Journal) -> None:
    """Raise FolderError where an archive is being filled from another, and lacks some of it.

    Raises ResourceError.
    """
    if last_migration(journal).get("complete") is False:
        raise FolderError(
            f"{journal.folder.parent}: its archive is being filled by `minipacs migrate`, and is "
            "not whole yet: stop the nodes of the other archive, and run that once more"
        )


def _is_left(mark: Path) -> bool:
    try:
        descriptor = os.open(mark, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # ended by now; or another user's, whose next command sees to it
        return False
    try:
        return claim(descriptor)
    finally:
        os.close(descriptor)
