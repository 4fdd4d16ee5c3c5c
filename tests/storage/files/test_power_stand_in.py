"""A power cut without a disk to cut off: a stand-in keeps what was synced, and drops the rest.

Stricter than any filesystem: of a file only what was synced is there, of a folder only the names
that it had then. The index is as it was at first.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.checks.faults import damage

from storage import Archive, Received, StoreOutcome, prepare
from storage.dicom.values.uids import Uids

CHARSET = "ISO_IR 100"
# Instance and name: new, again, other content, of the same length and not, in other folders.
STORES = [
    ("1.1", "1.2", "1.3.1", "Old^Name"),
    ("1.1", "1.2", "1.3.2", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "New^Name"),
    ("1.1", "1.4", "1.3.3", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "A^Longer^Name"),
    ("2.1", "2.2", "2.3", "Old^Name"),
    ("1.1", "1.2", "1.3.1", "Old^Name"),
]


class SyncedDisk:
    """What of a folder was synced, by the calls of `os` that go through here."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._files: dict[int, bytes] = {}  # inode -> content
        self._folders: dict[int, dict[str, int]] = {}  # inode -> names
        for path in (data, *data.rglob("*")):
            self._take(path)

    def sync(self, descriptor: int) -> None:
        """In place of fsync and fdatasync."""
        self._take(Path(f"/proc/self/fd/{descriptor}"))

    def after_a_cut(self, folder: Path) -> Path:
        """A copy of what is left."""
        self._restore(os.stat(self._data).st_ino, folder)
        return folder

    def _take(self, path: Path) -> None:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                self._folders[status.st_ino] = {e.name: e.inode() for e in entries}
        else:
            self._files[status.st_ino] = path.read_bytes()

    def _restore(self, inode: int, path: Path) -> None:
        path.mkdir()
        for name, of_name in self._folders.get(inode, {}).items():
            if of_name in self._folders or not self._is_file(of_name):
                self._restore(of_name, path / name)
            else:
                (path / name).write_bytes(self._files.get(of_name, b""))

    def _is_file(self, inode: int) -> bool:
        """Whether a name is a file's; that much of it is in the folder."""
        return inode in self._files or not any(
            path.is_dir() and path.stat().st_ino == inode for path in self._data.rglob("*")
        )


def received(store: tuple[str, str, str, str]) -> Received:
    *uids, name = store
    data_set = encoded(ct(*uids, PatientID=f"P{uids[0]}", PatientName=name))
    return Received(CT, uids[2], EXPLICIT, data_set, CHARSET)


def test_stand_in_at_each_sync_what_was_acknowledged_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    prepare(data, sync=True, charset=CHARSET)
    archive = Archive(data, sync=True)
    disk = SyncedDisk(data)
    acknowledged: dict[Uids, bytes] = {}
    under_way: list[tuple[Uids, bytes]] = []
    cuts: list[Callable[[], None]] = []

    def cut() -> None:
        folder = disk.after_a_cut(tmp_path / f"cut{len(cuts)}")
        may_be = {uids: {content} for uids, content in acknowledged.items()}
        for uids, content in under_way:
            may_be[uids] = may_be.get(uids, {b""}) | {content}
        cuts.append(lambda: compare(folder, may_be))

    def syncing(descriptor: int) -> None:
        cut()
        disk.sync(descriptor)
        cut()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", syncing)
        patch.setattr(os, "fdatasync", syncing)
        for store in STORES:
            one = received(store)
            assert isinstance(one.data_set, bytes)
            uids = (store[0], store[1], store[2])
            under_way[:] = [(uids, one.data_set)]
            stored = archive.store(one)
            assert stored.outcome is not StoreOutcome.KEPT
            under_way.clear()
            acknowledged[uids] = one.data_set
            cut()
    archive.index.database.close_all()
    assert len(cuts) > 5 * len(STORES)
    for compare_one in cuts:
        compare_one()


def compare(data: Path, may_be: dict[Uids, set[bytes]]) -> None:
    """What is there after the next start is among what may be there, and found."""
    prepare(data, sync=False, charset=CHARSET)
    archive = Archive(data, sync=False)
    try:
        assert damage(archive) == []
        for uids, contents in may_be.items():
            path = archive.tree.path(uids)
            there = path.read_bytes() if path.exists() else b""
            assert any(there.endswith(content) for content in contents if content or not there)
            assert there or b"" in contents
        assert {path.stem for path in archive.tree.walk()} <= {uids[2] for uids in may_be}
    finally:
        archive.index.database.close_all()
    shutil.rmtree(data)
