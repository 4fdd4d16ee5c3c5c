"""What lies under paths on disk: files, what a DICOMDIR names, and members of archives."""

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.tag import Tag

from storage.archive.tar_members import OnePass, members, unpacked
from storage.diagnostics import DataSetError
from storage.dicom import part10
from storage.dicom.data_sets import DIRECTORY, Elements, ReadBudget, read, read_data_set
from storage.files import words_of

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage (PS3.10 8)
STANDARD_INPUT = Path("-")
_DICOMDIR = "DICOMDIR"
_TARS = (".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_RECORDS, _FILE_ID = Tag("DirectoryRecordSequence"), Tag("ReferencedFileID")


@dataclass(frozen=True)
class ImportSource:
    """A file, or a member of an archive, that may hold an instance; `size` in bytes.

    `number`: which member of its stream, and `content` opens it, before the next is asked for.
    """

    path: Path
    member: str = ""
    size: int = 0
    number: int = 0
    content: Callable[[], Any] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.path}({self.member})" if self.member else str(self.path)


@dataclass(frozen=True)
class UnusablePath:
    """A path below which nothing can be had, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Stream:
    """A tar archive, or standard input: its members come one after the other, once."""

    path: Path
    size: int = 0

    def members(self) -> Iterator[ImportSource | UnusablePath]:
        """The members; each is to be read before the next is asked for."""
        try:
            if self.path == STANDARD_INPUT:
                yield from _of_standard_input()
            else:
                with self.path.open("rb") as file:
                    yield from _of_tar(self.path, unpacked(OnePass(file)))
        except DataSetError as error:
            yield UnusablePath(str(self.path), str(error))
        except OSError as error:
            yield UnusablePath(str(self.path), words_of(error))


def under(paths: Iterable[Path]) -> Iterator[ImportSource | UnusablePath | Stream]:
    """All that lies under `paths`: folders to any depth, archives and a DICOMDIR by their content.

    A DICOMDIR inside of a folder is passed over: what it names lies there too.
    """
    for path in paths:
        try:
            if path == STANDARD_INPUT:
                yield Stream(path)
            elif path.is_dir():
                yield from _in_folder(path)
            elif _is_dicomdir(path):
                yield from _named_by(path)
            elif _is_tar(path):
                yield Stream(path, path.stat().st_size)
            else:
                yield from _of_file(path, path.stat().st_size, zipfile.is_zipfile(path))
        except OSError as error:
            yield UnusablePath(str(path), words_of(error))


@contextmanager
def opened() -> Iterator["Opener"]:
    """What opens sources, each archive among them once."""
    opener = Opener()
    try:
        yield opener
    finally:
        opener.close()


class Opener:
    """Opens sources; keeps the last archive open, for its next member."""

    def __init__(self) -> None:
        self._archive: zipfile.ZipFile | None = None

    def open(self, source: ImportSource) -> BinaryIO:
        """The source's bytes, seekable. Raises OSError, DataSetError."""
        if source.content:
            try:
                return source.content()  # type: ignore[no-any-return]
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise DataSetError(f"Cannot be unpacked: {error}") from error
        if not source.member:
            return source.path.open("rb")
        try:
            if self._archive is None or self._archive.filename != str(source.path):
                self.close()
                self._archive = zipfile.ZipFile(str(source.path))
            return self._archive.open(source.member)  # type: ignore[return-value]
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DataSetError(f"Cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the archive."""
        if self._archive:
            self._archive.close()
            self._archive = None


def _in_folder(folder: Path) -> Iterator[ImportSource | UnusablePath | Stream]:
    failed: list[OSError] = []
    for at, folders, names in os.walk(folder, onerror=failed.append):
        folders.sort()
        for name in sorted(names):
            path = Path(at, name)
            try:
                if name.upper() == _DICOMDIR or not path.is_file():
                    continue
                if name.lower().endswith(_TARS):
                    yield Stream(path, path.stat().st_size)
                    continue
                yield from _of_file(path, path.stat().st_size, name.lower().endswith(".zip"))
            except OSError as error:
                yield UnusablePath(str(path), words_of(error))
        while failed:
            wrong = failed.pop()
            yield UnusablePath(str(wrong.filename), words_of(wrong))


def _of_file(path: Path, size: int, is_archive: bool) -> Iterator[ImportSource | UnusablePath]:
    if not is_archive:
        yield ImportSource(path, size=size)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
    except zipfile.BadZipFile as error:
        yield UnusablePath(str(path), f"Cannot be unpacked: {error}")
        return
    for member in found:
        if not member.is_dir() and not _is_directory(member.filename):
            yield ImportSource(path, member.filename, member.file_size)


def _is_directory(name: str) -> bool:
    return Path(name).name.upper() == _DICOMDIR


def _is_tar(path: Path) -> bool:
    """Whether it is one by its content."""
    with path.open("rb") as file:
        return unpacked(OnePass(file)) is not None


def _of_tar(path: Path, archive: OnePass | None) -> Iterator[ImportSource | UnusablePath]:
    if archive is None:
        yield UnusablePath(str(path), "Cannot be unpacked: it is no tar archive")
        return
    for number, (name, size, content) in enumerate(members(archive)):
        if content is None:
            yield UnusablePath(f"{path}({name})", "Cannot be unpacked: it is stored as sparse file")
        elif not _is_directory(name):
            yield ImportSource(path, name, size, number, partial(_same, content))


def _of_standard_input() -> Iterator[ImportSource | UnusablePath]:
    """What standard input is: a tar archive as it comes; else all of it, then a zip or a file."""
    given = OnePass(sys.stdin.buffer)
    archive = unpacked(given)
    if archive:
        yield from _of_tar(STANDARD_INPUT, archive)
        return
    # A zip archive is read from its end. Without a name, so that nothing is left of it.
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(given, file)
        size = file.tell()
        file.seek(0)
        if not zipfile.is_zipfile(file):
            file.seek(0)
            yield ImportSource(STANDARD_INPUT, size=size, content=partial(_same, file))
            return
        with zipfile.ZipFile(file) as zipped:
            for number, member in enumerate(zipped.infolist()):
                if not member.is_dir() and not _is_directory(member.filename):
                    opening = partial(zipped.open, member)
                    yield ImportSource(
                        STANDARD_INPUT, member.filename, member.file_size, number, opening
                    )


def _same(file: Any) -> Any:
    return file


def _is_dicomdir(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return part10.read(file).sop_class_uid == MEDIA_DIRECTORY
    except DataSetError:
        return False


def _named_by(path: Path) -> Iterator[ImportSource | UnusablePath]:
    """What a DICOMDIR's records name, by file IDs relative to its folder (PS3.10 8.2)."""
    try:
        records = _records(path)
    except DataSetError as error:
        yield UnusablePath(str(path), f"Cannot be read: {error}")
        return
    for record in records:
        if _FILE_ID not in record or not record[_FILE_ID].text:
            continue
        named = record[_FILE_ID].text.split("\\")
        file = _found(path.parent, named)
        if file is None:
            yield UnusablePath(
                str(path.parent.joinpath(*named)), f"Named by {path.name}, not there"
            )
        else:
            yield ImportSource(file, size=file.stat().st_size)


def _records(path: Path) -> tuple[Elements, ...]:
    """The directory records of a DICOMDIR. Raises DataSetError."""
    with path.open("rb") as file:
        syntax = part10.read(file).transfer_syntax_uid
        held = read_data_set(file, syntax, [_RECORDS], _RECORDS, DIRECTORY)
    found = read(held, [_RECORDS], "", budget=ReadBudget(DIRECTORY)).get(_RECORDS)
    return (found.items if found else None) or ()


def _found(folder: Path, parts: list[str]) -> Path | None:
    """The file of a file ID, in whatever case the medium was copied; None outside of the folder."""
    at = folder
    for part in parts:
        exact = at / part
        if part in ("", ".", "..") or "/" in part:
            return None
        if exact.exists():
            at = exact
            continue
        names = os.listdir(at) if at.is_dir() else []
        same = next((name for name in names if name.upper() == part.upper()), None)
        if same is None:
            return None
        at /= same
    return at if at.is_file() else None
