"""The journal: every whole line is read, whatever became of the one before it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from storage.diagnostics.errors import ResourceError
from storage.journal import RECEIPTS, FolderJournal


@pytest.fixture
def journal(tmp_path: Path) -> FolderJournal:
    made = FolderJournal(tmp_path, sync=True)
    made.prepare()
    return made


def numbers(journal: FolderJournal) -> list[int]:
    return [record["number"] for record in journal.read(RECEIPTS)]


def test_records_come_back_in_their_order(journal: FolderJournal) -> None:
    for number in range(3):
        journal.append(RECEIPTS, number=number)
    assert numbers(journal) == [0, 1, 2]


def test_nothing_was_written_yet(journal: FolderJournal) -> None:
    assert numbers(journal) == []


@pytest.mark.parametrize("kept", [1, 2, 10, -1])
def test_a_line_that_was_cut_short_costs_no_other(journal: FolderJournal, kept: int) -> None:
    journal.append(RECEIPTS, number=1)
    path = next(journal._folder.glob("*.jsonl"))
    whole = path.read_bytes()
    journal.append(RECEIPTS, number=2)
    added = path.read_bytes()[len(whole) :].rstrip(b"\n")
    path.write_bytes(whole + added[:kept])
    journal.append(RECEIPTS, number=3)
    assert numbers(journal) == [1, 3]


def test_a_full_disk_is_told_and_the_next_line_is_whole(
    journal: FolderJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        with pytest.raises(ResourceError):
            journal.append(RECEIPTS, number=1)
    journal.append(RECEIPTS, number=2)
    assert numbers(journal) == [2]


def test_a_line_that_is_not_on_the_disk_is_told(
    journal: FolderJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(ResourceError):
        journal.append(RECEIPTS, number=1)
