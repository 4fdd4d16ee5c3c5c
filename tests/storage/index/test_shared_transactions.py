"""What several threads write at once is one transaction, and each is told of its own work."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from support import CT, ct, encoded

from storage.diagnostics import ResourceError
from storage.dicom import Header, instance_header
from storage.index import FileFacts, SqliteIndex, open_index, record
from storage.index.engines.shared_transactions import MOST_WORKS, SharedTransactions
from storage.index.engines.sqlite import database as db

SECONDS = 30
CROWD = 12


class Transactions:
    """Stands for a database: `begun` are the works of each transaction, in their order."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.may_begin = threading.Event()
        self.refuses = False
        self.shared = SharedTransactions(self.writing, lambda: ResourceError("nobody came to it"))

    @contextmanager
    def writing(self, deadline: float) -> Iterator[None]:
        self.begun.append([])
        assert self.may_begin.wait(SECONDS)
        yield
        if self.refuses:
            raise ResourceError(f"full, at the end of {len(self.begun[-1])}")

    def run(self, number: int, fails: bool = False, seconds: float = SECONDS) -> None:
        def work() -> None:
            self.begun[-1].append(number)
            if fails:
                raise ResourceError(f"{number} fails")

        self.shared.run(work, seconds)


def started(work: Callable[[], None]) -> tuple[threading.Thread, list[Exception]]:
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


def ended(threads: list[tuple[threading.Thread, list[Exception]]]) -> list[str]:
    """What each was told, empty where all went well."""
    for thread, _ in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    errors = [error for _, of_one in threads for error in of_one]
    assert len({id(error) for error in errors}) == len(errors)
    return [str(*of_one) if of_one else "" for _, of_one in threads]


def crowd(
    transactions: Transactions, count: int, failing: int = -1
) -> list[tuple[threading.Thread, list[Exception]]]:
    """As many threads, the first of which leads and waits, in the order of their numbers."""
    threads = []
    for number in range(count):
        threads.append(started(lambda n=number: transactions.run(n, n == failing)))  # type: ignore[misc]
        until(lambda n=number: len(transactions.shared._waiting) == n and transactions.begun)  # type: ignore[misc]
    return threads


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        os.sched_yield()


def test_what_comes_while_the_turn_is_waited_for_is_one_transaction() -> None:
    transactions = Transactions()
    threads = crowd(transactions, CROWD)
    transactions.may_begin.set()
    assert ended(threads) == [""] * CROWD
    assert transactions.begun == [list(range(CROWD))]


def test_a_leader_does_so_many_and_no_more() -> None:
    transactions = Transactions()
    threads = crowd(transactions, MOST_WORKS + 3)
    transactions.may_begin.set()
    assert ended(threads) == [""] * (MOST_WORKS + 3)
    assert [len(works) for works in transactions.begun] == [MOST_WORKS, 3]


def test_a_leader_begins_no_work_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.index.engines.shared_transactions._MOST_SECONDS", 0.0)
    transactions = Transactions()
    threads = crowd(transactions, 3)
    transactions.may_begin.set()
    assert ended(threads) == [""] * 3
    assert transactions.begun == [[0], [1], [2]]


@pytest.mark.parametrize("failing", [0, 1, CROWD - 1])
def test_the_failure_of_one_takes_nothing_from_the_others(failing: int) -> None:
    transactions = Transactions()
    threads = crowd(transactions, CROWD, failing)
    transactions.may_begin.set()
    told = ended(threads)
    assert [n for n, words in enumerate(told) if words] == [failing]
    assert told[failing] == f"{failing} fails"
    transactions.run(99)
    assert transactions.begun[-1] == [99]


def test_each_has_its_own_refusal_where_nothing_is_committed() -> None:
    transactions = Transactions()
    transactions.refuses = True
    threads = crowd(transactions, CROWD)
    transactions.may_begin.set()
    assert all(words.startswith("full") for words in ended(threads))
    assert not transactions.shared._is_led


def test_nobody_waits_longer_than_told_for_one_that_leads() -> None:
    transactions = Transactions()
    leading = started(lambda: transactions.run(0))
    until(lambda: transactions.begun)
    with pytest.raises(ResourceError, match="nobody came"):
        transactions.run(1, seconds=0.01)
    transactions.may_begin.set()
    assert ended([leading]) == [""]
    assert transactions.begun == [[0]]


def test_a_signal_to_one_that_waits_leaves_the_others_a_leader() -> None:
    """As Ctrl-C does to a command."""
    transactions = Transactions()
    leading = started(lambda: transactions.run(0))
    until(lambda: transactions.begun)
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        sender = started(
            lambda: (
                until(lambda: transactions.shared._waiting),
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1),
            )[0]
        )
        with pytest.raises(KeyboardInterrupt):
            transactions.run(1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    transactions.may_begin.set()
    assert ended([leading, sender]) == ["", ""]
    transactions.run(2)
    assert transactions.begun == [[0], [2]]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    held = open_index(tmp_path / "index.sqlite", sync=False, pooled=True)
    held.create()
    yield held
    held.database.close_all()


FACTS = FileFacts("1.2.840.10008.1.2.1", 1, "d", "", 1)


def header(number: int) -> Header:
    held = ct("1.1", "1.2", f"1.3.{number}", PatientName=f"N{number % 3}")
    assert held.SOPClassUID == CT
    return instance_header.header(BytesIO(encoded(held)), "1.2.840.10008.1.2.1", "ISO_IR 100")


def recorded(index: SqliteIndex, numbers: range) -> list[str]:
    """Record at once, all in one transaction; what each was told."""

    def work(number: int) -> None:
        try:
            record(index, header(number), FACTS)
        finally:
            index.engine.close_thread()

    with index.engine.writing():
        threads = [started(lambda n=n: work(n)) for n in numbers]  # type: ignore[misc]
        waiting = index.engine._transactions._waiting
        until(lambda: len(waiting) == len(numbers) - 1)
    return ended(threads)


def held(index: SqliteIndex) -> set[int]:
    rows = index.engine.execute("SELECT SOPInstanceUID FROM instance", ())
    return {int(uid.rpartition(".")[2]) for (uid,) in rows}


def test_the_row_of_one_that_cannot_be_written_keeps_no_other_out(index: SqliteIndex) -> None:
    index.engine.execute(
        "CREATE TRIGGER bad BEFORE INSERT ON instance WHEN NEW.SOPInstanceUID = '1.3.5' "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END", (),
    )  # fmt: skip
    told = recorded(index, range(CROWD))
    assert [n for n, words in enumerate(told) if words] == [5]
    assert "not this one" in told[5]
    assert held(index) == set(range(CROWD)) - {5}


def test_a_disk_that_is_full_at_the_commit_is_told_to_each(
    index: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(index, header(100), FACTS)
    execute, main = db.Connection.execute, threading.main_thread()

    def full(self: db.Connection, statement: str, *given: object) -> sqlite3.Cursor:
        if statement == "COMMIT" and threading.current_thread() is not main:
            raise sqlite3.OperationalError("database or disk is full")
        return execute(self, statement, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(db.Connection, "execute", full)
        told = recorded(index, range(CROWD))
    assert all("full" in words for words in told)
    assert held(index) == {100}
    assert recorded(index, range(CROWD)) == [""] * CROWD
    assert held(index) == {100, *range(CROWD)}


def test_of_one_that_is_killed_nothing_is_left_and_others_go_on(
    index: SqliteIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine is, all of them are one leader's.
    monkeypatch.setattr("storage.index.engines.shared_transactions._MOST_SECONDS", 60.0)
    index.database.close_all()
    child = os.fork()
    if not child:
        own = open_index(tmp_path / "index.sqlite", sync=False, pooled=True)
        done: list[int] = []

        write_with_others = own.engine.write

        def write(work: Callable[[], None]) -> None:
            def killed_after() -> None:
                work()
                done.append(1)
                if len(done) == CROWD // 2:
                    os.kill(os.getpid(), signal.SIGKILL)

            write_with_others(killed_after)

        try:
            own.engine.write = write  # type: ignore[method-assign]
            recorded(own, range(CROWD))
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert held(index) == set()
    assert recorded(index, range(CROWD)) == [""] * CROWD
    assert held(index) == set(range(CROWD))


def test_the_rows_are_those_of_one_after_the_other(index: SqliteIndex, tmp_path: Path) -> None:
    other = open_index(tmp_path / "other.sqlite", sync=False, pooled=True)
    other.create()
    recorded(index, range(CROWD))
    numbers = "SELECT SOPInstanceUID FROM instance ORDER BY id"
    for (uid,) in index.engine.execute(numbers, ()):  # in the order in which they came
        record(other, header(int(uid.rpartition(".")[2])), FACTS)
    for table in ("patient", "study", "series", "instance", "shared_header", "name_part"):
        all_of = f"SELECT * FROM {table} ORDER BY 1, 2, 3"
        assert index.engine.execute(all_of, ()) == other.engine.execute(all_of, ())
    other.database.close_all()
