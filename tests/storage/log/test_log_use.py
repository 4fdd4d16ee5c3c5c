"""The log as a process uses it: when it takes an instance, and what it leaves behind."""

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, data_set_bytes, encoded
from support.checks.faults import damage

from storage import (
    Archive,
    IncomingDataSet,
    Received,
    Stored,
    StoreOutcome,
    catch_up,
    outbox,
    prepare,
    settle_index,
)
from storage.archive.receiving.log import has_left, left_segments, log
from storage.archive.receiving.log.log import WriteAheadLog
from storage.archive.receiving.log.segment import Segment
from storage.diagnostics import ArchiveError, ResourceError
from storage.dicom.values import Level
from storage.dicom.values.uids import Uids
from storage.journal import RECEIPTS, keep_near, record_deletion
from storage.maintenance.changes import deletion
from storage.maintenance.changes.selections import AnyUid, Selection, selected
from storage.maintenance.check import Acceptances

CHARSET = "ISO_IR 100"
SECONDS = 30
UIDS: list[Uids] = [("1.1", "1.2", f"1.3.{n}") for n in range(8)]


class Node:
    """A data folder, its archive, and copies of it as a kill or a power cut leaves them."""

    def __init__(self, folder: Path) -> None:
        self.data, self._folder = folder / "data", folder
        self._numbers, self._opened = iter(range(100)), list[Archive]()
        prepare(self.data, sync=True, charset=CHARSET)
        self.archive = self.opened(self.data, logged=True)
        self.log: WriteAheadLog = self.archive._log  # type: ignore[assignment]
        self.log._make()  # else the first instances go past it

    def opened(self, data: Path, logged: bool = False) -> Archive:
        self._opened.append(Archive(data, sync=True, logged=logged))
        return self._opened[-1]

    def received(self, number: int, name: str = "Doe", size: int = 10) -> Received:
        data = encoded(ct(*UIDS[number], PatientID="P", PatientName=name, PixelData=bytes(size)))
        return Received(CT, UIDS[number][2], EXPLICIT, data, CHARSET, sender="CT1")

    def store(self, number: int, name: str = "Doe", size: int = 10) -> Stored:
        return self.archive.store(self.received(number, name, size))

    def path(self, number: int, data: Path | None = None) -> Path:
        study, series, instance = UIDS[number]
        return (data or self.data) / "tree" / study / series / f"{instance}.dcm"

    def killed(self) -> Path:
        """A copy, in which nobody has the segments any more."""
        return shutil.copytree(self.data, self._folder / f"copy{next(self._numbers)}")

    def started(self, data: Path) -> Archive:
        prepare(data, sync=True, charset=CHARSET)
        assert not has_left(data)
        return self.opened(data)

    def journal_before(self) -> Callable[[Path], None]:
        """Has a copy's journal be as it is now."""
        size = self.archive.journal.size(RECEIPTS)

        def cut(data: Path) -> None:
            os.truncate(data / "journal" / "receipts.jsonl", size)

        return cut

    def close(self) -> None:
        for archive in self._opened:
            archive.close()
            archive.index.database.close_all()


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(log, "CHECKPOINT_SECONDS", 1e9)
    made = Node(tmp_path)
    yield made
    made.close()


def entries(data: Path) -> list[Uids]:
    with left_segments(data) as left:
        return [entry.uids for one in left.found for entry in one.entries()]


def held(archive: Archive) -> list[Uids]:
    assert damage(archive) == []
    return sorted(archive.tree.instances())


def lines(archive: Archive) -> list[dict[str, Any]]:
    return list(archive.journal.read(RECEIPTS))


# ---- what it takes


def test_a_small_new_instance_waits_for_the_disk_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store(1)  # which makes the files of the journal
    waits: list[str] = []
    for name in ("fsync", "fdatasync", "pwritev"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, name=name, real=real: waits.append(name) or real(*a)
        )
    assert node.store(0).outcome is StoreOutcome.STORED
    assert waits == ["pwritev"]
    assert held(node.archive) == UIDS[:2]
    assert entries(node.killed()) == [UIDS[1], UIDS[0]]


def test_where_a_write_cannot_wait_for_the_disk_a_sync_does(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RWF_DSYNC is not known everywhere (pwritev2(2))."""
    node.store(1)
    real, synced = os.pwritev, list[int]()

    def write(descriptor: int, parts: Any, offset: int, flags: int = 0) -> int:
        if flags:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", write)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    assert node.store(0).outcome is StoreOutcome.STORED
    assert len(synced) == 1
    assert entries(node.killed()) == [UIDS[1], UIDS[0]]


def test_others_go_as_before(node: Node) -> None:
    assert node.store(0, size=2_000_000).outcome is StoreOutcome.STORED
    node.store(1)
    assert node.store(1).outcome is StoreOutcome.UNCHANGED
    assert node.store(1, "Other").outcome is StoreOutcome.REPLACED
    assert entries(node.killed()) == UIDS[1:2]


def begun(node: Node, number: int, size: int) -> Received:
    """One whose data set has come, and is not stored yet."""
    received = node.received(number, size=size)
    intake = node.archive.receive(CT, received.sop_instance_uid, EXPLICIT)
    assert isinstance(received.data_set, bytes)
    intake.write(received.data_set)
    return replace(received, data_set=intake)


def ended(node: Node, received: Received) -> None:
    assert node.archive.store(received).outcome is StoreOutcome.STORED
    assert isinstance(received.data_set, IncomingDataSet)
    received.data_set.discard()


def test_of_larger_ones_at_once_the_first_goes_by_the_log(node: Node) -> None:
    first, second, small = begun(node, 0, 100_000), begun(node, 1, 100_000), begun(node, 2, 10)
    for one in (first, second, small, begun(node, 3, 100_000)):
        ended(node, one)
    ended(node, begun(node, 4, 100_000))
    assert entries(node.killed()) == [UIDS[0], UIDS[2], UIDS[4]]
    assert held(node.archive) == UIDS[:5]


def test_a_larger_one_goes_past_the_log_while_another_process_stores(node: Node) -> None:
    node.store(0, size=100_000)
    for number in (1, 2):
        node.opened(node.data).store(node.received(number))  # as another process would
        ended(node, begun(node, 2 + number, 100_000))
    ended(node, begun(node, 5, 100_000))
    assert entries(node.killed()) == [UIDS[0], UIDS[5]]
    assert held(node.archive) == UIDS[:6]


def test_one_that_was_given_up_is_not_counted(node: Node) -> None:
    for size in (100_000, 2_000_000):
        intake = begun(node, 0, size).data_set
        assert isinstance(intake, IncomingDataSet)
        intake.discard()
        intake.discard()
    ended(node, begun(node, 1, 100_000))
    assert entries(node.killed()) == [UIDS[1]]


def test_without_sync_there_is_no_log(tmp_path: Path) -> None:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    archive = Archive(tmp_path / "data", sync=False, logged=True)
    archive.store(Node.received(None, 0))  # type: ignore[arg-type]
    assert not (tmp_path / "data" / "log").exists()
    archive.index.database.close_all()


def test_who_stores_nothing_has_no_segment_and_no_thread(tmp_path: Path) -> None:
    prepare(tmp_path / "data", sync=True, charset=CHARSET)
    before = set(threading.enumerate())
    archive = Archive(tmp_path / "data", sync=True, logged=True)
    assert set(threading.enumerate()) <= before
    assert not (tmp_path / "data" / "log").exists()
    archive.close()


def test_where_the_disk_has_no_room_for_a_segment_stores_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_ROOM_BYTES", 1 << 60)
    node = Node(tmp_path)
    assert node.store(0).outcome is StoreOutcome.STORED
    assert not (node.data / "log").exists()
    node.close()


def test_the_bytes_in_memory_of_slow_senders_are_bounded(node: Node) -> None:
    taking = [node.archive.receive(CT, UIDS[0][2], EXPLICIT) for _ in range(60)]
    for one in taking:
        one.write(bytes(100_000))
    assert len([one for one in taking if one.in_memory]) == 1
    for one in taking:
        one.discard()
    again = node.archive.receive(CT, UIDS[0][2], EXPLICIT)
    again.write(bytes(100_000))
    assert again.in_memory
    again.discard()


# ---- checkpoints


def checkpointed(node: Node) -> None:
    with node.log._changed:
        node.log._rotate()
    _until(node, lambda: not node.log._full and node.log._spares)


def _until(node: Node, is_so: Callable[[], Any]) -> None:
    with node.log._changed:
        while not is_so():
            assert node.log._changed.wait(SECONDS)


def test_a_checkpoint_comes_by_itself_and_the_segment_is_used_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "CHECKPOINT_SECONDS", 0.0)
    begun = threading.Event()
    real = Segment.begin
    monkeypatch.setattr(Segment, "begin", lambda self: (real(self), begun.set()))
    node.store(0)
    assert begun.wait(SECONDS)
    assert entries(node.killed()) == []


def test_a_checkpoint_waits_for_what_is_under_way(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_it, go_on, synced = threading.Event(), threading.Event(), threading.Event()
    real = node.archive._record

    def record(*given: Any) -> Any:
        at_it.set()
        assert go_on.wait(SECONDS)
        return real(*given)

    monkeypatch.setattr(node.archive, "_record", record)
    monkeypatch.setattr(node.archive.tree, "sync_instances", lambda *_: synced.set())
    thread = threading.Thread(target=node.store, args=(0,))
    thread.start()
    assert at_it.wait(SECONDS)
    with node.log._changed:
        node.log._rotate()
    assert not synced.wait(0.1)
    go_on.set()
    assert synced.wait(SECONDS)
    thread.join()


def test_a_clean_end_leaves_nothing(node: Node) -> None:
    node.store(0)
    node.archive.close()
    assert list((node.data / "log").iterdir()) == []
    assert node.store(1).outcome is StoreOutcome.STORED  # as before there was a log
    assert list((node.data / "log").iterdir()) == []


@pytest.mark.parametrize("step", ["file", "journal", "head"])
def test_what_cannot_be_synced_stays_and_is_written_anew(
    node: Node, monkeypatch: pytest.MonkeyPatch, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A sync that failed is told once: what lies in memory may not be on the disk."""
    node.store(0)
    inode = node.path(0).stat().st_ino

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def refuse(*_: Any) -> None:
        raise ResourceError("Input/output error")

    with monkeypatch.context() as patch:
        if step == "file":
            patch.setattr("storage.files.disk.unsynced.sync_file", fail)
        elif step == "journal":
            patch.setattr(node.archive.journal, "sync", refuse)
        else:
            patch.setattr(Segment, "begin", fail)
        with node.log._changed:
            node.log._rotate()
        _until(node, lambda: node.log._has_failed)
        assert node.log._thread
        node.log._thread.join(SECONDS)
    assert "the log is not used any more" in caplog.text
    assert node.store(1).outcome is StoreOutcome.STORED  # synced as before there was a log
    assert has_left(node.data)
    catch_up(node.data, CHARSET)
    assert not has_left(node.data)
    assert node.path(0).stat().st_ino != inode
    assert held(node.archive) == UIDS[:2]


# ---- what a kill or a power cut leaves


@pytest.mark.parametrize("left", ["missing", "empty", "short", "other", "whole"])
@pytest.mark.parametrize("journal", ["cut", "whole"])
@pytest.mark.parametrize("index", ["behind", "whole"])
def test_what_was_acknowledged_comes_back(node: Node, left: str, journal: str, index: str) -> None:
    node.store(0)
    before, cut = node.killed(), node.journal_before()
    node.store(1)
    told = lines(node.archive)
    data = node.killed()
    path, content = node.path(1, data), node.path(1).read_bytes()
    path.unlink()
    if left != "missing":
        path.write_bytes({
            "empty": b"", "short": content[:-3], "other": content[:-1] + b"x", "whole": content,
        }[left])  # fmt: skip
        if left == "whole":
            shutil.copystat(node.path(1), path)
    if journal == "cut":
        cut(data)
    if index == "behind":
        for one in data.glob("index.sqlite*"):
            one.unlink()
        for one in before.glob("index.sqlite*"):
            shutil.copy(one, data)
    after = node.started(data)
    assert held(after) == UIDS[:2]
    assert path.read_bytes() == content
    assert lines(after) == told
    assert path.stat().st_mtime_ns == node.path(1).stat().st_mtime_ns


def test_an_entry_whose_writer_died_at_once_is_whole_or_not_at_all(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    node.store(0)
    for step in ("journal.write_line", "tree.place", "_record"):
        with monkeypatch.context() as patch:
            owner, _, name = step.rpartition(".")
            patch.setattr(getattr(node.archive, owner) if owner else node.archive, name, kill)
            with pytest.raises(Killed):
                node.store(1)
        after = node.started(node.killed())
        assert held(after) == UIDS[:2], step
        node.path(1).unlink(missing_ok=True)


def test_a_store_that_fails_leaves_no_entry(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ResourceError("Disk full: test")

    for number, step in enumerate(("journal.write_line", "tree.place", "_record")):
        with monkeypatch.context() as patch:
            owner, _, name = step.rpartition(".")
            patch.setattr(getattr(node.archive, owner) if owner else node.archive, name, fail)
            with pytest.raises(ArchiveError):
                node.store(number)
        data = node.killed()
        assert entries(data) == []
        assert held(node.started(data)) == []


def test_an_entry_that_cannot_be_written_is_stored_as_before_there_was_a_log(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", fail)
        assert node.store(0).outcome is StoreOutcome.STORED
    assert held(node.started(node.killed())) == UIDS[:1]


# ---- what went does not come back


def delete(node: Node, number: int) -> None:
    chosen = list(selected(node.archive, Selection(Level.IMAGE, UIDS[number][2])))
    assert list(deletion.delete(node.archive, chosen))


def test_what_was_deleted_stays_deleted(node: Node) -> None:
    node.store(0)
    delete(node, 0)
    after = node.started(node.killed())
    assert held(after) == []
    kept = deletion.restorable(after, AnyUid(UIDS[0][2]), CHARSET)
    assert [data_set_bytes(one.path) for one in kept] == [node.received(0).data_set]


def test_what_was_deleted_and_came_again_is_the_last(node: Node) -> None:
    node.store(0, "First")
    delete(node, 0)
    node.store(0, "Second")
    data = node.killed()
    node.path(0, data).unlink()
    assert held(node.started(data)) == UIDS[:1]
    assert data_set_bytes(node.path(0, data)) == node.received(0, "Second").data_set


def test_a_deletion_that_was_cut_off_leaves_nothing_torn(node: Node) -> None:
    node.store(0)
    record_deletion(node.archive.journal, UIDS[0])
    data = node.killed()
    node.path(0, data).write_bytes(b"")
    assert held(node.started(data)) == UIDS[:1]


@pytest.mark.parametrize("what", ["deletion", "replacement"])
def test_a_line_that_outlasts_the_one_before_it_takes_nothing_with_it(
    node: Node, what: str
) -> None:
    """Of a block that was written before, a file system may keep the length and no content."""
    node.store(0)
    start = node.archive.journal.size(RECEIPTS)
    node.store(1)
    end = node.archive.journal.size(RECEIPTS)
    if what == "deletion":
        record_deletion(node.archive.journal, UIDS[1])
    else:
        told = {"uids": UIDS[1], "syntax": EXPLICIT, "bytes": 1, "digest": "d", "charset": ""}
        node.archive.journal.append(RECEIPTS, **told)
    data = node.killed()
    with (data / "journal" / "receipts.jsonl").open("r+b") as file:
        file.seek(start)
        file.write(bytes(end - start))
    node.path(1, data).write_bytes(b"")
    assert held(node.started(data)) == UIDS[:2]
    assert data_set_bytes(node.path(1, data)) == node.received(1).data_set


def test_what_was_replaced_stays_replaced(node: Node) -> None:
    node.store(0, "First")
    node.store(0, "Second")
    data = node.killed()
    assert held(node.started(data)) == UIDS[:1]
    assert data_set_bytes(node.path(0, data)) == node.received(0, "Second").data_set


def test_a_replacement_that_was_cut_off_leaves_what_was_there(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    node.store(0, "First")
    with monkeypatch.context() as patch:
        patch.setattr(node.archive.tree, "place", kill)
        with pytest.raises(Killed):
            node.store(0, "Second")
    data = node.killed()
    node.path(0, data).unlink()
    node.path(0, data).write_bytes(b"")
    assert held(node.started(data)) == UIDS[:1]
    assert data_set_bytes(node.path(0, data)) == node.received(0, "First").data_set


def test_what_a_dead_process_wrote_and_nobody_was_told_of_does_not_displace_what_came_since(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(node.archive.journal, "write_line", kill)
        with pytest.raises(Killed):
            node.store(0, "Dead")
    other = node.opened(node.data)
    other.store(node.received(0, "Alive"))
    other.store(node.received(1, "Alive"))
    chosen = list(selected(other, Selection(Level.IMAGE, UIDS[1][2])))
    list(deletion.delete(other, chosen))
    data = node.killed()
    after = node.started(data)
    assert held(after) == UIDS[:1]
    assert data_set_bytes(node.path(0, data)) == node.received(0, "Alive").data_set


def test_a_segment_that_was_used_again_brings_nothing_back(node: Node) -> None:
    for number in range(3):
        node.store(number)
    checkpointed(node)
    node.store(3)
    data = node.killed()
    # By hand, and no line tells of it: only a stale entry could bring it back.
    node.path(0, data).unlink()
    assert entries(data) == UIDS[3:4]
    node.started(data)
    assert not node.path(0, data).exists()


def test_the_segments_of_a_process_that_lives_are_left_alone(node: Node) -> None:
    node.store(0)
    assert not has_left(node.data)
    catch_up(node.data, CHARSET)
    assert entries(node.killed()) == UIDS[:1]


def test_a_process_that_was_forked_does_not_hold_them_beyond_its_parent(node: Node) -> None:
    node.store(0)
    ready, wait = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.write(ready[1], b"x")
        os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for segment in (*node.log._spares, node.log._active):
        if segment:
            segment.close()  # as the end of this process would
    assert has_left(node.data)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    catch_up(node.data, CHARSET)
    assert held(node.archive) == UIDS[:1]
    node.log._active = None
    node.log._spares.clear()


@pytest.mark.parametrize("mark", ["index", "forwarding", "catalogue", "accepted"])
def test_who_marks_how_far_the_journal_goes_syncs_it_first(
    node: Node, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    """Else it is behind a power cut of a journal that was longer."""
    node.store(0)
    synced: list[int] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        real(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("receipts.jsonl"):
            synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", sync)
    if mark == "index":
        settle_index(node.data)
    elif mark == "forwarding":
        outbox.database.prepare(node.data, sync=True)
    elif mark == "catalogue":
        keep_near(node.archive.journal)
    else:
        list(Acceptances(node.archive).accept([]))
    assert node.archive.journal.size(RECEIPTS) in synced


def test_a_start_that_cannot_bring_it_in_keeps_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node.store(0)
    data = node.killed()
    node.path(0, data).unlink()

    def fail(*_: Any, **__: Any) -> None:
        raise ResourceError("Cannot write to disk: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("storage.files.tree.Tree.stage", fail)
        prepare(data, sync=True, charset=CHARSET)
    assert "acknowledged instances may be missing" in caplog.text
    assert has_left(data)
    catch_up(data, CHARSET)
    assert held(node.opened(data)) == UIDS[:1]
