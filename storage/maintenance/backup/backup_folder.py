"""The folder of a backup: what says that it is one, and of what."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage import files
from storage.diagnostics import FolderError
from storage.journal import now

_MARK = "minipacs-backup.json"


@contextmanager
def claimed(data: Path, to: Path) -> Iterator[None]:
    """Have a folder that is a backup of this archive, or empty, for oneself. Raises FolderError."""
    _require_own(data, to)
    descriptor = os.open(to / _MARK, os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # not everywhere can it be locked
            if not files.claim(descriptor):
                raise FolderError(f"{to}: another backup is being written there")
        yield
    finally:
        os.close(descriptor)


def _require_own(data: Path, to: Path) -> None:
    here, there = data.resolve(), to.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise FolderError(f"{to}: lies in the archive, or the archive in it")
    mark = to / _MARK
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mark.exists():
            if any(to.iterdir()):
                raise FolderError(f"{to}: is not empty, and no backup")
            mark.write_text(json.dumps({"of": str(here), "since": now()}) + "\n")
        if json.loads(mark.read_text())["of"] != str(here):
            raise FolderError(f"{to}: is a backup of another folder")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{to}: cannot be a backup: {error}") from error
