"""The journal in segments: no line is lost or mixed, whoever writes, closes or moves its file."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.diagnostics.errors import ResourceError
from storage.journal import RECEIPTS, FolderJournal
from storage.journal.segments import reader
from storage.journal.segments.reader import Segments


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 400)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FolderJournal]:
    made = FolderJournal(tmp_path, sync=True)
    made.prepare()
    yield made
    made.close()


def numbers(journal: FolderJournal, start: int = 0, end: int | None = None) -> list[int]:
    return [record["number"] for record in journal.read(RECEIPTS, start, end)]


def path_of(journal: FolderJournal) -> Path:
    return journal._folder / "receipts.jsonl"


def test_positions_run_over_all_segments(journal: FolderJournal) -> None:
    ends = [0]
    for number in range(40):
        journal.append(RECEIPTS, number=number)
        ends.append(journal.size(RECEIPTS))
    assert len(Segments(journal._folder, RECEIPTS).closed()) > 3
    assert ends == sorted(set(ends))
    for first in (0, 1, 13, 39, 40):
        assert numbers(journal, ends[first]) == list(range(first, 40))
        assert numbers(journal, 0, ends[first]) == list(range(first))
    tails = [journal.tail(RECEIPTS, end) for end in ends]
    assert len(set(tails)) == len(ends)
    for number in range(40, 60):
        journal.append(RECEIPTS, number=number)
    assert [journal.tail(RECEIPTS, end) for end in ends] == tails
    assert journal.tail(RECEIPTS, journal.size(RECEIPTS) + 1) == ""


def test_a_closed_segment_never_changes(journal: FolderJournal) -> None:
    seen: dict[Path, bytes] = {}
    for number in range(60):
        journal.append(RECEIPTS, number=number)
        for _, path in Segments(journal._folder, RECEIPTS).closed():
            assert seen.setdefault(path, path.read_bytes()) == path.read_bytes()
    assert len(seen) > 3


WRITE = """
import sys
from pathlib import Path
from storage.journal.segments import reader as segments
from storage.journal import FolderJournal
segments.SEGMENT_BYTES = 4000
journal = FolderJournal(Path(sys.argv[1]), sync=False)
for number in range(1500):
    journal.append("receipts", writer=int(sys.argv[2]), number=number)
"""


def test_processes_and_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, tmp_path, str(number)])
        for number in range(2)
    ]
    here = FolderJournal(tmp_path, sync=False)

    def write(writer: int) -> None:
        for number in range(500):
            here.append(RECEIPTS, writer=writer, number=number)

    threads = [threading.Thread(target=write, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    ends = []
    while any(one.poll() is None for one in writers):
        ends.append(here.size(RECEIPTS))
    for thread in threads:
        thread.join()
    assert [one.wait() for one in writers] == [0, 0]
    assert ends == sorted(ends)  # a position never goes back, nor counts a file twice
    found: dict[int, list[int]] = {}
    for record in here.read(RECEIPTS):
        found.setdefault(record["writer"], []).append(record["number"])
    assert found == {n: list(range(1500 if n < 2 else 500)) for n in range(4)}
    assert len(Segments(tmp_path / "journal", RECEIPTS).closed()) > 10


@pytest.mark.parametrize("step", ["mkdir", "rename", "link", "replace"])
def test_a_kill_while_a_segment_is_closed_costs_nothing(
    journal: FolderJournal, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    journal.append(RECEIPTS, number=0)
    with monkeypatch.context() as patch:
        patch.setattr(Path if step == "mkdir" else os, step, killed)
        with pytest.raises(Killed):
            journal.append_all(RECEIPTS, ({"number": number} for number in range(1, 100)))
    written = numbers(journal)
    assert written == list(range(len(written)))
    for writer in (journal, FolderJournal(journal._folder.parent, sync=True)):
        writer.append(RECEIPTS, number=len(written))
        written.append(len(written))
        assert numbers(journal) == written
    assert journal.size(RECEIPTS) == sum(
        path.stat().st_size for path in {path_of(journal), *Segments(
            journal._folder, RECEIPTS).folder.glob("*")}
    )  # fmt: skip


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".jsonl.1"))


def moved_and_made(path: Path) -> None:
    moved(path)
    path.touch()


@pytest.mark.parametrize("away", [moved, Path.unlink, moved_and_made])
@pytest.mark.parametrize("who", ["the same", "another", "at a start"])
def test_a_file_that_is_moved_away_is_put_back(
    journal: FolderJournal, away: Callable[[Path], None], who: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append(RECEIPTS, number=1)
    away(path_of(journal))
    assert numbers(journal) == [1]
    assert len(journal.faults()) == 1
    writer = journal if who == "the same" else FolderJournal(journal._folder.parent, sync=True)
    if who == "at a start":
        writer.prepare()
    writer.append(RECEIPTS, number=2)
    journal.append(RECEIPTS, number=3)
    assert numbers(journal) == [1, 2, 3]
    assert path_of(journal).read_text().count("number") == 3
    assert journal.faults() == []
    assert "was moved away or removed" in caplog.text


def test_a_file_that_is_replaced_while_in_use_is_not_written(journal: FolderJournal) -> None:
    journal.append(RECEIPTS, number=1)
    moved(path_of(journal))
    path_of(journal).write_text('{"number": 7}\n')
    for writer in (journal, FolderJournal(journal._folder.parent, sync=True)):
        with pytest.raises(ResourceError, match="was replaced while in use"):
            writer.append(RECEIPTS, number=2)
    assert "was replaced" in journal.faults()[0]
    journal.prepare()  # a start believes what lies there then
    writer = FolderJournal(journal._folder.parent, sync=True)
    writer.append(RECEIPTS, number=8)
    assert numbers(writer) == [7, 8]


def test_a_file_that_is_emptied_while_in_use_is_not_written(journal: FolderJournal) -> None:
    journal.append(RECEIPTS, number=1)
    path_of(journal).write_text("")
    with pytest.raises(ResourceError, match="was cut while in use"):
        journal.append(RECEIPTS, number=2)


def test_a_folder_that_was_copied_is_written(journal: FolderJournal, tmp_path: Path) -> None:
    journal.append(RECEIPTS, number=1)
    copied = tmp_path / "copied"
    shutil.copytree(journal._folder, copied / "journal")
    writer = FolderJournal(copied, sync=True)
    writer.append(RECEIPTS, number=2)
    assert numbers(writer) == [1, 2]


def test_after_a_failed_sync_its_lines_are_never_reported_as_safe(
    journal: FolderJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells an error once: the next sync of the same file succeeds."""
    journal.append(RECEIPTS, number=0)
    first, second = (journal.write(RECEIPTS, number=number) for number in (1, 2))
    sync = os.fdatasync

    def fail_once(descriptor: int) -> None:
        monkeypatch.setattr(os, "fdatasync", sync)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(ResourceError):
        journal.sync(RECEIPTS, second)
    with pytest.raises(ResourceError):
        journal.sync(RECEIPTS, first)
    third = journal.write(RECEIPTS, number=3)
    journal.sync(RECEIPTS, third)
    for lost in (first, second):
        with pytest.raises(ResourceError):
            journal.sync(RECEIPTS, lost)
    journal.sync(RECEIPTS, 1)  # it was safe before


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    journals = [FolderJournal(tmp_path / name, sync=True) for name in ("one", "one", "other")]
    made = [journal.make_identity() for journal in journals]
    assert made[0] == made[1] == journals[0].identity() != made[2]
    assert all(len(one) == 32 for one in made)
