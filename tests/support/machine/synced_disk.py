"""A disk that forgets: a stand-in for one whose power is cut, of a folder of this process."""

import contextlib
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class SyncedDisk:
    """What of a folder was synced, by the calls that go through here.

    Stricter than any filesystem: of a file only what was synced is there, of a folder only the
    names that it had then.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._files: dict[int, bytes] = {}  # inode -> content
        self._folders: dict[int, dict[str, tuple[int, bool]]] = {}  # inode -> names
        self._gone: list[int] = []  # open, so that no other file gets their inodes
        self.sync_all()

    def sync(self, descriptor: int) -> None:
        """In place of fsync and fdatasync."""
        with contextlib.suppress(FileNotFoundError):  # of a file without a name any more
            self._take(Path(f"/proc/self/fd/{descriptor}"))

    def sync_all(self) -> None:
        """In place of syncfs."""
        for path in (self._data, *self._data.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                self._take(path)

    def after_a_cut(self, folder: Path, chance: random.Random | None = None) -> Path:
        """A copy of what is left; with `chance` some of what was not synced is there, too."""
        self._restore(os.stat(self._data).st_ino, folder)
        if chance:
            self._add_some(folder, chance)
        return folder

    @contextlib.contextmanager
    def noting(self, at_a_sync: Callable[[], None]) -> Iterator[None]:
        """Take what is synced within the block; before and behind each sync something is called."""
        one_at_a_time = threading.RLock()

        def wrapped(real: Callable[..., Any], take: Callable[..., None]) -> Callable[..., Any]:
            def call(*given: Any) -> Any:
                with one_at_a_time:
                    at_a_sync()
                    found = real(*given)
                    take(*given)
                    at_a_sync()
                    return found

            return call

        def taken(descriptor: int, *_: object) -> None:
            self.sync(descriptor)

        with pytest.MonkeyPatch.context() as patch:
            for name in ("fsync", "fdatasync", "pwritev"):  # the last one waits for the disk
                patch.setattr(os, name, wrapped(getattr(os, name), taken))
            patch.setattr(
                "storage.files.disk.unsynced.sync_file_system",
                wrapped(lambda *_: None, lambda *_: self.sync_all()),
            )
            for name in ("unlink", "rmdir", "rename", "replace"):
                patch.setattr(os, name, self._keeping(getattr(os, name)))
            yield
        for descriptor in self._gone:
            os.close(descriptor)
        self._gone.clear()

    def _keeping(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: str | Path, **named: int) -> None:
            if not named:
                self._keep(paths[-1])
            real(*paths, **named)

        return call

    def _take(self, path: Path) -> None:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                self._folders[status.st_ino] = {
                    e.name: (e.inode(), e.is_dir(follow_symlinks=False)) for e in entries
                }
        else:
            self._files[status.st_ino] = path.read_bytes()

    def _restore(self, inode: int, path: Path) -> None:
        path.mkdir()
        for name, (of_name, is_folder) in self._folders.get(inode, {}).items():
            if is_folder:
                self._restore(of_name, path / name)
            else:
                (path / name).write_bytes(self._files.get(of_name, b""))

    def _add_some(self, folder: Path, chance: random.Random) -> None:
        """Of files of the tree that are not there, or empty: some, whole or cut short."""
        for path in (self._data / "tree").glob("*/*/*.dcm"):
            there = folder / path.relative_to(self._data)
            if chance.random() < 0.5 or (there.exists() and there.stat().st_size):
                continue
            content = path.read_bytes()
            there.parent.mkdir(parents=True, exist_ok=True)
            is_whole = path.stat().st_ino in self._files
            size = len(content) if is_whole else chance.choice([0, len(content) // 2, len(content)])
            there.write_bytes(content[:size])
        self._lengthen(folder / "journal" / "receipts.jsonl", chance)

    def _lengthen(self, there: Path, chance: random.Random) -> None:
        """Of lines that were not synced: some, and zeros in the place of those before them."""
        if not there.exists() or chance.random() < 0.5:
            return
        synced, content = there.read_bytes(), (self._data / "journal" / there.name).read_bytes()
        if content.startswith(synced):
            middle, end = sorted(chance.randint(len(synced), len(content)) for _ in range(2))
            there.write_bytes(synced + bytes(middle - len(synced)) + content[middle:end])

    def _keep(self, path: str | Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._gone.append(os.open(path, os.O_RDONLY))
