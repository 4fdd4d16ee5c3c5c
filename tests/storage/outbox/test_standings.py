"""How far each destination is, read beside who writes."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support import CT, IMPLICIT

from storage.diagnostics import ResourceError
from storage.index.search import Location
from storage.journal import FolderJournal
from storage.outbox import commitment_requests, database, overview, queue_file
from storage.outbox.commitment_requests import CommitmentReport
from storage.outbox.overview import Standing, standings, standings_beside
from storage.outbox.queue import Outbox, QueuedInstance, Wanted

SECONDS = 30.0
FIRST = Location(("1.1", "1.2", "1.3.1"), CT, IMPLICIT, 8, "ab" * 32, "")


@pytest.fixture
def data(queue_folder: Path) -> Path:
    """What `filled` makes, in each database."""
    return filled(queue_folder)


@pytest.fixture
def data_of_file(tmp_path: Path) -> Path:
    """The same, in the file."""
    return filled(tmp_path)


def filled(data: Path) -> Path:
    """A queue in which three wait for WARD, one has failed, and two are at BIG, one committed."""
    FolderJournal(data, sync=False).prepare()
    database.prepare(data, sync=False)
    with closing(Outbox(data, sync=False)) as outbox:
        take(outbox, {"WARD": None}, 1, 2, 3, 4)
        take(outbox, {"BIG": None}, 1, 2)
        for item in outbox.due("BIG", 2):
            outbox.sent("BIG", item, to_be_committed=True)
        outbox.failed(outbox.due("WARD", 1)[0], "no", None)
        with outbox.writing() as db:
            db.execute("UPDATE destination SET committed = 1 WHERE name = 'BIG'")
            db.execute("DELETE FROM item WHERE destination = 'BIG' AND instance = '1.3.1'")
            db.execute("UPDATE item SET since = since - 100 * id")
    return data


def take(outbox: Outbox, to: dict[str, float | None], *numbers: int) -> None:
    wanted = [
        Wanted(replace(FIRST, uids=("1.1", "1.2", f"1.3.{number}")), to) for number in numbers
    ]
    outbox.take(wanted, set(), 0, "")


def test_each_destination_has_its_figures(data: Path) -> None:
    found = standings_beside(data, SECONDS)
    with closing(Outbox(data, sync=False)) as outbox:
        assert standings(outbox) == found
    big, ward = found["BIG"], found["WARD"]
    assert (big.waiting, big.failed, big.sent, big.to_be_committed, big.committed) == (
        0, 0, 2, 1, 1,
    )  # fmt: skip
    assert (ward.waiting, ward.failed, ward.sent, ward.to_be_committed) == (3, 1, 0, 0)
    assert (big.oldest_waiting, big.oldest_waiting_seconds) == ("", 0)
    assert 200 <= ward.oldest_waiting_seconds < 300  # the second: the first has failed


@pytest.mark.parametrize("clock", ["", "2999-01-01T00:00:00+00:00"])
def test_nothing_has_waited_for_less_than_no_time(clock: str) -> None:
    assert Standing(oldest_waiting=clock).oldest_waiting_seconds == 0


def test_where_there_is_no_queue_none_is_made(tmp_path: Path) -> None:
    assert standings_beside(tmp_path, SECONDS) == {}
    assert list(tmp_path.iterdir()) == []
    queue_file.path_of(tmp_path).touch()  # as its maker begins
    assert standings_beside(tmp_path, SECONDS) == {}
    assert queue_file.path_of(tmp_path).stat().st_size == 0


def test_who_reads_waits_for_nobody_and_holds_up_nobody(data_of_file: Path) -> None:
    with closing(Outbox(data_of_file, sync=False)) as outbox:
        with outbox.writing() as db:
            db.execute("DELETE FROM item")
            assert standings_beside(data_of_file, SECONDS)["WARD"].waiting == 3
        with queue_file.reading(queue_file.path_of(data_of_file), SECONDS) as db:
            assert db
            rows = db.execute("SELECT name FROM destination")
            rows.fetchone()
            take(outbox, {"WARD": None}, 9)
            rows.fetchall()
    assert standings_beside(data_of_file, SECONDS)["WARD"].waiting == 1


def test_who_reads_cannot_write(data_of_file: Path) -> None:
    with queue_file.reading(queue_file.path_of(data_of_file), SECONDS) as db:
        assert db
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM item")


def test_reading_has_an_end(data_of_file: Path) -> None:
    with closing(Outbox(data_of_file, sync=False)) as outbox, outbox.writing() as db:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
            "INSERT INTO item (destination, study, series, instance, sop_class, syntax, bytes,"
            " digest, charset, since) SELECT 'WARD', '1', '2', i, '', '', 0, '', '', 0 FROM n"
        )
    with pytest.raises(ResourceError, match="interrupted"):
        standings_beside(data_of_file, 0.0)


def test_a_queue_of_any_length_is_told_of_by_an_index_alone(data_of_file: Path) -> None:
    with queue_file.reading(queue_file.path_of(data_of_file), SECONDS) as db:
        assert db
        plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {overview._STANDINGS}")]
    of_items = [step for step in plan if " item" in step]
    assert of_items == [
        "SCAN item USING COVERING INDEX item_state",
        "SEARCH item USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
        "SEARCH item USING INDEX item_tried (destination=? AND state=?)",  # those that failed once
    ]


SENDING, ASKING = "cannot be reached", "answers 0110"
# What happens to WARD, which has two that wait, and what is told of its last error then.
HAPPENINGS: dict[str, Callable[[Outbox, list[QueuedInstance]], object]] = {
    "error": lambda queue, items: queue.blame("WARD", SENDING),
    "first taken": lambda queue, items: queue.sent("WARD", items[0], to_be_committed=True),
    "second taken": lambda queue, items: queue.sent("WARD", items[1], to_be_committed=False),
    "second not taken": lambda queue, items: queue.failed(items[1], "no", 5.0),
    "second given up": lambda queue, items: queue.failed(items[1], "no", None),
    "second deleted": lambda queue, items: queue.drop(items[1]),
    "retry": lambda queue, items: overview.retry(queue),
    "not asked": lambda queue, items: commitment_requests.not_granted(queue, "WARD", ASKING),
    "asked": lambda queue, items: commitment_requests.granted(queue, "WARD"),
    "first not committed to": lambda queue, items: commitment_requests.note_report(
        queue, "WARD", CommitmentReport(
            commitment_requests.ask(queue, "WARD", "2.25", 9).uid, frozenset(), {}  # type: ignore[union-attr]
        ),
    ),
}  # fmt: skip
# In this order -> what the last error told was in, and whether it is over.
OVER: dict[tuple[str, ...], tuple[str, bool]] = {
    ("first taken", "second taken"): ("", False),
    ("error",): ("sending", False),
    ("first taken", "error"): ("sending", False),
    ("error", "first taken"): ("sending", True),
    ("error", "first taken", "error"): ("sending", False),
    ("error", "asked"): ("sending", False),
    ("second not taken", "error", "first taken"): ("sending", False),
    ("second not taken", "error", "first taken", "second taken"): ("sending", True),
    ("second not taken", "error", "first taken", "second deleted"): ("sending", True),
    ("second not taken", "error", "second deleted"): ("sending", False),
    ("second given up", "error", "first taken"): ("sending", False),
    ("second given up", "error", "first taken", "retry"): ("", False),
    ("first taken", "second given up", "error", "retry", "second taken"): ("", False),
    ("error", "first taken", "first not committed to"): ("sending", True),
    ("not asked",): ("asking", False),
    ("asked", "not asked"): ("asking", False),
    ("not asked", "first taken"): ("asking", False),
    ("not asked", "asked"): ("asking", True),
    ("not asked", "asked", "not asked"): ("asking", False),
    # The last that is not over, whatever came behind it.
    ("second not taken", "error", "not asked", "asked", "first taken"): ("sending", False),
    ("not asked", "error", "first taken"): ("asking", False),
    ("not asked", "error", "first taken", "asked"): ("sending", True),
    ("error", "not asked", "first taken", "asked"): ("asking", True),
}


@pytest.mark.parametrize("happened", OVER, ids=", ".join)
def test_an_error_that_is_over_is_told_as_over(
    queue_folder: Path, happened: tuple[str, ...]
) -> None:
    kind, is_over = OVER[happened]
    FolderJournal(queue_folder, sync=False).prepare()
    database.prepare(queue_folder, sync=False)
    with closing(Outbox(queue_folder, sync=False)) as outbox:
        take(outbox, {"WARD": None}, 1, 2)
        items = outbox.due("WARD", 2)
        for one in happened:
            HAPPENINGS[one](outbox, items)
        assert outbox.is_blamed("WARD") == (
            "error" in happened and "retry" not in happened
        )  # who waits is woken by its end alone
        found = standings(outbox)["WARD"]
    assert found.last_error_in == kind
    assert found.last_error == {"": "", "sending": SENDING, "asking": ASKING}[kind]
    assert bool(found.last_error_at) == bool(kind)
    assert bool(found.last_error_over_since) == is_over


def test_what_is_sent_takes_one_transaction(data_of_file: Path) -> None:
    statements: list[str] = []
    with closing(Outbox(data_of_file, sync=False)) as outbox:
        outbox.blame("WARD", "no")
        items = outbox.due("WARD", 2)
        outbox.database.connection.set_trace_callback(statements.append)
        for item in items:
            outbox.sent("WARD", item, to_be_committed=True)
        outbox.database.connection.set_trace_callback(None)
    assert [one for one in statements if one in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE", "COMMIT",
    ] * 2  # fmt: skip


def test_ids_follow_the_order_of_arrival_whatever_has_gone(data: Path) -> None:
    with closing(Outbox(data, sync=False)) as outbox:
        with outbox.writing() as db:
            db.execute("DELETE FROM item WHERE id = (SELECT MAX(id) FROM item)")
        before = time.time()
        take(outbox, {"WARD": None}, 8)
        (last,) = outbox.select("SELECT instance, since FROM item ORDER BY id DESC LIMIT 1")
    assert last[0] == "1.3.8"
    assert float(str(last[1])) >= before
