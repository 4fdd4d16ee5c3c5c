"""The copy of a worklist's folder: small files, which are as they are when they are looked at."""

import os
import shutil
from pathlib import Path

from storage.files import sync_folder

_SUFFIX = ".part"


def bring_entries(folder: Path, copies: Path) -> None:
    """Have `copies` hold the files of a folder, with their times, and no others. Raises OSError.

    Each is whole and on the disk before it has its name.
    """
    held = {entry.name: entry.stat() for entry in _files(folder)}
    if not held and not copies.is_dir():
        return
    copies.mkdir(mode=0o700, exist_ok=True)
    for entry in _files(copies):
        if entry.name not in held:
            os.unlink(entry)
    for name, status in held.items():
        copy = copies / name
        if not copy.exists() or _told(copy.stat()) != _told(status):
            _bring(folder / name, copy)
    sync_folder(copies)


def _files(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if entry.is_file()]
    except FileNotFoundError:
        return []


def _told(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _bring(path: Path, copy: Path) -> None:
    fresh = copy.with_name(f".{copy.name}{_SUFFIX}")
    try:
        shutil.copy2(path, fresh)
    except FileNotFoundError:  # taken away just now
        return
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(copy)
