"""A large data set is digested beside its arrival: the same digest, and nothing left behind."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.diagnostics import ResourceError
from storage.files import Tree, incoming
from storage.files.disk import digest_behind
from storage.files.incoming import IncomingDataSet

HEAD = b"head" * 75
PARTS = [bytes([number]) * 3_001 for number in range(200)]


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is large, and the steps, in a size for tests; and each thread and file ends."""
    monkeypatch.setattr(incoming, "_DIGESTED_HERE_BYTES", 100_000)
    monkeypatch.setattr(digest_behind, "_READ_BYTES", 5_000)
    monkeypatch.setattr(digest_behind, "_STEP_BYTES", 20_000)
    monkeypatch.setattr(digest_behind, "_SYNC_BYTES", 60_000)
    yield
    assert digest_threads() == []
    links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    assert not [target for link in links if "/incoming/" in (target := os.readlink(link))]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "data", sync=True)
    made.prepare()
    return made


def arriving(tree: Tree, parts: list[bytes] = PARTS) -> IncomingDataSet:
    """A data set of which all has come."""
    data_set = IncomingDataSet(tree, HEAD)
    for part in parts:
        data_set.write(memoryview(part))
    return data_set


def digest_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "digest"]


@pytest.mark.parametrize("count", [10, 33, 34, 35, 200])
def test_the_digest_is_that_of_what_came(tree: Tree, count: int) -> None:
    data_set = arriving(tree, PARTS[:count])
    came = b"".join(PARTS[:count])
    assert bool(digest_threads()) == (len(came) > 100_000)
    assert data_set.digest == hashlib.sha256(came).hexdigest() == data_set.digest
    assert data_set.finish().read_bytes() == HEAD + came


def test_a_file_begins_its_way_to_the_disk_while_it_arrives(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    monkeypatch.setattr(tree, "begin_sync", lambda descriptor: begun.set())
    data_set = arriving(tree)
    assert begun.wait(30)
    data_set.discard()


def test_one_that_is_given_up_leaves_nothing(tree: Tree) -> None:
    data_set = arriving(tree)
    assert digest_threads() == ["digest"]
    data_set.discard()
    data_set.discard()
    assert digest_threads() == os.listdir(tree.data / "incoming") == []


def test_a_disk_that_gets_full_refuses_it(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set = arriving(tree, PARTS[:100])

    def full(descriptor: int, data: memoryview) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(incoming, "write_all", full)
    data_set.write(PARTS[100])
    assert digest_threads() == os.listdir(tree.data / "incoming") == []
    data_set.write(PARTS[101])
    with pytest.raises(ResourceError, match="No space left"):
        data_set.finish()


@pytest.mark.parametrize("count", [-1, 0])
def test_one_that_cannot_be_read_back_is_refused(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def read(*_: object) -> int:
        if count < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return count

    monkeypatch.setattr(digest_behind.os, "preadv", read)
    data_set = arriving(tree)
    with pytest.raises(ResourceError, match="Cannot read what was written"):
        _ = data_set.digest
    with pytest.raises(ResourceError, match="Cannot read what was written"):
        data_set.finish()
    assert os.listdir(tree.data / "incoming") == []


def test_without_a_thread_to_be_had_it_is_digested_where_it_arrives(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    data_set = arriving(tree)
    assert data_set.digest == hashlib.sha256(b"".join(PARTS)).hexdigest()
    data_set.discard()
