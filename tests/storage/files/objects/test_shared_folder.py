"""A folder that several nodes have: what fails there, and what a node that dies leaves."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage.files import FileFacts
from storage.files.objects import shared_folder
from storage.files.objects.contract import HeldObject
from storage.files.objects.keys import new_key
from storage.files.objects.shared_folder import SharedFolder
from storage.files.objects.store_faults import StoreError

UIDS = "1.2.3", "1.2.3.4", "1.2.3.4.5"
FACTS = FileFacts("1.2.840.10008.1.2.1", 12, "d" * 64, "ISO_IR 192", 1_000_000_007, "CT1", 2)


@pytest.fixture
def store(tmp_path: Path) -> SharedFolder:
    made = SharedFolder(tmp_path)
    made.adopt("archive")
    return made


def put(store: SharedFolder, data: bytes = b"data") -> str:
    key = new_key(UIDS)
    store.put(key, [data], FACTS)
    return key


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_object_is_a_file_by_its_key_with_what_is_known_of_it_beside(
    store: SharedFolder, tmp_path: Path
) -> None:
    key = put(store)
    assert files(tmp_path) == ["archive", key, key.replace(".dcm", ".json")]
    assert (tmp_path / key).read_bytes() == b"data"
    assert (tmp_path / key).stat().st_mtime_ns == FACTS.arrived
    assert SharedFolder(tmp_path).held(key) == HeldObject(4, FACTS)
    store.remove(key)
    assert files(tmp_path) == ["archive"]
    assert not list((tmp_path / "tree").iterdir())


def test_nothing_is_written_where_nothing_is_mounted(store: SharedFolder, tmp_path: Path) -> None:
    (tmp_path / "archive").rename(tmp_path / "away")
    for work in (lambda: put(store), store.probe):
        with pytest.raises(StoreError, match="is it mounted"):
            work()
    assert files(tmp_path) == ["away"]
    (tmp_path / "away").rename(tmp_path / "archive")
    put(store)


def test_a_folder_with_objects_of_nobody_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(StoreError, match="another archive's"):
        SharedFolder(tmp_path).adopt("archive")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SharedFolder(tmp_path / "none").adopt("archive")
    assert not (tmp_path / "none").exists()


FAILING = {
    "write": ("write_all", errno.ENOSPC, "give it more room"),
    "sync": ("os.fsync", errno.EIO, "see to the file system"),
    "link": ("os.link", errno.EPERM, "let this user"),
    "links that are none": ("os.link", errno.EOPNOTSUPP, "hard links"),
    "beside": ("os.rename", errno.EDQUOT, "give it more room"),
    "way": ("sync_folder", errno.EROFS, "to be written"),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_is_told_and_nothing_is_left_in_its_way(
    store: SharedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    called, number, words = FAILING[name]
    before = put(store, b"before")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        module = shared_folder.os if "." in called else shared_folder
        patch.setattr(module, called.rpartition(".")[2], fail)
        with pytest.raises(StoreError, match=words) as raised:
            put(store)
    assert str(tmp_path) in str(raised.value)
    assert not list((tmp_path / "incoming").iterdir())
    assert store.open(before).read() == b"before"
    assert store.open(put(store, b"behind")).read() == b"behind"


def test_what_a_node_leaves_that_died_is_no_object(store: SharedFolder, tmp_path: Path) -> None:
    """Behind the file, and before what is known of it; and before both."""
    key = put(store)
    (tmp_path / key.replace(".dcm", ".json")).unlink()
    (tmp_path / "incoming" / "x.part").write_bytes(b"half")
    assert [one.key for one in store.list()] == [key]
    assert store.held(key) == HeldObject(4, None)
    (tmp_path / key.replace(".dcm", ".json")).write_text("[damaged")
    assert store.held(key) == HeldObject(4, None)


def test_what_is_put_while_folders_go_is_there(tmp_path: Path) -> None:
    """Two hosts: one puts, the other removes the last object of the same series."""
    ours, theirs = SharedFolder(tmp_path), SharedFolder(tmp_path)
    ours.adopt("archive")
    stop, left = threading.Event(), list[str]()

    def come_and_go() -> None:
        while not stop.is_set():
            theirs.remove(put(theirs))

    with ThreadPoolExecutor(1) as threads:
        going = threads.submit(come_and_go)
        try:
            left += [put(ours, bytes([number])) for number in range(60)]
        finally:
            stop.set()
        going.result(60)
    assert [ours.open(key).read() for key in left] == [bytes([number]) for number in range(60)]
    assert {one.key for one in ours.list()} == set(left)
