"""Where an export goes: a folder or a zip archive, with its name only when it is whole."""

import errno
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.diagnostics import FolderError, ResourceError
from storage.files import sync_folder

# In the folder until all is there, so that what was cut off cannot be taken for whole.
PART = "export.part"
_CHUNK = 1 << 20
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOTSUP})


class Target(Protocol):
    """Takes files, each under its path in the export."""

    def add(self, name: str, source: BinaryIO, compress: bool) -> int:
        """Write what is left of `source`; how many bytes. Raises OSError."""


@contextmanager
def folder(path: Path, data: Path) -> Iterator[Target]:
    """A folder that is empty, or made. Raises FolderError, ResourceError."""
    _check_place(path, data)
    is_new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        held = sorted(one.name for one in path.iterdir())
        if held == [PART]:
            raise FolderError(
                f"{path}: an export into it was cut off, or still runs: remove {path / PART} "
                "where none runs, and export again"
            )
        if held:
            raise FolderError(f"{path}: is not empty")
        part = path / PART
        part.mkdir()
    except OSError as error:
        raise FolderError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with _written(path):
            target = _Folder(part)
            yield target
            target.sync()
            # A DICOMDIR last: where there is one, all that it names is there.
            for one in sorted(part.iterdir(), key=lambda one: one.is_file()):
                one.rename(path / one.name)
            part.rmdir()
            _sync(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def archive(path: Path, data: Path) -> Iterator[Target]:
    """A zip file that is not there yet. Raises FolderError, ResourceError."""
    _check_place(path, data)
    if path.exists():
        raise FolderError(f"{path}: is there already")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("xb")
    except FileExistsError:
        raise FolderError(
            f"{part}: an export was cut off, or still runs: remove it where none runs, and "
            "export again"
        ) from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with _written(path):
            with file:
                with zipfile.ZipFile(file, "w", allowZip64=True) as zipped:
                    yield Zipped(zipped)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            _sync(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._folders: set[Path] = {path}

    def add(self, name: str, source: BinaryIO, compress: bool) -> int:
        """A file of the folder, on the disk."""
        path = self._path / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders |= {one for one in path.parents if one.is_relative_to(self._path)}
        with path.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def sync(self) -> None:
        """See that the names are on the disk."""
        for one in self._folders:
            _sync(one)


class Zipped:
    """A zip archive that takes files."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped

    def add(self, name: str, source: BinaryIO, compress: bool) -> int:
        """An entry of the archive; what is compressed already is only stored."""
        entry = zipfile.ZipInfo(name, time.localtime()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        entry.external_attr = 0o600 << 16
        with self._zipped.open(entry, "w", force_zip64=True) as file:
            shutil.copyfileobj(source, file, _CHUNK)
        return entry.file_size


def _check_place(path: Path, data: Path) -> None:
    here, there = data.resolve(), path.resolve()
    if here == there or here in there.parents:
        raise FolderError(f"{path}: lies in the archive's own folder, {data}")


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """What the disk refuses ends the export, with nothing of it left."""
    try:
        yield
    except OSError as error:
        words = f"{path}: not exported, nothing is left of it: {error.strerror or error}"
        raise ResourceError(words) from error


def _sync(path: Path) -> None:
    try:
        sync_folder(path)
    except OSError as error:  # file systems of removable media cannot all do it
        if error.errno not in _NOT_HERE:
            raise
