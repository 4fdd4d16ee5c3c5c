"""The files under superseded/: what was displaced is kept there, and may come back."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.files.durability import prune, sync_folder

_INSTANCE_DEPTH = 3  # study, series, file


class Superseded:
    """Those of one data folder, each under its UIDs and the time of its displacement."""

    def __init__(self, data: Path, sync: bool) -> None:
        self.folder = data / "superseded"
        self._tree = data / "tree"
        self._sync = sync

    def keep(self, path: Path) -> Path:
        """Keep what lies at `path` in the tree here too; returns where. Raises ResourceError."""
        kept = self._place_for(path)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, kept)
            self._sync_way_to(kept)
        except OSError as error:
            self._forget(kept)
            raise ResourceError(f"Cannot keep the old file: {error.strerror}") from error
        return kept

    def take(self, path: Path) -> Path:
        """Move what lies at `path` in the tree here; returns where. Raises ResourceError."""
        kept = self._place_for(path)
        try:
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

    def give_back(self, kept: Path, path: Path) -> None:
        """Undo `keep`, whatever lies at `path` now. Raises OSError."""
        os.replace(kept, path)
        kept.unlink(missing_ok=True)  # the same file still: a rename did nothing
        prune(kept)

    def forget_copy(self, path: Path) -> None:
        """Forget what was kept of a file that stayed after all. Raises OSError."""
        held = path.stat()
        if held.st_nlink == 1:
            return
        for kept in self._place_for(path).parent.glob(f"{path.stem}.*.dcm"):
            if kept.stat().st_ino == held.st_ino:
                self._forget(kept)

    def remove(self, kept: Path) -> None:
        """Delete what is kept, for good. Raises ResourceError."""
        try:
            kept.unlink(missing_ok=True)
            prune(kept)
        except OSError as error:
            raise ResourceError(f"Cannot delete {kept}: {error.strerror}") from error

    def walk(self, study: str = "*", series: str = "*") -> Iterator[Path]:
        """Every instance that is kept, or those of a study or series."""
        return self.folder.glob(f"{study}/{series}/*.dcm")

    def copies_of(self, path: Path) -> list[Path]:
        """Those of the instance at `path` in the tree. Raises ResourceError."""
        folder = self._place_for(path).parent
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ResourceError(f"Cannot read {folder}: {error.strerror}") from error
        return [folder / name for name in names if _instance(name) == path.stem]

    def is_held(self, kept: Path) -> bool:
        """Whether the instance of which a file is kept lies in the tree."""
        folder = self._tree / kept.relative_to(self.folder).parent
        return (folder / f"{_instance(kept.name)}.dcm").exists()

    def _place_for(self, path: Path) -> Path:
        relative = path.relative_to(self._tree)
        return self.folder / relative.with_name(f"{path.stem}.{time.time_ns()}{path.suffix}")

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
