"""A compacted journal tells what the whole one told: whatever was done, and whoever reads it."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.checks.histories import CHARSET, as_before, made, told

from storage import Archive, Level, Received, prepare, settle_index
from storage.diagnostics import ResourceError
from storage.files.locks import claims
from storage.index import Location, counts, fault_of_marks, forget, open_index
from storage.journal import (
    COMMITMENTS,
    PINS,
    RECEIPTS,
    Commitment,
    FolderJournal,
    commitments,
    receipt_catalogue,
)
from storage.journal.catalogue import path_of, remove
from storage.journal.receipt_catalogue import arrivals
from storage.journal.segments import Segments, reader, rewriting, unchanged
from storage.maintenance.changes import deletion
from storage.maintenance.changes.selections import Everything, Selection, selected
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import FaultKind
from storage.maintenance.compaction import Compaction, compact, compacting, segment
from storage.maintenance.recovery.rebuilding import rebuild
from storage.outbox import Outbox, Wanted, database


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lines fill a segment, and each that goes gives room back."""
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 1500)
    monkeypatch.setattr(reader, "TAIL_BYTES", 400)
    monkeypatch.setattr(rewriting, "BLOCK_BYTES", 64)
    monkeypatch.setattr(compacting, "_PIECE_BYTES", 700)
    monkeypatch.setattr(receipt_catalogue, "_BLOCK_BYTES", 900)
    monkeypatch.setattr(claims, "claim", lambda descriptor: True)  # one process, many folders
    at = time.time()
    monkeypatch.setattr("storage.journal.clock.time.time", lambda: at)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Archive]]:
    made: list[Archive] = []
    yield made
    close(made)


def close(archives: list[Archive]) -> None:
    for archive in archives:
        archive.journal.close()
        archive.index.database.close_all()


def lines(journal: FolderJournal) -> int:
    return sum(1 for name in (RECEIPTS, COMMITMENTS, PINS) for _ in journal.read(name))


@pytest.mark.parametrize("seed", range(2))
def test_all_that_is_told_is_as_before(seed: int, tmp_path: Path, opened: list[Archive]) -> None:
    compare(seed, tmp_path, opened)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_it_is_for_many_histories(seed: int, tmp_path: Path, opened: list[Archive]) -> None:
    compare(seed, tmp_path, opened)


def catalogue(journal: FolderJournal) -> tuple[set[Any], set[str]]:
    """Where it has receipts of which studies, and of which it knows when they came."""
    with receipt_catalogue.entered(journal) as db:
        places = set(db.execute("SELECT study, block FROM study_block"))
        return places, {study for (study,) in db.execute("SELECT study FROM arrival")}


def compare(seed: int, folder: Path, opened: list[Archive]) -> None:
    """Hold what is told of an archive against what was told before it was compacted."""
    archive = made(folder / "data", seed, 180, opened)
    journal = archive.journal
    before, count = told(archive, folder / "copy", opened), lines(journal)
    ends = {name: journal.size(name) for name in (RECEIPTS, COMMITMENTS, PINS)}
    with pytest.MonkeyPatch.context() as patch:
        if seed % 2:  # some segments are left, which later ones depend on
            patch.setattr(segment, "_WORTH", 0.6)
        dry = compact(archive, dry_run=True)
        assert lines(journal) == count
        done = compact(archive)
    assert done == dry
    assert done.segments or seed % 2
    assert lines(journal) == count - done.lines
    assert {name: journal.size(name) for name in ends} == ends
    after = told(archive, folder / "copy", opened)
    for what in before:
        assert after[what] == before[what], what
    # Whoever wrote down how far he was goes on there; the catalogue has read no line twice.
    assert not fault_of_marks(archive.tree.data)
    assert [(run.first, run.last, run.lines) for run in arrivals(journal)[0].runs] == after["runs"]
    for name in ends:
        assert as_before(journal, name) == list(journal.read(name))
    assert not list(journal.folder.rglob("*.new"))
    if done.segments:  # of what is gone for good nothing stays in the catalogue either
        places, studies = catalogue(journal)
        remove(path_of(journal))
        anew, all_told = catalogue(journal)
        assert places == anew
        assert {study for study, *_ in counts.by_study(archive.index)} <= studies <= all_told
    assert seed % 2 or compact(archive) == Compaction()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a history, which is copied to whoever wants one: made in a second."""
    folder, made_here = tmp_path_factory.mktemp("old") / "data", list[Archive]()
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        made(folder, 2, 120, made_here)
    close(made_here)
    return folder


@pytest.fixture
def archive(template: Path, tmp_path: Path, opened: list[Archive]) -> Archive:
    """An archive of whose lines many may go."""
    archive = Archive(shutil.copytree(template, tmp_path / "data"), sync=False)
    opened.append(archive)
    assert compact(archive, dry_run=True).segments > 3
    return archive


def killed(archive: Archive, step: str, count: int) -> bool:
    """Compact in a process that is killed at a step, before it, the time after so many."""
    archive.index.database.close_all()
    process = os.fork()
    if not process:
        left, before = iter(range(count)), getattr(rewriting, step)

        def die(*given: Any) -> Any:
            if next(left, None) is None:
                os._exit(9)
            return before(*given)

        setattr(rewriting, step, die)
        with suppress(BaseException):
            compact(Archive(archive.tree.data))
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize("step", ["rewrite", "copy_range", "put_in_place", "sync_folder"])
def test_whatever_a_kill_leaves_tells_the_same(
    archive: Archive, step: str, tmp_path: Path, opened: list[Archive]
) -> None:
    before = told(archive, tmp_path / "copy", opened)
    for count in (2, 0, 1):
        assert killed(archive, step, count)
        assert told(archive, tmp_path / "copy", opened) == before
    assert compact(archive).segments
    assert compact(archive) == Compaction()
    assert not list(archive.journal.folder.rglob("*.new"))
    assert told(archive, tmp_path / "copy", opened) == before


def test_a_full_disk_leaves_each_segment_whole(
    archive: Archive, tmp_path: Path, opened: list[Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told(archive, tmp_path / "copy", opened)
    rewrite, left = rewriting.rewrite, iter(range(2))

    def full(path: Path, *given: Any) -> Path:
        fresh = rewrite(path, *given)
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(fresh))
        return fresh

    monkeypatch.setattr(rewriting, "rewrite", full)
    with pytest.raises(ResourceError, match="not compacted"):
        compact(archive)
    assert not list(archive.journal.folder.rglob("*.new"))
    assert told(archive, tmp_path / "copy", opened) == before


def test_nobody_reads_half_of_it_who_holds_the_segments(archive: Archive) -> None:
    count = lines(archive.journal)
    with unchanged(archive.journal.folder), unchanged(archive.journal.folder):
        done = compact(archive)
    assert (done.segments, done.stopped) == (0, compacting.HELD_BY_OTHERS)
    assert lines(archive.journal) == count
    assert compact(archive).segments


def test_no_line_goes_that_who_brings_in_the_log_still_asks_for(archive: Archive) -> None:
    left = archive.tree.data / "log" / "1-0-abcdefgh.unsynced"
    left.parent.mkdir()
    left.touch()
    count = lines(archive.journal)
    done = compact(archive)
    assert (done.segments, done.stopped) == (0, compacting.LEFT_IN_LOG)
    assert lines(archive.journal) == count
    left.unlink()
    assert compact(archive).segments


def test_what_is_read_meanwhile_is_read_as_it_was(archive: Archive) -> None:
    _, path = Segments(archive.journal.folder, RECEIPTS).closed()[0]
    found = list(archive.journal.read(RECEIPTS, 0, path.stat().st_size))
    reading = archive.journal.read(RECEIPTS)
    first = [next(reading)]
    assert compact(archive).segments
    assert [*first, *islice(reading, len(found) - 1)] == found


def test_instances_that_are_lost_are_told_of_for_good(archive: Archive) -> None:
    uids = ("1.99", "2.1", "3.1")
    archive.store(Received(CT, uids[2], EXPLICIT, encoded(ct(*uids)), CHARSET))
    archive.tree.superseded.remove(archive.tree.superseded.take(uids))
    forget(archive.index, uids)
    store_some(archive, 40)
    settle_index(archive.tree.data)
    assert compact(archive).segments
    faults = check(archive, CHARSET)
    assert [one.uids for one in faults if one.kind is FaultKind.LOST] == [uids]


def test_an_index_of_a_day_before_lines_went_is_made_anew(
    tmp_path: Path, opened: list[Archive]
) -> None:
    archive = made(tmp_path / "data", 2, 60, opened)
    data = archive.tree.data
    archive.index.database.close_all()
    shutil.copy(data / "index.sqlite", tmp_path / "earlier")
    assert not fault_of_marks(data)
    store_some(archive, 60)
    list(deletion.delete(archive, selected(archive, Everything())))
    list(deletion.purge(list(deletion.all_superseded(archive)), archive))
    store_some(archive, 40)
    settle_index(data)
    assert compact(archive).segments
    archive.index.database.close_all()
    for path in data.glob("index.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "earlier", data / "index.sqlite")
    assert "earlier day" in fault_of_marks(data) or "other lines" in fault_of_marks(data)
    assert not prepare(data, sync=False, charset=CHARSET)
    rebuild(data, CHARSET)
    assert not [one for one in check(archive, CHARSET) if one.kind is FaultKind.MISSING]


def store_some(archive: Archive, count: int) -> None:
    for number in range(count):
        uid = f"4.{number}"
        archive.store(Received(CT, uid, EXPLICIT, encoded(ct("1.98", "2", uid)), CHARSET))


def test_a_request_stays_ended_where_its_line_stays(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "_WORTH", 0.5)
    monkeypatch.setattr(
        "storage.journal.segments.lines.now", lambda: "2021-01-01T00:00:00.000+00:00"
    )
    asked = [
        commitments.request(archive.journal, Commitment(f"8.{n}", "C", ((CT, "3.1"),), 0))
        for n in range(80)
    ]
    for one in asked[::9]:  # few of each segment
        commitments.reported(archive.journal, one, "reported")
    for number in range(60):  # in segments that go, all but the first
        other = Commitment(f"7.{number}", "C", ((CT, "3.1"),), 0)
        commitments.reported(archive.journal, commitments.request(archive.journal, other), "x")
    before = commitments.unfinished(archive.journal, lambda worker: True)
    assert compact(archive).segments
    remove(archive.journal.folder / "catalogue.sqlite")
    assert commitments.unfinished(archive.journal, lambda worker: True) == before


@pytest.mark.parametrize("mark", ["settled", "index.new", "forward.sqlite"])
def test_nothing_goes_that_somebody_is_still_to_read(archive: Archive, mark: str) -> None:
    data, journal = archive.tree.data, archive.journal
    if mark == "settled":
        (data / mark).unlink()
    elif mark == "index.new":
        making = open_index(data / mark, sync=False)
        with making.engine.connected():
            making.create()
            making.engine.mark(journal, RECEIPTS, 0)
    else:
        database.prepare(data, sync=False)
        with closing(Outbox(data)) as outbox:
            outbox.take([], set(), 0, journal.tail(RECEIPTS, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compacting, "_KINDS", {RECEIPTS: compacting._KINDS[RECEIPTS]})
        assert compact(archive) == Compaction()


def test_the_queue_forgets_to_whom_it_sent_what_is_no_more(archive: Archive) -> None:
    database.prepare(archive.tree.data, sync=False)
    held = set(archive.tree.instances())
    kept = {one.uids for one in deletion.all_superseded(archive)}
    known = {tuple(line["uids"]) for line in archive.journal.read(RECEIPTS)}
    with closing(Outbox(archive.tree.data)) as outbox:
        for uids in known:
            location = Location(uids, CT, EXPLICIT, 1, "ab" * 32, "")
            outbox.take([Wanted(location, {"WARD": None})], set(), outbox.position, "")
            outbox.sent("WARD", outbox.due("WARD", 1)[0], False)
        assert compact(archive).segments
        (count,) = outbox.select("SELECT COUNT(*) FROM done")[0]
    assert held | kept < known
    assert len(held | kept) <= count < len(known)


def test_the_catalogue_forgets_a_study_that_is_gone_for_good(
    tmp_path: Path, opened: list[Archive]
) -> None:
    prepare(tmp_path, sync=False, charset=CHARSET)
    archive = Archive(tmp_path, sync=False)
    opened.append(archive)
    for study in ("9.8", "9.9"):
        for number in range(20):
            data = encoded(ct(study, "2.1", f"{study}.{number}"))
            archive.store(Received(CT, f"{study}.{number}", EXPLICIT, data, CHARSET))
    settle_index(tmp_path)
    before, studies = catalogue(archive.journal)
    assert studies == {"9.8", "9.9"}
    list(deletion.delete(archive, selected(archive, Selection(Level.STUDY, "9.8"))))
    list(deletion.purge(list(deletion.all_superseded(archive)), archive))
    for number in range(20):
        data = encoded(ct("9.9", "2.2", f"9.9.2.{number}"))
        archive.store(Received(CT, f"9.9.2.{number}", EXPLICIT, data, CHARSET))
    settle_index(tmp_path)
    assert compact(archive).segments
    after, studies = catalogue(archive.journal)
    assert studies == {"9.9"}
    assert {study for study, _ in before} > {study for study, _ in after}


def test_a_folder_of_what_was_deleted_is_not_read_for_each_instance(
    tmp_path: Path, opened: list[Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large series that would take hours; what has its file there stays."""
    prepare(tmp_path, sync=False, charset=CHARSET)
    archive = Archive(tmp_path, sync=False)
    opened.append(archive)
    for number in range(40):
        data = encoded(ct("9.9", "2.1", f"9.9.{number}"))
        archive.store(Received(CT, f"9.9.{number}", EXPLICIT, data, CHARSET))
    study = Selection(Level.STUDY, "9.9")
    list(deletion.delete(archive, selected(archive, study)))
    settle_index(tmp_path)
    folder, listed, seen = archive.tree.superseded.folder / "9.9/2.1", os.listdir, list[str]()
    scanned = os.scandir
    monkeypatch.setattr(os, "listdir", lambda path=".": seen.append(str(path)) or listed(path))
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(str(path)) or scanned(path))
    assert not compact(archive).segments
    assert seen.count(str(folder)) == 1
    assert len(deletion.restorable(archive, study, CHARSET)) == 40
