"""PgBouncer in front of PostgreSQL: by sessions it is as if it were not there, else refused."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

import psycopg
import pytest
from support.machine.pgbouncer import ScratchPgBouncer, running_pgbouncer
from support.machine.postgres import ScratchPostgres, running_postgres
from support.machine.postgres_proxy import PostgresProxy

from storage.diagnostics import ResourceError
from storage.index.engines.postgres import PostgresEngine, connections, engine

pytestmark = pytest.mark.long

SETTINGS = "SELECT current_setting('search_path'), " + ", ".join(
    f"current_setting('{name}')" for name in engine._SETTINGS
)
MANY = "SELECT generate_series(1, 100000)"
OFTEN = 8  # psycopg prepares what is asked for the sixth time
NO_SESSIONS = "gives each transaction another session.*set pool_mode = session"


@pytest.fixture(scope="module")
def pooler(postgres: ScratchPostgres) -> Iterator[ScratchPgBouncer]:
    with running_pgbouncer(postgres.url, pool_mode="session") as running:
        yield running


def engine_at(url: str, schema: str = "pooled") -> PostgresEngine:
    made = PostgresEngine(url, schema, (), f"{schema}_beside")
    made.connect()
    return made


def counted(held: PostgresEngine) -> int:
    ((count,),) = held.execute("SELECT COUNT(*) FROM counted", ())
    return int(count)


@contextmanager
def counting(url: str, schema: str) -> Iterator[PostgresEngine]:
    """An engine whose schema has a table of numbers, each once."""
    held = engine_at(url, schema)
    held.execute(f"CREATE SCHEMA {schema}", ())
    held.execute("CREATE TABLE counted (number BIGINT PRIMARY KEY)", ())
    yield held
    held.close()


def enter(held: PostgresEngine, number: int) -> None:
    """Of a work, which may be run twice."""
    held.execute("INSERT INTO counted VALUES (?) ON CONFLICT DO NOTHING", (number,))


# ---- by sessions


@pytest.mark.parametrize("settings", [{}, {"ignore_startup_parameters": "options"}])
def test_each_connection_has_the_settings_of_its_engine(
    postgres: ScratchPostgres, settings: dict[str, str]
) -> None:
    expected = engine_at(postgres.url).execute(SETTINGS, ())
    assert expected[0][0] == "pooled,pooled_beside"
    with (
        running_pgbouncer(postgres.url, pool_mode="session", **settings) as running,
        ExitStack() as stack,
    ):
        held = engine_at(running.url)
        for _ in range(connections.MOST_CONNECTIONS - 1):
            stack.enter_context(held._connections.leased())
            assert held.execute(SETTINGS, ()) == expected
        held.close()
        other = engine_at(running.url, "another")  # may be given a session that the other left
        assert other.execute(SETTINGS, ())[0][0] == "another,another_beside"


def test_what_an_engine_does_goes_through_it(pooler: ScratchPgBouncer) -> None:
    with counting(pooler.url, "through") as held:
        for _ in range(OFTEN):
            assert held.execute("SELECT ?::bigint", (7,)) == [(7,)]
            assert len(list(held.stream(MANY, ()))) == 100_000
        with held.at_one_time():
            assert len(list(held.stream(MANY, ()))) == 100_000

        def run(first: int) -> None:
            for number in range(first, first + OFTEN):
                held.write(lambda number=number: enter(held, 2 * number))  # type: ignore[misc]
                held.send(
                    lambda number=number: held.say(  # type: ignore[misc]
                        "INSERT INTO counted VALUES (?) ON CONFLICT DO NOTHING", (2 * number + 1,)
                    )
                )

        threads = [threading.Thread(target=run, args=[100 * at]) for at in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert counted(held) == 2 * 4 * OFTEN


class StoppedError(Exception):
    pass


def stopping() -> Callable[[], None]:
    """What stops when it is asked for the third time."""
    asked = count(1)

    def stop() -> None:
        if next(asked) == 3:
            raise StoppedError

    return stop


def test_a_statement_is_stopped_through_it(pooler: ScratchPgBouncer) -> None:
    held = engine_at(pooler.url)
    with held.interruptible(stopping()), pytest.raises(StoppedError):
        held.execute("SELECT pg_sleep(100)", ())
    running = "SELECT FROM pg_stat_activity WHERE query = ? AND state = 'active'"
    assert held.execute(running, ("SELECT pg_sleep(100)",)) == []


@pytest.mark.parametrize("is_passed", [True, False])
def test_a_commit_whose_answer_the_pooler_lost_is_found_out(
    postgres: ScratchPostgres, is_passed: bool
) -> None:
    """It tells of what it lost with an error of its own, which a server would not."""
    proxy = PostgresProxy(postgres.url)
    with (
        running_pgbouncer(proxy.url, pool_mode="session", server_login_retry="1") as running,
        counting(running.url, f"lost_{is_passed}".lower()) as held,
    ):
        held.write(lambda: enter(held, 1))
        with proxy.cutting(is_passed=is_passed) as cut:
            held.write(lambda: enter(held, 2))
            assert cut.happened == 1
        with proxy.cutting(is_passed=is_passed) as cut:
            with pytest.raises(engine.PassingError):
                held.send(lambda: held.say("INSERT INTO counted VALUES (?)", (3,)))
            assert cut.happened == 1
        held.write(lambda: enter(held, 3))
        assert counted(held) == 3
    proxy.close()


def test_server_and_pooler_are_found_again_once_they_are_back() -> None:
    with (
        running_postgres(durable=True) as server,
        running_pgbouncer(server.url, pool_mode="session", server_login_retry="1") as running,
        counting(running.url, "back") as held,
    ):
        held.write(lambda: enter(held, 1))
        server.crash()
        with pytest.raises(ResourceError):
            held.write(lambda: enter(held, 2))
        server.start()
        _until_written(held, 3)
        running.stop()
        with pytest.raises(ResourceError, match="refused"):
            held.write(lambda: enter(held, 4))
        running.start()
        held.write(lambda: enter(held, 5))
        assert counted(held) >= 3


def _until_written(held: PostgresEngine, number: int) -> None:
    """The pooler looks for a server that was gone once a second."""
    for _ in range(60):
        try:
            held.write(lambda: enter(held, number))
        except ResourceError as error:
            told = error
            continue
        return
    raise told


def test_where_it_has_no_session_to_give_that_is_told(
    postgres: ScratchPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_pgbouncer(postgres.url, pool_mode="session", default_pool_size="2") as running:
        held = engine_at(running.url)
        with held._connections.leased(), held._connections.leased():
            with held.interruptible(stopping()), pytest.raises(StoppedError):
                held.execute("SELECT 7", ())
            monkeypatch.setattr(connections, "BUSY_SECONDS", 1)
            with pytest.raises(ResourceError, match="given no session for 1 s"):
                held.execute("SELECT 7", ())
        assert held.execute("SELECT 7", ()) == [(7,)]


# ---- by transactions or statements


@pytest.mark.parametrize("settings", [
    {"pool_mode": "transaction"},
    {"pool_mode": "transaction", "server_round_robin": "1"},
    {"pool_mode": "transaction", "ignore_startup_parameters": "options"},
])  # fmt: skip
def test_one_that_keeps_no_sessions_is_refused(
    postgres: ScratchPostgres, settings: dict[str, str]
) -> None:
    with running_pgbouncer(postgres.url, **settings) as running:
        for _ in range(2):
            with pytest.raises(ResourceError, match=NO_SESSIONS):
                engine_at(running.url)


def test_it_is_refused_while_others_are_given_its_sessions(postgres: ScratchPostgres) -> None:
    with running_pgbouncer(postgres.url, pool_mode="transaction") as running:
        is_over = threading.Event()

        def ask() -> None:
            with psycopg.connect(running.url, autocommit=True, prepare_threshold=None) as held:
                while not is_over.is_set():
                    held.execute("SELECT 7")

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for one in threads:
            one.start()
        try:
            for _ in range(10):
                with pytest.raises(ResourceError, match=NO_SESSIONS):
                    engine_at(running.url)
        finally:
            is_over.set()
            for one in threads:
                one.join()


def test_one_that_takes_no_transactions_is_refused(postgres: ScratchPostgres) -> None:
    with (
        running_pgbouncer(postgres.url, pool_mode="statement") as running,
        pytest.raises(ResourceError, match="not allowed in statement pooling mode"),
    ):
        engine_at(running.url)
