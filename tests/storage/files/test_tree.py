"""The folder tree: files that are whole and durable or not there at all."""

import errno
import hashlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

from storage.diagnostics.errors import FolderError, ResourceError
from storage.dicom.values.uids import Uids
from storage.files.digests import digest_of_rest, is_rest
from storage.files.tree import Tree

UIDS: Uids = ("1.1", "1.2", "1.3")
OTHER: Uids = ("1.1", "1.2", "1.4")
# What should come at once; a test that waits this long fails.
SECONDS = 30
# How long to see that a lock keeps waiting.
A_WHILE = 0.2


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "data", sync=True)
    made.prepare()
    return made


def put(tree: Tree, uids: Uids, *parts: bytes, kept: Path | None = None) -> Path:
    """Stage and place, and undo what fails: in the order that the archive keeps."""
    path = tree.path(uids)
    staged = tree.stage(*parts)
    try:
        with tree.locked(uids):
            try:
                tree.place(staged, uids)
            except ResourceError:
                tree.withdraw(uids, kept)
                raise
    finally:
        tree.discard(staged)
    return path


def entries(folder: Path) -> list[str]:
    """Every file and folder below."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ---- layout


def test_a_file_lies_under_its_uids(tree: Tree) -> None:
    assert tree.path(UIDS) == tree.data / "tree" / "1.1" / "1.2" / "1.3.dcm"


def test_a_placed_file_holds_its_parts_in_order(tree: Tree) -> None:
    path = put(tree, UIDS, b"head", memoryview(b"body"), b"")
    assert path.read_bytes() == b"headbody"
    assert entries(tree.root) == ["1.1", "1.1/1.2", "1.1/1.2/1.3.dcm"]
    assert entries(tree.data / "incoming") == []


def test_a_large_file_is_written_to_its_end(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the system takes it in small pieces."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:1000]))
    data = bytes(range(256)) * 100
    assert put(tree, UIDS, data).read_bytes() == data


def test_a_file_replaces_what_lies_there(tree: Tree) -> None:
    put(tree, UIDS, b"old")
    assert put(tree, UIDS, b"new").read_bytes() == b"new"
    assert list(tree.walk()) == [tree.path(UIDS)]


@pytest.mark.parametrize(("umask", "file", "folder"), [
    (0o077, 0o600, 0o700), (0o027, 0o640, 0o750), (0o022, 0o644, 0o755),
])  # fmt: skip
def test_who_may_read_what_is_received_is_what_the_umask_leaves(
    tmp_path: Path, umask: int, file: int, folder: int
) -> None:
    before = os.umask(umask)
    try:
        tree = Tree(tmp_path / "data", sync=True)
        tree.prepare()
        put(tree, UIDS, b"data")
        held = [tree.superseded.keep(UIDS), tree.stage(b"data"), *tree.data.rglob("*"), tree.data]
    finally:
        os.umask(before)
    modes = {(one.is_dir(), one.stat().st_mode & 0o777) for one in held if "lock" not in one.name}
    assert modes == {(False, file), (True, folder)}


def test_staged_files_have_names_of_their_own(tree: Tree) -> None:
    staged = [tree.stage(b"x") for _ in range(3)]
    assert len(set(staged)) == 3
    for path in staged:
        tree.discard(path)
        tree.discard(path)  # gone already: no error
    assert entries(tree.data / "incoming") == []


def test_walking_finds_every_file_and_nothing_else(tree: Tree) -> None:
    paths = {put(tree, uids, b"x") for uids in (UIDS, OTHER, ("2.1", "2.2", "2.3"))}
    (tree.root / "1.1" / "note.txt").write_text("by hand")
    assert set(tree.walk()) == paths


# ---- durability


class Synced:
    """Notes what is renamed and which files and folders are synced, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        fsync, rename = os.fsync, os.rename

        def noted_fsync(descriptor: int) -> None:
            name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
            self.calls.append(("fsync", "staged" if name.endswith(".part") else name))
            fsync(descriptor)

        def noted_rename(old: Any, new: Any) -> None:
            self.calls.append(("rename", Path(new).name))
            rename(old, new)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "rename", noted_rename)


def test_a_file_is_synced_then_renamed_then_its_folders_are_synced(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = Synced(monkeypatch)
    put(tree, UIDS, b"data")
    at = synced.calls.index(("rename", "1.3.dcm"))
    assert ("fsync", "staged") in synced.calls[:at]
    assert ("fsync", "1.2") in synced.calls[at:]
    # The folders above were made for it.
    assert {("fsync", "1.1"), ("fsync", "tree")} <= set(synced.calls)
    synced.calls.clear()
    put(tree, OTHER, b"data")  # they are there, and durable
    assert synced.calls == [("fsync", "staged"), ("rename", "1.4.dcm"), ("fsync", "1.2")]


def test_a_folder_that_was_removed_is_made_durable_again(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tree, UIDS, b"data")
    tree.withdraw(UIDS, None)
    synced = Synced(monkeypatch)
    put(tree, UIDS, b"data")
    assert {("fsync", "1.1"), ("fsync", "tree")} <= set(synced.calls)


def test_without_sync_nothing_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path / "data", sync=False)
    tree.prepare()
    synced = Synced(monkeypatch)
    put(tree, UIDS, b"data")
    tree.superseded.keep(UIDS)
    assert {name for name, _ in synced.calls} == {"rename"}


# ---- failures


class Fault:
    """Makes the `at`-th call of a function of `os` fail, and with `on` all that follow."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, name: str, number: int, at: int, on: bool = False
    ) -> None:
        self.calls = 0
        self.hit = False
        whole: Callable[..., Any] = getattr(os, name)

        def failing(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == at or (on and self.calls > at):
                self.hit = True
                raise OSError(number, os.strerror(number))
            return whole(*args, **options)

        monkeypatch.setattr(os, name, failing)


FAULTS = [
    ("fsync", errno.EIO), ("fsync", errno.ENOSPC), ("rename", errno.EROFS),
    ("rename", errno.ENOSPC), ("mkdir", errno.ENOSPC), ("mkdir", errno.EROFS),
    ("write", errno.ENOSPC), ("open", errno.EMFILE), ("open", errno.EROFS),
]  # fmt: skip
FAULT_IDS = [f"{name} {errno.errorcode[number]}" for name, number in FAULTS]


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize(("name", "number"), FAULTS, ids=FAULT_IDS)
def test_a_write_that_fails_leaves_no_trace(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, name: str, number: int, at: int
) -> None:
    """Whichever call it is that fails; a write with fewer calls succeeds."""
    with monkeypatch.context() as patch:
        # The lock is taken beforehand: its file is no part of the write.
        (tree.data / "lock").touch()
        fault = Fault(patch, name, number, at)
        with suppress(ResourceError):
            staged = tree.stage(b"head", b"body")
            try:
                tree.place(staged, UIDS)
            except ResourceError:
                tree.withdraw(UIDS, None)
            tree.discard(staged)
    if fault.hit:
        assert entries(tree.root) == []
    else:
        assert tree.path(UIDS).read_bytes() == b"headbody"
    assert entries(tree.data / "incoming") == []
    assert put(tree, UIDS, b"again").read_bytes() == b"again"


@pytest.mark.parametrize(("name", "number"), FAULTS, ids=FAULT_IDS)
def test_the_first_call_that_fails_is_told_as_an_error(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    with monkeypatch.context() as patch:
        Fault(patch, name, number, at=1)
        with pytest.raises(ResourceError) as failed:
            tree.place(tree.stage(b"data"), UIDS)
    assert os.strerror(number) in str(failed.value)


@pytest.mark.parametrize(("name", "number"), FAULTS, ids=FAULT_IDS)
def test_a_disk_that_stays_broken_gets_no_file(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """Undoing may fail as well: empty folders may stay, a file may not."""
    (tree.data / "lock").touch()
    put(tree, OTHER, b"other")
    uids = "1.1", "9.2", "9.3"
    with monkeypatch.context() as patch:
        staged = None if name in ("open", "write") else tree.stage(b"data")
        Fault(patch, name, number, at=1, on=True)
        if staged is None:
            with pytest.raises(ResourceError):
                tree.stage(b"data")
        else:
            with pytest.raises(ResourceError):
                tree.place(staged, uids)
            try:
                tree.withdraw(uids, None)
            except ResourceError:
                assert name == "fsync"
            tree.discard(staged)
    assert list(tree.walk()) == [tree.path(OTHER)]
    assert tree.path(OTHER).read_bytes() == b"other"
    assert entries(tree.data / "incoming") == []


def test_only_the_folders_that_are_empty_go(tree: Tree) -> None:
    put(tree, OTHER, b"other")
    put(tree, UIDS, b"data")
    tree.withdraw(UIDS, None)
    assert entries(tree.root) == ["1.1", "1.1/1.2", "1.1/1.2/1.4.dcm"]
    tree.withdraw(UIDS, None)  # nothing there: no error
    tree.withdraw(("5.1", "5.2", "5.3"), None)
    tree.withdraw(OTHER, None)
    assert entries(tree.root) == []


def test_a_folder_pruned_by_another_is_made_again(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making the folder and the rename, once."""
    rename, pruned = os.rename, []

    def prune_first(old: Any, new: Any) -> None:
        if not pruned:
            pruned.append(new)
            Path(new).parent.rmdir()
        rename(old, new)

    monkeypatch.setattr(os, "rename", prune_first)
    assert put(tree, UIDS, b"data").read_bytes() == b"data"
    assert pruned


# ---- superseding


def superseded(tree: Tree) -> list[bytes]:
    files = (p for p in (tree.data / "superseded").rglob("*") if p.is_file())
    return sorted(path.read_bytes() for path in files)


def test_what_is_superseded_is_kept_under_its_uids(tree: Tree) -> None:
    path = put(tree, UIDS, b"old")
    kept = tree.superseded.keep(UIDS)
    put(tree, UIDS, b"new")
    assert (path.read_bytes(), kept.read_bytes()) == (b"new", b"old")
    assert kept.parent == tree.data / "superseded" / "1.1" / "1.2"
    assert kept.name.startswith("1.3.")
    tree.superseded.keep(UIDS)
    put(tree, UIDS, b"newest")
    assert superseded(tree) == [b"new", b"old"]
    assert list(tree.walk()) == [path]


@pytest.mark.parametrize("placed", [True, False], ids=["behind the rename", "in front of it"])
def test_withdrawing_restores_what_was_superseded(tree: Tree, placed: bool) -> None:
    path = put(tree, UIDS, b"old")
    kept = tree.superseded.keep(UIDS)
    if placed:
        put(tree, UIDS, b"new")
    tree.withdraw(UIDS, kept)
    assert path.read_bytes() == b"old"
    assert superseded(tree) == []


@pytest.mark.parametrize("at", range(1, 5))
@pytest.mark.parametrize(("name", "number"), [
    ("link", errno.ENOSPC), ("mkdir", errno.EROFS), ("fsync", errno.EIO),
], ids=["link", "mkdir", "fsync"])  # fmt: skip
def test_superseding_that_fails_leaves_the_file(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, name: str, number: int, at: int
) -> None:
    path = put(tree, UIDS, b"old")
    with monkeypatch.context() as patch:
        fault = Fault(patch, name, number, at)
        message = ""
        try:
            tree.superseded.keep(UIDS)
        except ResourceError as error:
            message = str(error)
    assert (os.strerror(number) in message) is fault.hit
    assert path.read_bytes() == b"old"


# ---- locks


def holder(tree: Tree, uids: Uids) -> tuple[threading.Thread, threading.Event, threading.Event]:
    """A thread that wants the lock, an event of when it has it, and one that ends it."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with tree.locked(uids):
            held.set()
            done.wait(SECONDS)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    return thread, held, done


def test_a_lock_keeps_another_thread_out_until_it_is_let_go(tree: Tree) -> None:
    thread, held, done = holder(tree, UIDS)
    assert held.wait(SECONDS)
    second, second_held, second_done = holder(tree, UIDS)
    second_done.set()
    assert not second_held.wait(A_WHILE)
    done.set()
    assert second_held.wait(SECONDS)
    for one in (thread, second):
        one.join(SECONDS)
        assert not one.is_alive()


def test_a_lock_lets_others_in(tree: Tree) -> None:
    others: list[Uids] = [(f"1.{n}", f"2.{n}", f"3.{n}") for n in range(20)]
    with tree.locked(UIDS):
        holders = [holder(tree, uids) for uids in others]
        try:
            assert all(held.wait(SECONDS) for _, held, _ in holders)
        finally:
            for _, _, done in holders:
                done.set()


def test_a_lock_goes_with_an_exception(tree: Tree) -> None:
    with pytest.raises(RuntimeError), tree.locked(UIDS):
        raise RuntimeError
    thread, held, done = holder(tree, UIDS)
    done.set()
    assert held.wait(SECONDS)
    thread.join(SECONDS)


def test_no_two_threads_are_inside(tree: Tree) -> None:
    inside: list[int] = []
    clashes: queue.Queue[int] = queue.Queue()

    def work(number: int) -> None:
        for _ in range(50):
            with tree.locked(UIDS):
                if inside:
                    clashes.put(number)
                inside.append(number)
                os.stat(tree.data)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert clashes.empty()


HOLD = """
import sys
from pathlib import Path
from storage.files.tree import Tree
with Tree(Path(sys.argv[1]), sync=False).locked(tuple(sys.argv[2:])):
    print("held", flush=True)
    sys.stdin.read()
"""


def process_that_holds(tree: Tree, uids: Uids) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tree.data), *uids],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("killed", [False, True], ids=["lets go", "is killed"])
def test_a_lock_keeps_another_process_out_until_it(tree: Tree, killed: bool) -> None:
    process = process_that_holds(tree, UIDS)
    try:
        other, other_held, other_done = holder(tree, OTHER)
        other_done.set()
        assert other_held.wait(SECONDS)  # other UIDs are free
        thread, held, done = holder(tree, UIDS)
        done.set()
        assert not held.wait(A_WHILE)
        if killed:
            process.kill()
        elif process.stdin:
            process.stdin.close()
        assert held.wait(SECONDS)
        thread.join(SECONDS)
        other.join(SECONDS)
    finally:
        process.kill()
        process.wait(SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


# ---- the folder


def test_preparing_makes_the_folders_and_clears_what_was_being_received(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    for name in ("tree/1.1/1.2/1.3.dcm", "superseded/1.1/1.2/1.3.1.dcm", "incoming/7-0.part",
                 "incoming/7-1.part"):  # fmt: skip
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(name.encode())
    assert Tree(data, sync=True).prepare() == 2
    files = [name for name in entries(data) if (data / name).is_file()]
    kept = ["superseded/1.1/1.2/1.3.1.dcm", "tree/1.1/1.2/1.3.dcm"]
    assert files == ["beside.lock", "node.lock", *kept]
    empty = tmp_path / "empty" / "data"
    assert Tree(empty, sync=True).prepare() == 0
    assert {"incoming", "superseded", "tree"} <= set(entries(empty))


def test_a_folder_is_one_nodes_at_a_time(tree: Tree) -> None:
    staged = tree.stage(b"being received")
    with pytest.raises(FolderError, match="in use"):
        Tree(tree.data, sync=True).prepare()
    assert staged.read_bytes() == b"being received"


PREPARE = """
import sys
from pathlib import Path
from storage.diagnostics.errors import FolderError
from storage.files.tree import Tree
try:
    Tree(Path(sys.argv[1]), sync=False).prepare()
except FolderError as error:
    sys.exit(f"FolderError {error}")
"""


def prepare_elsewhere(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREPARE, str(data)], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=SECONDS,
    )  # fmt: skip


def test_a_folder_is_free_again_when_its_process_has_ended(tree: Tree, tmp_path: Path) -> None:
    taken = prepare_elsewhere(tree.data)
    assert (taken.returncode, taken.stderr[:11]) == (1, "FolderError")
    assert [prepare_elsewhere(tmp_path / "free").returncode for _ in range(2)] == [0, 0]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FolderError, match="file"):
        Tree(tmp_path / "file" / "data", sync=True).prepare()


def test_the_room_on_the_disk_is_told(tree: Tree) -> None:
    disk = os.statvfs(tree.data)
    assert abs(tree.free_bytes() - disk.f_bavail * disk.f_frsize) < 1 << 30


# ---- bytes


def is_same(path: Path, data: bytes | memoryview) -> bool:
    with path.open("rb") as file:
        file.seek(4)
        return is_rest(file, data)


@pytest.mark.parametrize(("data", "same"), [
    (b"body", True), (b"bodY", False), (b"bod", False), (b"bodyy", False), (b"", False),
    (memoryview(b"body"), True),
], ids=lambda one: repr(bytes(one)) if isinstance(one, memoryview) else repr(one))  # fmt: skip
def test_bytes_are_compared_from_an_offset_on(
    tmp_path: Path, data: bytes | memoryview, same: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"headbody")
    assert is_same(path, data) is same


@pytest.mark.parametrize("at", [0, 1024 * 1024 - 1, 1024 * 1024, 2 * 1024 * 1024 + 10])
def test_a_byte_that_differs_is_seen_anywhere(tmp_path: Path, at: int) -> None:
    data = bytearray(2 * 1024 * 1024 + 11)
    path = tmp_path / "file"
    path.write_bytes(b"head" + data)
    assert is_same(path, bytes(data))
    data[at] = 1
    assert not is_same(path, bytes(data))


def test_a_digest_is_of_what_follows(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    path = tmp_path / "file"
    path.write_bytes(b"head" + data)
    with path.open("rb") as file:
        file.seek(4)
        assert digest_of_rest(file) == hashlib.sha256(data).hexdigest()


def test_a_folder_that_is_pruned_while_its_way_is_synced_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Tree(tmp_path, sync=True)
    made.prepare()
    staged, path = made.stage(b"one"), made.path(UIDS)
    real, pruned = Tree._sync_folder, []

    def sync(self: Tree, folder: Path) -> None:
        if folder == path.parent.parent and not pruned:
            path.parent.rmdir()
            folder.rmdir()
            pruned.append(folder)
        real(self, folder)

    monkeypatch.setattr(Tree, "_sync_folder", sync)
    made.place(staged, UIDS)
    assert pruned
    assert path.read_bytes() == b"one"
