"""A disk that is full, read-only or broken: stores are refused, the rest goes on, and it resumes.

The disk is a small file with ext4 on it. Where nothing can be mounted, the calls of the tree
fail instead (see the tests that are named for a stand-in).
"""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, Code, RunningNode, ct, encoded, found, got, send
from support.checks.faults import Held, Senders, compare, faults
from support.machine.mounts import Disk, can_mount

from storage.index.engines.sqlite.database import connect, index_path
from storage.index.engines.sqlite.high_water import write_mark
from storage.journal import RECEIPTS, FolderJournal

needs_mounts = pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")
SMALL, LARGE = 2_000, 1_500_000
# SQLite's own words, errno's, and those of the limit.
WORDS = (
    "No space left",
    "disk is full",
    "Disk full",
    "disk I/O error",
    "Read-only",
    "readonly",
    "Input/output",
)


@contextmanager
def on_a_disk(folder: Path, mebibytes: int, *options: str, **limits: int) -> Iterator[Any]:
    """A node whose data folder is a disk of its own."""
    folder.mkdir()
    with Disk(folder / "disk", mebibytes, *options) as disk:
        path = str(disk.folder / "data")
        tables = {"storage": {"path": path}, "limits": {"free_bytes": 0, **limits}}
        node = RunningNode(folder, tables)
        try:
            yield disk, node.start()
            if node.is_running:
                assert node.stop() == 0
            assert not node.logged("Traceback")
            assert not node.logged("request failed")
        finally:
            if node.is_running:
                node.kill()


def store(node: RunningNode, number: int, pixel_bytes: int = SMALL) -> Any:
    uid = f"1.4.{number}"
    data = encoded(ct("1.2", "1.3", uid, PixelData=bytes(pixel_bytes)))
    with node.association((CT, EXPLICIT)) as association:
        return send(association, CT, uid, data)


def store_until_refused(node: RunningNode, numbers: Iterator[int], pixel_bytes: int) -> list[int]:
    """Store new instances until one is refused; the numbers of those that were not."""
    stored: list[int] = []
    with node.association((CT, EXPLICIT)) as association:
        for number in numbers:
            uid = f"1.4.{number}"
            data = encoded(ct("1.2", "1.3", uid, PixelData=bytes(pixel_bytes)))
            response = send(association, CT, uid, data)
            if response.Status != 0x0000:
                refused(response)
                return stored
            stored.append(number)
    raise AssertionError("the disk never was full")


def refused(response: Any) -> None:
    """A700, and a comment that says why."""
    assert response.Status == 0xA700
    assert any(words in response.ErrorComment for words in WORDS), response.ErrorComment


def others_go_on(node: RunningNode, stored: list[int]) -> None:
    """Echoes, queries and retrieves; and nothing is half there."""
    uids = sorted(f"1.4.{number}" for number in stored)
    assert node.echoes()
    assert found(node, "1.2", "1.3") == uids
    assert sorted(got(node, "1.2")) == uids
    assert sorted(path.stem for path in node.files()) == uids
    assert node.incoming() == []
    assert faults(node.data) == []


@contextmanager
def filled(disk: Disk, left: int = 0) -> Iterator[None]:
    """Somebody else takes all room but `left` bytes."""
    path = disk.folder / "filler"
    with path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(room_on(disk) - left - (1 << 20), 4096))
        with suppress(FullError):
            while room_on(disk) > left or not left:
                append(file.fileno())
        os.fsync(file.fileno())
    try:
        yield
    finally:
        path.unlink()
        os.sync()


class FullError(Exception):
    """The disk takes nothing any more."""


def append(descriptor: int) -> None:
    try:
        os.pwrite(descriptor, bytes(4096), os.fstat(descriptor).st_size)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FullError from error
        raise


def room_on(disk: Disk) -> int:
    room = os.statvfs(disk.folder)
    return room.f_bavail * room.f_frsize


@needs_mounts
@pytest.mark.parametrize("pixel_bytes", [SMALL, LARGE])
def test_a_disk_filled_by_stores(tmp_path: Path, pixel_bytes: int) -> None:
    with on_a_disk(tmp_path / "node", 24) as (disk, node):
        numbers = iter(range(10_000))
        # Most of it at once: the small ones take their time.
        with filled(disk, 6 << 20 if pixel_bytes == LARGE else 2 << 20):
            stored = store_until_refused(node, numbers, pixel_bytes)
            for _ in range(5):
                stored += store_until_refused(node, numbers, pixel_bytes)
            assert len(stored) > 1
            others_go_on(node, stored)
        stored.append(next(numbers))
        assert store(node, stored[-1], pixel_bytes).Status == 0x0000
        others_go_on(node, stored)


@needs_mounts
@pytest.mark.parametrize("left", [0, 4096, 16384, 65536, 200_000])
def test_a_disk_filled_from_outside(tmp_path: Path, left: int) -> None:
    """Little room is left, so that now this call and now that one meets the end of it."""
    with on_a_disk(tmp_path / "node", 24) as (disk, node):
        numbers = iter(range(10_000))
        stored = [next(numbers)]
        assert store(node, stored[0]).Status == 0x0000
        for _ in range(3):
            with filled(disk, left):
                stored += store_until_refused(node, numbers, SMALL)
                refused(store(node, next(numbers), LARGE))
                others_go_on(node, stored)
            stored.append(next(numbers))
            assert store(node, stored[-1]).Status == 0x0000
        others_go_on(node, stored)


@needs_mounts
def test_a_full_disk_under_load(tmp_path: Path) -> None:
    """Also what is to be replaced stays as it was; and the next start finds nothing amiss."""
    seed, held = 7, Held()
    with on_a_disk(tmp_path / "node", 64) as (disk, node):
        for turn in range(4):
            with Senders(node, held, seed, turn) as senders:
                senders.wait_for_answers(5)
                with filled(disk, (turn % 2) * 300_000):
                    senders.wait_for_answers(25)
                senders.wait_for_answers(5)
            compare(node, held)
        assert set(held.refused) == {0xA700}
        comments = held.refused[0xA700]
        assert [c for c in comments if not any(words in c for words in WORDS)] == []
        node.kill()
        node.start()
        compare(node, held)


@needs_mounts
def test_a_node_starts_on_a_full_disk(tmp_path: Path) -> None:
    """What is held is to be had; and what a kill left behind is caught up once there is room."""
    with on_a_disk(tmp_path / "node", 24) as (disk, node):
        assert store(node, 0).Status == 0x0000
        node.kill()
        node.constants = {
            "scp.node.upkeep.index_keeper._RETRY_SECONDS": 0.2,
            "scp.runtime.heartbeat.BEAT_SECONDS": 0.2,
        }
        lose_rows(node)
        with filled(disk):
            node.start()
            assert node.echoes()
            refused(store(node, 1))
        node.wait_for_log("index caught up instances=1")
        assert store(node, 2).Status == 0x0000
        others_go_on(node, [0, 2])


LOSE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for table in ("instance", "series", "study", "name_part", "patient"):
    connection.execute(f"DELETE FROM {table}")
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
os._exit(0)  # as a kill: the files beside the index stay
"""


def lose_rows(node: RunningNode) -> None:
    """The index forgets all instances, and that it ever held them, as after a power cut."""
    database = connect(index_path(node.data), sync=True)
    with database.connection_context():
        write_mark(database, FolderJournal(node.data, sync=False), RECEIPTS, 0)
    subprocess.run([sys.executable, "-c", LOSE, node.data / "index.sqlite"], check=True)


@needs_mounts
def test_no_inode_is_left(tmp_path: Path) -> None:
    with on_a_disk(tmp_path / "node", 24, "-N", "64") as (disk, node):
        numbers = iter(range(10_000))
        stored = store_until_refused(node, numbers, SMALL)
        assert 5 < len(stored) < 64
        others_go_on(node, stored)
        # One that is large, or is to replace another, needs one too.
        refused(store(node, next(numbers), LARGE))
        refused(store(node, stored[0], SMALL + 2))
        others_go_on(node, stored)
        (disk.folder / "lost+found").rmdir()
        stored.append(next(numbers))
        assert store(node, stored[-1]).Status == 0x0000
        others_go_on(node, stored)


@needs_mounts
def test_a_disk_that_becomes_read_only(tmp_path: Path) -> None:
    """As ext4 does after an error. What was open to be written keeps it from that: one sender."""
    with on_a_disk(tmp_path / "node", 24) as (disk, node):
        assert store(node, 0).Status == 0x0000
        disk.force_read_only()
        refused(store(node, 1))
        refused(store(node, 2, LARGE))
        assert node.echoes()
        assert sorted(got(node, "1.2")) == ["1.4.0"]
        node.kill()
        disk.mount_again()
        node.start()
        assert store(node, 3).Status == 0x0000
        others_go_on(node, [0, 3])


@needs_mounts
def test_stores_are_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    with on_a_disk(tmp_path / "node", 24, free_bytes=8 << 20) as (disk, node):
        numbers = iter(range(10_000))
        with filled(disk, 12 << 20):
            stored = store_until_refused(node, numbers, LARGE)
            assert room_on(disk) > 7 << 20
            others_go_on(node, stored)
        stored.append(next(numbers))
        assert store(node, stored[-1], LARGE).Status == 0x0000
        others_go_on(node, stored)


@needs_mounts
def test_a_disk_that_fills_up_behind_the_log(tmp_path: Path) -> None:
    """The entry has its room; the file, the line or the row of the same instance has none."""
    with on_a_disk(tmp_path / "node", 200) as (disk, node):
        numbers, stored = iter(range(10_000)), list[int]()
        while not list((node.data / "log").glob("*.log")):
            stored.append(next(numbers))
            assert store(node, stored[-1]).Status == 0x0000
        with filled(disk, 64 << 10):
            stored += store_until_refused(node, numbers, SMALL)
            others_go_on(node, stored)
            node.kill()
            node.start()
            others_go_on(node, stored)
        stored.append(next(numbers))
        assert store(node, stored[-1]).Status == 0x0000
        others_go_on(node, stored)


# What fails while a flag is set, and how.
STAND_INS = {
    "write ENOSPC": ("storage.files.incoming.write_all", "OSError(28, 'No space left on device')"),
    "create ENOSPC": (
        "storage.files.tree.Tree.open_staged",
        "storage.files.tree.ResourceError('Cannot write to disk: No space left on device')",
    ),
    "fsync EIO": ("storage.files.tree.os.fsync", "OSError(5, 'Input/output error')"),
    "rename EROFS": ("storage.files.tree.os.rename", "OSError(30, 'Read-only file system')"),
    "journal ENOSPC": (
        "storage.journal.segments.folder_journal.os.fdatasync",
        "OSError(28, 'No space left on device')",
    ),
    "index full": (
        "storage.index.engines.sqlite.engine.SqliteEngine.execute",
        "__import__('sqlite3').OperationalError('database or disk is full')",
    ),
}


# The one wait of a small store; where that fails it is synced as a large one.
LOGGED = "storage.archive.receiving.log.segment.os.pwritev"


@pytest.mark.parametrize("pixel_bytes", [SMALL, LARGE])
@pytest.mark.parametrize("name", STAND_INS)
def test_stand_in_for_a_disk_that_fails(tmp_path: Path, name: str, pixel_bytes: int) -> None:
    """Without a disk to fill: the calls of the tree, of the journal and of the index fail."""
    called, error = STAND_INS[name]
    flag = tmp_path / "fails"
    fails = f"__import__('os').path.exists({str(flag)!r})"
    throws = f"(_ for _ in ()).throw({error}) if {fails}"
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node")
    node.constants = {
        one: Code(f"lambda *a, w={one}, **k: {throws} else w(*a, **k)")
        for one in (called, *([LOGGED] if "sync" in called else []))
    }
    node.start()
    try:
        assert store(node, 0, pixel_bytes).Status == 0x0000
        flag.touch()
        refused(store(node, 1, pixel_bytes))
        refused(store(node, 0, pixel_bytes + 2))  # what it would replace stays
        flag.unlink()
        others_go_on(node, [0])
        assert store(node, 1, pixel_bytes).Status == 0x0000
        others_go_on(node, [0, 1])
        assert node.stop() == 0
    finally:
        if node.is_running:
            node.kill()
