"""The files under superseded/: what was displaced is kept there, and may come back."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids
from storage.files.disk import instances, prune, relative_path, sync_file, sync_folder

_INSTANCE_DEPTH = 3  # study, series, file
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Kept:
    """A file under superseded/, and when it came there, in seconds since 1970."""

    path: Path
    uids: Uids
    since: float
    bytes: int


class Superseded:
    """The files under superseded/ of one data folder, by UIDs and time of displacement."""

    def __init__(self, data: Path, sync: bool) -> None:
        self.folder = data / "superseded"
        self._tree = data / "tree"
        self._sync = sync

    def keep(self, uids: Uids) -> Path:
        """Keep the file of an instance here too; returns where. Raises ResourceError."""
        path = self._path(uids)
        kept = self._place_for(path)
        try:
            self._sync_held(path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, kept)
            self._sync_way_to(kept)
        except OSError as error:
            self._forget(kept)
            raise ResourceError(f"Cannot keep the old file: {error.strerror}") from error
        return kept

    def take(self, uids: Uids) -> Path:
        """Move the file of an instance here; returns where. Raises ResourceError."""
        return self.take_stray(self._path(uids))

    def take_stray(self, path: Path) -> Path:
        """Move whatever lies at `path` in the tree here; returns where. Raises ResourceError."""
        kept = self._place_for(path)
        try:
            self._sync_held(path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, kept)
            self._sync_way_to(kept)
            if self._sync:
                sync_folder(path.parent)
        except OSError as error:
            raise ResourceError(f"Cannot move {path}: {error.strerror}") from error
        if len(path.relative_to(self._tree).parts) == _INSTANCE_DEPTH:
            prune(path)
        return kept

    def bring(self, staged: Path, uids: Uids, since: int) -> None:
        """Have `staged` be a file of an instance that was displaced then, in nanoseconds.

        Raises ResourceError.
        """
        folder = self.folder / relative_path(uids).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while (kept := folder / f"{uids[2]}.{since}.dcm").exists():
                since += 1
            os.rename(staged, kept)
            self._sync_way_to(kept)
        except OSError as error:
            raise ResourceError(f"Cannot write to {folder}: {error.strerror}") from error

    def bytes_to_keep(self, uids: Uids) -> int:
        """How large the file of an instance is that would be kept. Raises OSError."""
        return self._path(uids).stat().st_size

    def give_back(self, kept: Path, uids: Uids) -> None:
        """Undo `keep`, whatever lies in the place of the instance now. Raises OSError."""
        os.replace(kept, self._path(uids))
        kept.unlink(missing_ok=True)  # the same file still: a rename did nothing
        prune(kept)

    def forget_copy(self, uids: Uids) -> None:
        """Forget what was kept of a file that stayed after all. Raises OSError."""
        path = self._path(uids)
        held = path.stat()
        if held.st_nlink == 1:
            return
        for kept in self._place_for(path).parent.glob(f"{path.stem}.*.dcm"):
            if kept.stat().st_ino == held.st_ino:
                self._forget(kept)

    def open(self, kept: Kept) -> BinaryIO:
        """What is kept, for the caller to close. Raises OSError."""
        return kept.path.open("rb")

    def remove(self, kept: Path) -> None:
        """Delete what is kept, for good. Raises ResourceError."""
        try:
            kept.unlink(missing_ok=True)
            prune(kept)
        except OSError as error:
            raise ResourceError(f"Cannot delete {kept}: {error.strerror}") from error

    def walk(self, *above: str) -> Iterator[Path]:
        """Every instance that is kept, or those of a study or series by UIDs. Raises OSError."""
        for uids in instances(self.folder, *above):
            yield self.folder / relative_path(uids)

    def copies_of(self, uids: Uids) -> list[Path]:
        """Those of an instance. Raises ResourceError."""
        folder = self.folder / relative_path(uids).parent
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ResourceError(f"Cannot read {folder}: {error.strerror}") from error
        return [folder / name for name in names if _instance(name) == uids[2]]

    def kept_in(self, study: str, series: str) -> set[str]:
        """The instances of a series of which something is kept. Raises OSError."""
        names = (name for _, _, name in instances(self.folder, study, series))
        return {_instance(f"{name}.dcm") for name in names}

    def is_held(self, kept: Path) -> bool:
        """Whether the instance of which a file is kept lies in the tree."""
        folder = self._tree / kept.relative_to(self.folder).parent
        return (folder / f"{_instance(kept.name)}.dcm").exists()

    def all(self, *above: str) -> "Iterator[Kept]":
        """Every instance that is kept, or of a study or series, as it was displaced.

        Raises ResourceError.
        """
        for path in self.walk(*above):
            study, series = path.parts[-_INSTANCE_DEPTH:-1]
            instance, _, since = path.stem.rpartition(".")
            try:
                size = path.stat().st_size
            except FileNotFoundError:  # purged meanwhile
                continue
            except OSError as error:
                raise ResourceError(f"{path}: {error.strerror}") from error
            if since.isdigit():
                yield Kept(path, (study, series, instance), int(since) / _NANOSECONDS, size)

    def _path(self, uids: Uids) -> Path:
        return self._tree / relative_path(uids)

    def _place_for(self, path: Path) -> Path:
        relative = path.relative_to(self._tree)
        return self.folder / relative.with_name(f"{path.stem}.{time.time_ns()}{path.suffix}")

    def _sync_held(self, path: Path) -> None:
        """Of a file that came just now the log alone may be on the disk: it has not this place."""
        if self._sync and path.is_file():
            sync_file(path)

    def _sync_way_to(self, kept: Path) -> None:
        if self._sync:
            for folder in list(kept.parents)[: len(kept.relative_to(self.folder).parts)]:
                sync_folder(folder)

    def _forget(self, kept: Path) -> None:
        with suppress(OSError):
            kept.unlink(missing_ok=True)
        prune(kept)


def _instance(name: str) -> str:
    """The SOP Instance UID in the name of a file that is kept; empty in another name."""
    instance, _, since = name.removesuffix(".dcm").rpartition(".")
    return instance if since.isdigit() and name.endswith(".dcm") else ""
