"""The copy of a journal in a backup: what it told at one moment, whatever came behind it."""

import os
from pathlib import Path

import pytest

from storage.journal import RECEIPTS, FolderJournal
from storage.journal.segments import Replacement, Segments, reader, rewriting
from storage.maintenance.backup.file_copies import FileCopies
from storage.maintenance.backup.journal_copy import JournalCopy, JournalState, states


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lines fill a segment."""
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 300)


@pytest.fixture
def journal(tmp_path: Path) -> FolderJournal:
    return FolderJournal(tmp_path / "data", sync=False)


def add(journal: FolderJournal, *numbers: int) -> None:
    for number in numbers:
        journal.append(RECEIPTS, number=number)


def told(data: Path, name: str = RECEIPTS) -> list[int]:
    return [line["number"] for line in FolderJournal(data, sync=False).read(name)]


def bring(journal: FolderJournal, to: Path, taken: list[JournalState] | None = None) -> None:
    to.mkdir(exist_ok=True)
    copies = FileCopies(to)
    JournalCopy(journal, to, copies).bring(states(journal) if taken is None else taken)
    copies.sync()


def test_a_segment_that_was_compacted_is_copied_again_with_its_holes(
    journal: FolderJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 200_000)
    to = tmp_path / "to"
    add(journal, *range(10_000))
    bring(journal, to)
    segments = Segments(journal.folder, RECEIPTS)
    begin, path = segments.closed()[1]
    lines = list(segments.lines(begin, begin + path.stat().st_size))
    gone = Replacement(lines[1].start - begin, lines[-2].end - begin)
    os.replace(rewriting.rewrite(path, [gone], sync=False), path)
    copy = to / path.relative_to(tmp_path / "data")
    before = {one: one.stat().st_ino for one in to.rglob("*.jsonl")}
    bring(journal, to)
    assert {one for one in before if one.stat().st_ino != before[one]} == {copy}
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_blocks == path.stat().st_blocks < 40
    assert told(to) == told(tmp_path / "data") != list(range(10_000))


def closed(data: Path) -> int:
    return len(Segments(data / "journal", RECEIPTS).closed())


def test_lines_and_segments_that_come_behind_the_moment_are_not_in_it(
    journal: FolderJournal, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    add(journal, *range(3))
    bring(journal, to)
    for moment in range(3, 40, 4):  # between segments, and just behind one
        add(journal, *range(moment, moment + 4))
        taken, lines = states(journal), told(tmp_path / "data")
        add(journal, *range(moment + 4, moment + 30))
        bring(journal, to, taken)
        assert told(to) == lines
    bring(journal, to)
    assert told(to) == told(tmp_path / "data")
    assert closed(to) == closed(tmp_path / "data") > 3
    assert FolderJournal(to, sync=False).identity() == journal.identity()


@pytest.mark.parametrize("lines", [3, 30])
def test_a_copy_of_a_journal_that_went_on_otherwise_is_made_anew(
    journal: FolderJournal, tmp_path: Path, lines: int
) -> None:
    """As where the archive was put back from an older backup."""
    to = tmp_path / "to"
    add(journal, *range(20))
    journal.append("pins", number=1)
    bring(journal, to)
    other = FolderJournal(tmp_path / "other", sync=False)
    add(other, *range(100, 100 + lines))
    bring(other, to)
    assert told(to) == list(range(100, 100 + lines))
    assert told(to, "pins") == []
    assert FolderJournal(to, sync=False).identity() == other.identity()
    assert closed(to) == closed(tmp_path / "other")


def test_a_damaged_copy_of_lines_is_made_anew(journal: FolderJournal, tmp_path: Path) -> None:
    to = tmp_path / "to"
    add(journal, 1, 2, 3)
    bring(journal, to)
    copy = to / "journal" / "receipts.jsonl"
    copy.write_bytes(b"\0" * 4 + copy.read_bytes()[4:])
    add(journal, 4)
    bring(journal, to)
    assert told(to) == [1, 2, 3, 4]


def test_lines_are_copied_from_a_file_that_lost_its_first_name(
    journal: FolderJournal, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    add(journal, 1)
    bring(journal, to)
    add(journal, 2)
    (tmp_path / "data" / "journal" / "receipts.jsonl").unlink()
    bring(journal, to)
    assert told(to) == [1, 2]


def test_a_segment_that_is_closed_and_not_yet_followed_is_told_once(
    journal: FolderJournal, tmp_path: Path
) -> None:
    to, folder = tmp_path / "to", tmp_path / "data" / "journal"
    add(journal, 1, 2)
    bring(journal, to)
    (folder / "receipts").mkdir()
    os.rename(folder / "receipts.link", folder / "receipts" / f"{0:015d}.jsonl")
    bring(journal, to)
    assert told(to) == [1, 2]
    assert not (to / "journal" / "receipts.jsonl").exists()


def test_what_an_earlier_run_left_half_written_goes(journal: FolderJournal, tmp_path: Path) -> None:
    to = tmp_path / "to"
    add(journal, *range(20))
    bring(journal, to)
    (to / "journal" / "receipts.part").write_bytes(b"x")
    first = min((to / "journal" / "receipts").iterdir())
    first.rename(first.with_suffix(".part"))
    bring(journal, to)
    assert told(to) == list(range(20))
    assert not list(to.rglob("*.part"))
