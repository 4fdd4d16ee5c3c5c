"""Where lines were dropped the journal is read on behind the hole, in little memory."""

import os
import random
import resource
from pathlib import Path

import pytest

from storage.journal import RECEIPTS, FolderJournal
from storage.journal.segments import Replacement, Segments, reader, rewriting

_MOST = 4 << 20


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderJournal:
    """A closed segment of half a MiB, and lines behind it."""
    monkeypatch.setattr(reader, "SEGMENT_BYTES", 512 << 10)
    made = FolderJournal(tmp_path, sync=False)
    for number in range(3000):
        made.write(RECEIPTS, number=number, text="x" * 200)
    made.close()
    return made


def numbers(journal: FolderJournal, start: int = 0, end: int | None = None) -> list[int]:
    return [record["number"] for record in journal.read(RECEIPTS, start, end)]


def drop(journal: FolderJournal, first: int, last: int, text: bytes = b"") -> Path:
    """Have some lines of the first segment be no more."""
    begin, path = Segments(journal.folder, RECEIPTS).closed()[0]
    assert begin == 0
    lines = list(journal.lines(RECEIPTS, 0, path.stat().st_size))
    replacement = Replacement(lines[first].start, lines[last].end, text)
    os.replace(rewriting.rewrite(path, [replacement], sync=False), path)
    return path


@pytest.mark.parametrize("is_filled", [False, True], ids=["sparse", "copied with zeros"])
def test_lines_around_a_hole_are_where_they_were(journal: FolderJournal, is_filled: bool) -> None:
    before = list(journal.lines(RECEIPTS))
    path = drop(journal, 3, 1900, b'["what was there"]')
    if is_filled:
        path.write_bytes(path.read_bytes())
    else:
        assert path.stat().st_blocks * 512 < path.stat().st_size / 4
    after = list(journal.lines(RECEIPTS))
    assert after[:3] + after[4:] == before[:3] + before[1901:]
    assert after[3].start == before[3].start
    assert after[3].text == b'["what was there"]'
    end = journal.size(RECEIPTS)
    assert end == before[-1].end
    chance = random.Random(1)
    for at in sorted(chance.sample(range(end), 12)):
        told = [line for line in journal.lines(RECEIPTS, at) if line in after]
        assert told == [line for line in after if line.start >= at]
        told = list(journal.lines(RECEIPTS, 0, at))
        assert told == [line for line in after if line.end <= at]


@pytest.mark.parametrize("most", [100, 5000, 1 << 20])
def test_pieces_have_all_lines_once(journal: FolderJournal, most: int) -> None:
    drop(journal, 3, 1900)
    end = journal.size(RECEIPTS)
    pieces = list(journal.pieces(RECEIPTS, 0, end, most))
    assert [start for start, _ in pieces[1:]] == [stop for _, stop in pieces[:-1]]
    assert (pieces[0][0], pieces[-1][1]) == (0, end)
    assert [number for piece in pieces for number in numbers(journal, *piece)] == numbers(journal)


def test_a_second_hole_leaves_the_first_one_empty(journal: FolderJournal) -> None:
    path = drop(journal, 3, 900)
    blocks = path.stat().st_blocks
    lines = list(journal.lines(RECEIPTS, 0, path.stat().st_size))
    replacement = Replacement(lines[50].start, lines[400].end)
    os.replace(rewriting.rewrite(path, [replacement], sync=False), path)
    assert path.stat().st_blocks < blocks
    assert numbers(journal) == [*range(3), *range(901, 948), *range(1299, 3000)]


def test_a_hole_is_not_read_into_memory(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path, sync=False)
    journal.write(RECEIPTS, number=1)
    path = tmp_path / "journal/receipts.jsonl"
    with path.open("ab") as file:
        file.truncate(96 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    journal.write(RECEIPTS, number=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert numbers(journal) == [1, 2]
    assert journal.end_of_lines(RECEIPTS, 0, 1 << 20) < 1 << 20
    assert journal.end_of_lines(RECEIPTS, 1 << 20, 1 << 20) > 96 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _MOST >> 10
    journal.close()


def test_a_long_line_is_read_whole(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path, sync=False)
    for number in range(3):
        journal.write(RECEIPTS, number=number, text="y" * 200_000)
    assert numbers(journal) == [0, 1, 2]
    journal.close()
