"""PostgreSQL as an engine: what is stopped, cut off, in the way of others, or not to be had."""

import os
import signal
import sys
import threading
from contextlib import suppress
from io import BytesIO

import psycopg
import pytest
from support import ct, encoded
from support.machine.postgres import ScratchPostgres, running_postgres

from storage.diagnostics import ResourceError
from storage.dicom import Header, instance_header
from storage.dicom.values import Level
from storage.index import FileFacts, facts_in, record, search
from storage.index.engines.postgres import connections, engine
from storage.index.engines.postgres.translation import taken, told, translated
from storage.index.opening import PostgresIndex, open_postgres

EXPLICIT = "1.2.840.10008.1.2.1"
MANY = "SELECT generate_series(1, 100000000)"  # in a FROM they would all be made first


def header(instance: str, **values: str) -> Header:
    held = encoded(ct("1.1", "1.2", instance, **values))
    return instance_header.header(BytesIO(held), EXPLICIT, "ISO_IR 100")


def facts(arrived: int) -> FileFacts:
    return FileFacts(EXPLICIT, 1, f"d{arrived}", "", arrived)


class StoppedError(Exception):
    pass


# ---- statements


@pytest.mark.parametrize(("statement", "expected"), [
    ("SELECT 1", "SELECT 1"),
    ('SELECT "t1"."StudyDate" FROM x WHERE a = ? AND b = ?',
     'SELECT "t1"."studydate" FROM x WHERE a = $1 AND b = $2'),
    ("a = '?' AND b = ? AND c = '\"It''s\"?'", "a = '?' AND b = $1 AND c = '\"It''s\"?'"),
    ("left(a, 9) = left(?, 9) AND a = ?^ OR ?", "left(a, 9) = left($1, 9) AND a = $1 OR $2"),
    ('TEXT COLLATE "C"', 'TEXT COLLATE "C"'),
])  # fmt: skip
def test_a_statement_is_translated(statement: str, expected: str) -> None:
    assert translated(statement) == expected


@pytest.mark.parametrize(
    "text", ["", "a\0b", "\0", "\ud800x\udfff", "é\0山", "plain", "\U000f0000"]
)
def test_any_text_comes_back_as_it_was(index: PostgresIndex, text: str) -> None:
    assert told(tuple(taken([text]))) == (text,)
    assert index.engine.execute("SELECT ?::text", (text,)) == [(text,)]
    assert index.engine.execute("SELECT length(?::text)", (text,)) == [(len(text),)]


def test_rows_are_read_as_they_are_asked_for_and_other_statements_beside(
    index: PostgresIndex,
) -> None:
    held = index.engine
    rows = held.stream(MANY, ())
    assert [next(rows)[0] for _ in range(1000)] == list(range(1, 1001))
    assert held.execute("SELECT 7", ()) == [(7,)]
    rows.close()  # type: ignore[attr-defined]
    with held.at_one_time():
        rows = held.stream(MANY, ())
        assert [next(rows)[0] for _ in range(1000)] == list(range(1, 1001))
        assert held.execute("SELECT 7", ()) == [(7,)]
        rows.close()  # type: ignore[attr-defined]
    for _ in range(3 * connections.MOST_CONNECTIONS):
        rows = held.stream(MANY, ())
        assert next(rows) == (1,)
        rows.close()  # type: ignore[attr-defined]


_OFTEN = 8


def test_what_is_asked_often_is_planned_once_and_other_tables_are_seen(
    index: PostgresIndex, postgres: ScratchPostgres
) -> None:
    held = index.engine
    held.execute("CREATE TABLE often (first TEXT)", ())
    held.execute("INSERT INTO often VALUES (?), (?)", ("a", "b"))
    asked = "SELECT * FROM often WHERE first = ?"
    for _ in range(_OFTEN):
        assert list(held.stream(asked, ("a",))) == [("a",)]
    prepared = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%FROM often%'"
    assert held.execute(prepared, ()) == [("SELECT * FROM often WHERE first = $1",)]
    with psycopg.connect(postgres.url, autocommit=True) as other:
        other.execute(f"ALTER TABLE {held.schema}.often ADD second TEXT DEFAULT 'new'")
    assert list(held.stream(asked, ("b",))) == [("b", "new")]
    for number in range(150):  # more than are kept
        assert list(held.stream(f"SELECT {number} FROM often", ())) == [(number,)] * 2


def test_a_stream_over_a_connection_that_was_cut_off_goes_over_another(
    index: PostgresIndex, postgres: ScratchPostgres
) -> None:
    assert list(index.engine.stream("SELECT 7", ())) == [(7,)]
    with psycopg.connect(postgres.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    assert list(index.engine.stream("SELECT 7", ())) == [(7,)]


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_statement_ends_when_it_is_to_stop(index: PostgresIndex, is_stream: bool) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise StoppedError

    statement = f"SELECT COUNT(*) FROM ({MANY}) AS o"
    run = index.engine.stream if is_stream else index.engine.execute
    with index.engine.interruptible(stop), pytest.raises(StoppedError):
        list(run(statement, ()))
    assert index.engine.execute("SELECT 7", ()) == [(7,)]
    running = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS o'"
    assert index.engine.execute(running, ()) == [(0,)]


# ---- transactions


def test_who_writes_waits_for_who_does(
    index: PostgresIndex, postgres: ScratchPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine._SETTINGS, "lock_timeout", "100ms")
    other = open_postgres(postgres.url, index.engine.schema)
    with index.engine.writing():
        with pytest.raises(ResourceError, match="canceling statement due to lock"):
            record(other, header("9.1"), facts(1))
        assert other.engine.execute("SELECT 7", ()) == [(7,)]
    record(other, header("9.1"), facts(1))
    assert search.is_entered(index, "9.1")


@pytest.mark.parametrize("error", [
    psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure,
    psycopg.errors.ForeignKeyViolation, psycopg.errors.UniqueViolation, psycopg.OperationalError,
    psycopg.errors.AdminShutdown, psycopg.errors.ProtocolViolation,
])  # fmt: skip
def test_a_work_that_others_were_in_the_way_of_is_done_again(
    index: PostgresIndex, error: type[Exception]
) -> None:
    done: list[int] = []

    def then() -> None:
        done.append(1)
        if len(done) < 3:
            raise error("others")

    record(index, header(f"8.{len(error.__name__)}"), facts(2), then)
    assert len(done) == 3


def test_an_error_that_stays_is_told(index: PostgresIndex) -> None:
    def then() -> None:
        index.engine.execute("SELECT 1 / 0", ())

    with pytest.raises(ResourceError, match="division by zero"):
        record(index, header("7.1"), facts(3), then)
    assert not search.is_entered(index, "7.1")


def test_a_part_that_is_taken_back_takes_no_more_with_it(index: PostgresIndex) -> None:
    with index.engine.writing():
        record(index, header("6.1"), facts(4))
        with suppress(StoppedError), index.engine.writing():
            record(index, header("6.2"), facts(5))
            raise StoppedError
    assert search.is_entered(index, "6.1")
    assert not search.is_entered(index, "6.2")


def test_threads_of_two_processes_enter_what_is_alike(
    index: PostgresIndex, postgres: ScratchPostgres
) -> None:
    """A child has connections of its own, and its parent's go on."""
    assert index.engine.execute("SELECT 7", ()) == [(7,)]
    child = os.fork()
    if not child:
        try:
            crowd(index, "5.1")
            os._exit(0)
        finally:
            os._exit(1)
    crowd(index, "5.2")
    assert os.waitpid(child, 0)[1] == 0
    entered = index.engine.execute(
        "SELECT COUNT(*) FROM instance WHERE SOPInstanceUID LIKE '5.%'", ()
    )
    assert entered == [(40,)]
    assert len(search.by_uid(index, Level.SERIES, "1.2")) >= 40


def crowd(index: PostgresIndex, prefix: str) -> None:
    def run(number: int) -> None:
        for step in range(5):
            record(index, header(f"{prefix}.{number}.{step}"), facts(number * 10 + step))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


# ---- a server that is not there


def test_what_is_committed_outlasts_the_server_and_a_new_one_is_found() -> None:
    """Killed, and started again: the connections of before are gone, which nobody notices."""
    with running_postgres(durable=True) as server:
        index = open_postgres(server.url, "killed")
        index.create()
        record(index, header("1.3"), facts(1))
        server.stop(signal.SIGKILL)
        with pytest.raises(ResourceError, match=r"The index cannot be (written|read)"):
            record(index, header("1.4"), facts(2))
        with pytest.raises(ResourceError, match="The index cannot be read: connection"):
            facts_in(index, ("1.1", "1.2", "1.3"))
        server.start()
        held = facts_in(index, ("1.1", "1.2", "1.3"))
        assert held
        assert held.digest == "d1"
        record(index, header("1.4"), facts(2))
        server.stop()
        server.start()
        record(index, header("1.5"), facts(3))  # over a connection that was there before
        assert len(search.by_uid(index, Level.STUDY, "1.1")) == 3


@pytest.mark.parametrize(("url", "words"), [
    ("postgresql://127.0.0.1:1/x", "connection .*refused"),
    ("postgres//nothing", "The address of PostgreSQL is none"),
])  # fmt: skip
def test_an_address_where_nothing_is_is_told(url: str, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        open_postgres(url, "a").engine.connect()


def test_a_schema_that_is_no_name_is_refused(postgres: ScratchPostgres) -> None:
    with pytest.raises(ResourceError, match="small letters"):
        open_postgres(postgres.url, "x; DROP SCHEMA public")


def test_a_schema_without_tables_is_not_whole(postgres: ScratchPostgres) -> None:
    assert open_postgres(postgres.url, "empty").engine.version() == 0


def test_without_psycopg_it_is_told_how_to_get_it(
    postgres: ScratchPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("storage.index.engines.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ResourceError, match=r'pip install "minipacs\[postgres\]"'):
        open_postgres(postgres.url, "a")
