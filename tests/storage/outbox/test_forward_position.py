"""Where the forwarding queue stands in the journal, and which journal that is."""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support import CT, IMPLICIT

from storage.diagnostics import ResourceError
from storage.index.search import Location
from storage.journal import RECEIPTS, FolderJournal
from storage.outbox import database, queue_file, standings_beside
from storage.outbox.queue import Outbox, Wanted

LOCATION = Location(("1.1", "1.2", "1.3"), CT, IMPLICIT, 8, "ab" * 32, "")


@pytest.fixture
def data(queue_folder: Path) -> Path:
    """What `followed` makes, in each database."""
    return followed(queue_folder)


@pytest.fixture
def data_of_file(tmp_path: Path) -> Path:
    """The same, in the file."""
    return followed(tmp_path)


def followed(data: Path) -> Path:
    """A data folder with a journal of three lines, and a queue that follows it."""
    write(data, 3)
    database.prepare(data, sync=False)
    with closing(Outbox(data, sync=False)) as outbox:
        end = outbox.position
        tail = FolderJournal(data, sync=False).tail(RECEIPTS, end)
        outbox.take([Wanted(LOCATION, {"WARD": None})], {"1.1"}, end, tail)
    return data


def write(data: Path, lines: int) -> None:
    journal = FolderJournal(data, sync=False)
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
    before = FolderJournal(data, sync=False).size(RECEIPTS)
    write(data, 2)
    assert standing(data) == (before, 1)
    assert not caplog.records


def test_an_older_queue_goes_on_from_where_it_was(
    data_of_file: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    before = FolderJournal(data_of_file, sync=False).size(RECEIPTS)
    kept = tmp_path_factory.mktemp("kept") / "forward.sqlite"
    shutil.copy(queue_file.path_of(data_of_file), kept)
    write(data_of_file, 2)
    with closing(Outbox(data_of_file, sync=False)) as outbox:
        journal = FolderJournal(data_of_file, sync=False)
        end = journal.size(RECEIPTS)
        outbox.take([], set(), end, journal.tail(RECEIPTS, end))
    for path in data_of_file.glob("forward.sqlite*"):
        path.unlink()
    shutil.copy(kept, queue_file.path_of(data_of_file))
    assert standing(data_of_file) == (before, 1)
    assert not caplog.records


@pytest.mark.parametrize(("lines", "words"), [(1, "was longer"), (9, "is another one")])
def test_another_journal_is_followed_from_its_end_and_what_waits_stays(
    data: Path, caplog: pytest.LogCaptureFixture, lines: int, words: str
) -> None:
    shutil.rmtree(data / "journal")
    write(data, lines)
    assert standing(data) == (FolderJournal(data, sync=False).size(RECEIPTS), 1)
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
        journal = FolderJournal(data, sync=False)
        end = journal.size(RECEIPTS)
        outbox.take([], set(), end, journal.tail(RECEIPTS, end))
    shutil.rmtree(data / "journal")
    shutil.copytree(kept, data / "journal")
    write(data, 7)
    assert standing(data) == (FolderJournal(data, sync=False).size(RECEIPTS), 1)
    assert "of a journal that held other lines" in caplog.text


# What takes a queue back by one version.
BACK = {
    3: "DROP INDEX item_tried;" + "".join(
        f"ALTER TABLE destination DROP COLUMN {name};"
        for name in ("sent_at", "ask_error", "ask_error_at", "asked_at")
    ),
    2: "ALTER TABLE position DROP COLUMN identity; ALTER TABLE position DROP COLUMN tail;",
}  # fmt: skip


def take_back(data: Path, version: int) -> None:
    with closing(sqlite3.connect(queue_file.path_of(data))) as db:
        for one in range(3, version, -1):
            db.executescript(f"{BACK[one]} PRAGMA user_version = {one - 1};")


def tables(data: Path) -> dict[str, list[tuple[str, ...]]]:
    """The columns of each table and index."""
    with closing(sqlite3.connect(queue_file.path_of(data))) as db:
        names = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_master")]
        return {
            name: db.execute(f"SELECT name, type, \"notnull\", dflt_value, pk FROM "
                             f"pragma_table_info('{name}')").fetchall()
            or db.execute(f"SELECT name FROM pragma_index_info('{name}')").fetchall()
            for name in names
        }  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
def test_a_queue_of_an_earlier_version_is_taken_over_with_what_it_holds(
    data_of_file: Path, caplog: pytest.LogCaptureFixture, version: int
) -> None:
    with closing(Outbox(data_of_file, sync=False)) as outbox:
        outbox.blame("WARD", "cannot be reached")
    expected, position = tables(data_of_file), standing(data_of_file)[0]
    take_back(data_of_file, version)
    assert tables(data_of_file) != expected
    with pytest.raises(ResourceError, match=f"of version {version}: a start takes it on"):
        standings_beside(data_of_file, 30.0)
    assert standing(data_of_file) == (position, 1)
    assert tables(data_of_file) == expected
    assert not caplog.records
    told = standings_beside(data_of_file, 30.0)["WARD"]
    assert (told.last_error, told.last_error_in) == ("cannot be reached", "sending")
    assert (told.last_error_over_since, told.waiting) == ("", 1)


def test_a_queue_of_a_later_version_is_told_and_kept_aside(
    data_of_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(queue_file.path_of(data_of_file))) as db:
        db.execute("PRAGMA user_version = 4")
    with pytest.raises(ResourceError, match="The forwarding queue: of another version, 4"):
        Outbox(data_of_file, sync=False)
    assert standing(data_of_file)[1] == 0
    assert "forwarding queue of another version, 4, kept as forward.damaged.sqlite" in caplog.text


def test_a_queue_of_the_first_version_believes_its_journal_once(
    data_of_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    take_back(data_of_file, 1)
    standing(data_of_file)
    assert not caplog.records
    shutil.rmtree(data_of_file / "journal")
    write(data_of_file, 9)
    standing(data_of_file)
    assert "is another one" in caplog.text
