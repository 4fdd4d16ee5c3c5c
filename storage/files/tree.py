"""The folder tree: UID -> path, and writes that are whole and durable or not there at all."""

import itertools
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from storage.diagnostics import FolderError, ResourceError
from storage.dicom import part10
from storage.dicom.values import Uids
from storage.files.digests import digest_of_rest
from storage.files.disk import (
    Stray,
    UnsyncedFiles,
    entries,
    instances,
    prune,
    refusal,
    relative_path,
    sync_folder,
)
from storage.files.files import Files
from storage.files.locks import claim_folder, hold
from storage.files.staging import StagingFolder
from storage.files.superseded import Kept, Superseded

_KNOWN_FOLDERS = 4096


class Tree(StagingFolder):
    """The files under one data folder.

    With `sync` a file and the folders that lead to it are on the disk before a call returns.
    Who may read them is what the process's umask leaves.
    """

    def __init__(self, data: Path, sync: bool) -> None:
        super().__init__(data, sync)
        self.root = data / "tree"
        self._root_text = str(self.root)
        self.superseded = Superseded(data, sync)
        self._unsynced = UnsyncedFiles(self.root)
        self._durable: dict[Path, int] = {}  # folder -> inode, its way from the root is on disk

    def prepare(self) -> int:
        """Make the folders and clear what an earlier run left half-received.

        Returns how many leftovers there were. Raises FolderError where the folder cannot be
        used or another node uses it; the claim lasts until the process and its children end.
        """
        try:
            self.make_folders()
            claim_folder(self.data)  # open, and so held, until the process ends
            return self.clear()
        except OSError as error:
            raise FolderError(f"{error.filename or self.data}: {error.strerror}") from error

    def make_folders(self) -> None:
        """Make them where they are not there. Raises OSError."""
        for folder in (self.data, self.root, self._incoming, self.superseded.folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._sync_folder(self.data)

    def path(self, uids: Uids) -> Path:
        """Where the instance lies. The UIDs must have passed `check_uid`."""
        return self.root / relative_path(uids)

    def _text(self, uids: Uids) -> str:
        """The same as text: a path takes as long to make as a file to be looked for."""
        study, series, instance = uids
        return f"{self._root_text}/{study}/{series}/{instance}.dcm"

    def name(self, uids: Uids, key: str = "") -> str:
        """What a user finds the file of an instance by."""
        return str(self.path(uids))

    def open(self, uids: Uids, key: str = "") -> BinaryIO:
        """The file of an instance, for the caller to close: it has no other. Raises OSError."""
        return open(self._text(uids), "rb")

    def expect(self, instances: Sequence[Uids], whole: bool = True) -> Mapping[Uids, str]:
        """Nothing: the system reads ahead."""
        return {}

    def holds(self, uids: Uids) -> bool:
        """Whether there is a file of the instance."""
        return os.path.exists(self._text(uids))

    def is_there(self) -> bool:
        """Whether there is a tree."""
        return self.root.is_dir()

    def refusal(self, error: OSError, uids: Uids) -> str:
        """What an error says of the file of an instance, and whose it is where rights lack."""
        return refusal(error, self.path(uids))

    def is_file(self, uids: Uids) -> bool:
        """Whether what lies there can be read to its end. Raises FileNotFoundError, OSError."""
        return stat.S_ISREG(self.path(uids).stat().st_mode)

    def digest(self, uids: Uids) -> str:
        """The digest of the data set in the file of an instance. Raises OSError, DataSetError."""
        with self.open(uids) as file:
            part10.read(file)
            return digest_of_rest(file)

    def locked(self, *places: Uids) -> AbstractContextManager[None]:
        """Hold the places of instances in the tree against other threads and processes.

        Who holds some asks for no more: all are asked for in one order. Raises ResourceError.
        """
        return hold(self.data, places)

    def all_locked(self) -> AbstractContextManager[None]:
        """Hold all places: no store is under way then. Raises ResourceError."""
        return hold(self.data, None)

    def place(self, staged: Path | str, uids: Uids, sync: bool = True) -> None:
        """Have `staged` be the file of an instance; synced, or left to who syncs it later.

        Raises ResourceError; `withdraw` then makes sure that it is as it was.
        """
        path = self._text(uids)
        try:
            for attempt in itertools.count():
                try:
                    if sync:
                        self._make_folder(self.path(uids).parent)
                    elif attempt:
                        self.path(uids).parent.mkdir(parents=True, exist_ok=True)
                    os.rename(staged, path)
                    break
                except FileNotFoundError:  # the folder is new, or was empty and pruned just now
                    if attempt == 3 or not os.path.exists(staged):
                        raise
            if sync:
                self._sync_folder(self.path(uids).parent)
        except OSError as error:
            words = refusal(error, Path(error.filename2 or error.filename or path))
            raise ResourceError(f"Cannot write to disk: {words}") from error

    def sync_places(self, *instances: Uids) -> None:
        """See that the files of instances stay where they are. Raises ResourceError."""
        try:
            for folder in dict.fromkeys(self.path(uids).parent for uids in instances):
                self._make_folder(folder)
                self._sync_folder(folder)
        except OSError as error:
            raise ResourceError(f"Cannot write to disk: {error.strerror}") from error

    def sync_instances(self, instances: Collection[Uids]) -> None:
        """See that the files of instances that are there stay. Raises ResourceError."""
        if not self._sync:
            return
        try:
            self._unsynced.sync([self.path(uids) for uids in instances])
        except OSError as error:
            raise ResourceError(f"Cannot write to disk: {error.strerror}") from error

    def withdraw(self, uids: Uids, kept: Path | None) -> None:
        """Undo `place`: what was `kept` comes back, or nothing stays. Raises ResourceError."""
        path = self.path(uids)
        try:
            if kept is not None:
                self.superseded.give_back(kept, uids)
            elif path.parent.exists():
                path.unlink(missing_ok=True)
                self._sync_folder(path.parent)
        except OSError as error:
            raise ResourceError(f"Cannot undo a write: {error.strerror}") from error
        prune(path)

    def put_back(self, kept: Kept) -> None:
        """Have what was kept be the file of its instance again. Raises ResourceError."""
        self.place(kept.path, kept.uids)
        prune(kept.path)

    def prune(self, uids: Uids) -> None:
        """Remove the folders of an instance that has no file, as far as they are empty."""
        prune(self.path(uids))

    def arrived(self, uids: Uids) -> int:
        """When an instance's file arrived, in nanoseconds since 1970. Raises ResourceError."""
        try:
            return self.path(uids).stat().st_mtime_ns
        except OSError as error:
            raise ResourceError(f"Cannot read {uids[2]}.dcm: {error.strerror}") from error

    def last_arrival(self, study: str) -> int | None:
        """The same of the newest file of a study; None: it has none. Raises ResourceError."""
        try:
            held = instances(self.root, study)
            return max((self.path(uids).stat().st_mtime_ns for uids in held), default=None)
        except FileNotFoundError:  # one is going just now
            return None
        except OSError as error:
            raise ResourceError(f"{error.filename}: {error.strerror}") from error

    def walk(self) -> Iterator[Path]:
        """Every file of the tree, in no order that means anything."""
        return self.root.glob("*/*/*.dcm")

    def instances(self) -> Iterator[Uids]:
        """Every file of the tree, in no order; what its path says may be no UIDs.

        Raises OSError.
        """
        return instances(self.root)

    def entries(self) -> Iterator[Uids | Stray]:
        """Every file that lies where instances do, and what is strange. Raises ResourceError."""
        return entries(self.root)

    def remove_stray(self, stray: Path) -> str:
        """Move what does not belong there out of the tree; returns where. Raises ResourceError."""
        return str(self.superseded.take_stray(stray))

    def remove_folder(self, folder: Path) -> bool:
        """Remove a folder if it is still empty; `place` makes it again where it is needed.

        So is a study's folder that held nothing else.
        """
        try:
            folder.rmdir()
        except OSError:
            return False
        if folder.parent != self.root:
            with suppress(OSError):  # others lie there
                folder.parent.rmdir()
        return True

    def _left_unsynced(self) -> None:
        self._unsynced.watch()

    def _make_folder(self, folder: Path) -> None:
        """Make the series' folder and see that the way to it is durable."""
        with suppress(FileNotFoundError):
            if self._durable.get(folder) == folder.stat().st_ino:
                return
        folder.mkdir(parents=True, exist_ok=True)
        self._sync_folder(folder.parent)
        self._sync_folder(self.root)
        if len(self._durable) >= _KNOWN_FOLDERS:
            self._durable.clear()
        self._durable[folder] = folder.stat().st_ino

    def _sync_folder(self, folder: Path) -> None:
        if self._sync:
            sync_folder(folder)


_elsewhere: dict[Path, Callable[[], Files]] = {}


def files_of(data: Path, sync: bool) -> Files:
    """The files of instances of a data folder: its tree, or what was put in its place."""
    elsewhere = _elsewhere.get(data)
    return elsewhere() if elsewhere else Tree(data, sync)


def put_files_elsewhere(data: Path, opened: Callable[[], Files]) -> None:
    """Have the files of a data folder be others, in this process and those that it forks."""
    _elsewhere[data] = opened


def put_files_back(data: Path) -> None:
    """Have them be its own again."""
    _elsewhere.pop(data, None)
