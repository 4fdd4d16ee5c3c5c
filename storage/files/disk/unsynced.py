"""Files that were put into the tree before they were synced, all of them synced together."""

import os
from collections.abc import Collection
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path

from storage.files.disk.durability import (
    begin_writing,
    can_sync_file_systems,
    sync_file,
    sync_file_system,
    sync_folder,
)

# More are synced with all else of their file system: a sync of each takes its own wait.
_FEW = 64


class UnsyncedFiles:
    """Those below one folder, each in a folder of a folder of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def watch(self) -> None:
        """Be told of each write that fails from now on."""
        _ = self._watched

    @cached_property
    def _watched(self) -> int:
        """A descriptor that is told of what fails since it was opened, once (syncfs(2))."""
        return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def sync(self, paths: Collection[Path]) -> None:
        """See that the files which are there stay; others were synced by who moved them.

        Raises OSError.
        """
        if len(paths) > _FEW and can_sync_file_systems():
            sync_file_system(self._watched)
        else:
            self._sync_each(paths)

    def _sync_each(self, paths: Collection[Path]) -> None:
        for path in paths:
            with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
                begin_writing(file.fileno())
        for path in paths:
            with suppress(FileNotFoundError):
                sync_file(path)
        folders = chain.from_iterable((path.parent, path.parent.parent) for path in paths)
        for folder in (*dict.fromkeys(folders), self._root):
            with suppress(FileNotFoundError):  # pruned
                sync_folder(folder)
