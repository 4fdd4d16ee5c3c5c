"""Where the forwarding queue stands in the journal, and which journal that is."""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support import CT, IMPLICIT

from storage.index.search import Location
from storage.journal.journal import RECEIPTS, Journal
from storage.outbox import database
from storage.outbox.queue import Outbox, Wanted

LOCATION = Location(("1.1", "1.2", "1.3"), CT, IMPLICIT, 8, "ab" * 32, "")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a journal of three lines, and a queue that follows it."""
    write(tmp_path, 3)
    database.prepare(tmp_path, sync=False)
    with closing(Outbox(tmp_path, sync=False)) as outbox:
        end = outbox.position
        tail = Journal(tmp_path, sync=False).tail(RECEIPTS, end)
        outbox.take([Wanted(LOCATION, {"WARD": None})], {"1.1"}, end, tail)
    return tmp_path


def write(data: Path, lines: int) -> None:
    journal = Journal(data, sync=False)
    journal.prepare()
    with closing(journal):
        for number in range(lines):
            journal.append(RECEIPTS, uids=("1", "2", str(number)))


def standing(data: Path) -> tuple[int, int]:
    """The position, and how many items wait, after a start."""
    database.prepare(data, sync=False)
    with closing(Outbox(data, sync=False)) as outbox:
        return outbox.position, len(outbox.due("WARD", 10))


def test_the_same_journal_is_followed_from_where_it_was(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Journal(data, sync=False).size(RECEIPTS)
    write(data, 2)
    assert standing(data) == (before, 1)
    assert not caplog.records


def test_an_older_queue_goes_on_from_where_it_was(
    data: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    before = Journal(data, sync=False).size(RECEIPTS)
    kept = tmp_path_factory.mktemp("kept") / "forward.sqlite"
    shutil.copy(database.path_of(data), kept)
    write(data, 2)
    with closing(Outbox(data, sync=False)) as outbox:
        journal = Journal(data, sync=False)
        end = journal.size(RECEIPTS)
        outbox.take([], set(), end, journal.tail(RECEIPTS, end))
    for path in data.glob("forward.sqlite*"):
        path.unlink()
    shutil.copy(kept, database.path_of(data))
    assert standing(data) == (before, 1)
    assert not caplog.records


@pytest.mark.parametrize(("lines", "words"), [(1, "was longer"), (9, "is another one")])
def test_another_journal_is_followed_from_its_end_and_what_waits_stays(
    data: Path, caplog: pytest.LogCaptureFixture, lines: int, words: str
) -> None:
    shutil.rmtree(data / "journal")
    write(data, lines)
    assert standing(data) == (Journal(data, sync=False).size(RECEIPTS), 1)
    assert [one.levelno for one in caplog.records] == [logging.ERROR, logging.WARNING]
    assert f"of a journal that {words}" in caplog.text
    caplog.clear()
    assert standing(data)[1] == 1
    assert not caplog.records


def test_a_journal_that_was_put_back_and_grew_is_noticed(
    data: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path_factory.mktemp("kept") / "journal"
    shutil.copytree(data / "journal", kept)
    write(data, 2)
    with closing(Outbox(data, sync=False)) as outbox:
        journal = Journal(data, sync=False)
        end = journal.size(RECEIPTS)
        outbox.take([], set(), end, journal.tail(RECEIPTS, end))
    shutil.rmtree(data / "journal")
    shutil.copytree(kept, data / "journal")
    write(data, 7)
    assert standing(data) == (Journal(data, sync=False).size(RECEIPTS), 1)
    assert "of a journal that held other lines" in caplog.text


def test_a_queue_of_the_version_before_is_taken_over_with_what_waits(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(database.path_of(data))) as db:
        (position,) = db.execute("SELECT journal FROM position").fetchone()
        db.executescript(
            "DROP TABLE position; CREATE TABLE position (journal INTEGER);"
            f"INSERT INTO position VALUES ({position}); PRAGMA user_version = 1;"
        )
    assert standing(data) == (position, 1)
    assert not caplog.records
    shutil.rmtree(data / "journal")
    write(data, 9)
    standing(data)
    assert "is another one" in caplog.text
