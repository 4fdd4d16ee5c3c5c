"""Workers that hang or die again and again, and locks that somebody holds for too long."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    ROOT,
    Code,
    RunningNode,
    ct,
    encoded,
    found,
    send,
)
from support.checks.faults import faults

from scp.runtime import heartbeat
from scp.runtime.heartbeat import LOOKS, START_LOOKS, HangDetector, Heartbeats

# Of which six in a row are missed only by who hangs, however busy the machine is.
BEAT_SECONDS = 0.3
BUSY_SECONDS = 1.5
SHORT = {"scp.runtime.heartbeat.BEAT_SECONDS": BEAT_SECONDS}
SPARE_SECONDS = 60.0

Start = Callable[..., RunningNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a node with some constants shortened; a worker may end badly in it."""
    started: list[RunningNode] = []

    def starting(workers: int = 1, **constants: Any) -> RunningNode:
        tmp_path.joinpath("node").mkdir()
        node = RunningNode(tmp_path / "node", {"node": {"workers": workers}})
        node.constants = constants
        started.append(node)
        return node.start()

    yield starting
    for node in started:
        if node.is_running:
            node.kill()


def store(node: RunningNode, uid: str, **options: Any) -> Any:
    with node.association((CT, EXPLICIT), **options) as association:
        return send(association, CT, uid, encoded(ct("1.2", "1.3", uid)))


# ---- signs of life


def test_a_worker_hangs_when_its_count_stays_the_same() -> None:
    beats = Heartbeats(2)
    seen = HangDetector(beats)
    beats.adopt(1)
    beats.beat()
    looks = [seen.hangs(1) for _ in range(LOOKS + 1)]
    assert looks == [False] * LOOKS + [True]
    beats.beat()
    assert not seen.hangs(1)


def test_a_worker_that_is_starting_has_longer() -> None:
    seen = HangDetector(Heartbeats(1))
    assert [seen.hangs(0) for _ in range(START_LOOKS + 1)] == [False] * START_LOOKS + [True]


def test_a_worker_that_was_started_anew_begins_anew() -> None:
    beats = Heartbeats(1)
    seen = HangDetector(beats)
    beats.beat()
    while not seen.hangs(0):
        pass
    seen.forget(0)
    assert beats.of(0) == 0
    assert not seen.hangs(0)


def test_it_is_noticed_within_a_minute() -> None:
    assert heartbeat.BEAT_SECONDS * (LOOKS + 1) <= 60


# ---- workers that hang


def test_others_serve_while_a_worker_is_stopped(start: Start) -> None:
    """It swallows no connection; and it is not replaced before its time."""
    node = start(workers=2)
    stopped, _ = node.workers
    os.kill(stopped, signal.SIGSTOP)
    for number in range(20):
        assert store(node, f"1.4.{number}").Status == 0x0000
    assert len(found(node, "1.2", "1.3")) == 20
    assert stopped in node.workers
    os.kill(stopped, signal.SIGCONT)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_stopped_is_replaced(start: Start, workers: int) -> None:
    node = start(workers, **SHORT)
    stopped = node.workers[0]
    os.kill(stopped, signal.SIGSTOP)
    node.wait_for_log("ERROR", "worker=", "hangs, killed")
    node.wait_for_log("died, starting another")
    assert store(node, "1.4").Status == 0x0000
    assert stopped not in node.workers
    assert len(node.logged("hangs, killed")) == 1
    assert node.stop() == 0


def test_a_worker_that_serves_is_not_taken_for_one_that_hangs(start: Start) -> None:
    """Idle, at work, and reading its configuration again."""
    node = start(1, **SHORT)
    (worker,) = node.workers
    end = time.monotonic() + BEAT_SECONDS * LOOKS * 2
    while time.monotonic() < end:
        assert node.echoes()
        node.reload()
    with pytest.raises(AssertionError, match="no "):
        node.wait_for_log("hangs", seconds=BEAT_SECONDS * (LOOKS + 2))
    assert node.workers == [worker]
    assert node.stop() == 0


def test_a_worker_in_a_loop_that_never_yields_is_replaced(start: Start) -> None:
    """In C code that keeps the interpreter's lock: no thread of it runs any more."""
    loop = "lambda request: __import__('re').match('(a+)+$', 'a' * 64 + 'b')"
    replaced = f"__import__('dataclasses').replace(handler, handle={loop})"
    every = "field, (handler, *others) in scp.network.services.HANDLERS.items()"
    handlers = f"{{field: ({replaced},) if field == 0x30 else (handler, *others) for {every}}}"
    node = start(2, **SHORT, **{"scp.network.services.HANDLERS": Code(handlers)})
    association = node.associate((ECHO, IMPLICIT))
    assert association.is_established
    association.dimse_timeout = 0.5
    association.send_c_echo()
    node.wait_for_log("hangs, killed")
    node.wait_for_log("died, starting another")
    assert store(node, "1.4").Status == 0x0000
    association.abort()
    assert node.stop() == 0


def test_a_node_with_a_stopped_worker_ends(start: Start) -> None:
    node = start(2, **{"scp.node.supervisor._KILL_SECONDS": 1.0})
    os.kill(node.workers[0], signal.SIGSTOP)
    assert node.stop() == 0
    node.wait_for_log("hangs, killed")


def test_a_stopped_worker_ends_with_its_supervisor(start: Start) -> None:
    """Else it would keep the port and the folder from the next start."""
    node = start(2)
    os.kill(node.workers[0], signal.SIGSTOP)
    os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait()
    node.wait_for_log("<end of log>")
    assert node.start().echoes()
    assert node.stop() == 0


# ---- workers that die at once


def test_workers_that_die_at_once_are_started_once_a_second(start: Start) -> None:
    """And the supervisor still hears SIGTERM."""
    node = start(
        4, **{"scp.node.listener.Listener.serve": Code("lambda *_: __import__('os')._exit(3)")}
    )
    begun = time.monotonic()
    node.wait_for_log("died, starting another", count=9)  # the third time of some
    assert time.monotonic() - begun > 1.0
    deaths = len(node.logged("died, starting another"))
    assert deaths <= 4 * (2 + time.monotonic() - begun)
    assert node.stop() == 0


def test_workers_that_do_not_start_are_told_and_sigterm_is_heard(start: Start) -> None:
    node = start(2, **{"scp.node.worker.Reporter": Code("None")})
    node.wait_for_log("ERROR", "did not start, starting another", count=3)
    assert node.stop() == 0


def test_sigterm_is_heard_while_a_worker_takes_long_to_start(tmp_path: Path) -> None:
    tmp_path.joinpath("node").mkdir()
    node = RunningNode(tmp_path / "node")
    node.constants = {
        "scp.node.worker.application_entity.build": Code("lambda _: __import__('time').sleep(600)"),
        "scp.node.supervisor._KILL_SECONDS": 1.0,
    }
    (node.folder / "data").mkdir()
    program = [sys.executable, "-c", node.code(), "serve", "-c", str(node.config)]
    root = ROOT
    with subprocess.Popen(program, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + SPARE_SECONDS
        while not children.read_text() and time.monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
    assert "hangs, killed" in said


# ---- locks


@contextmanager
def written_by_another(node: RunningNode, how: str) -> Iterator[None]:
    """Another program holds SQLite's lock."""
    outside = sqlite3.connect(node.data / "index.sqlite", isolation_level=None)
    try:
        outside.execute(f"BEGIN {how}")
        yield
        outside.execute("ROLLBACK")
    finally:
        outside.close()


HOLD = """
import fcntl, struct, sys, time
file = open(sys.argv[1], "r+b")
whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
fcntl.fcntl(file, fcntl.F_OFD_SETLKW, whole)
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def held_by_a_stopped_process(node: RunningNode, name: str) -> Iterator[None]:
    """A process that was stopped holds a lock of the folder's."""
    command = [sys.executable, "-c", HOLD, str(node.data / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()


LOCKS: dict[str, Callable[[RunningNode], Any]] = {
    "BEGIN IMMEDIATE": lambda node: written_by_another(node, "IMMEDIATE"),
    "BEGIN EXCLUSIVE": lambda node: written_by_another(node, "EXCLUSIVE"),
    "the turn to write": lambda node: held_by_a_stopped_process(node, "index.lock"),
    "an instance's place": lambda node: held_by_a_stopped_process(node, "lock"),
}
BUSY = {
    "storage.index.engines.sqlite.database.BUSY_SECONDS": BUSY_SECONDS,
    "storage.files.locks.instance_locks.LOCK_SECONDS": BUSY_SECONDS,
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_held_for_too_long_is_told_and_service_resumes(start: Start, name: str) -> None:
    node = start(1, **BUSY)
    assert store(node, "1.4.1").Status == 0x0000
    with LOCKS[name](node):
        # The second one waits for the first as well, and no longer for that.
        waiting = [node.associate((CT, EXPLICIT)) for _ in range(2)]
        refused = at_once(
            lambda n: send(waiting[n], CT, f"1.5.{n}", encoded(ct("1.2", "1.3", f"1.5.{n}")))
        )
        assert [response.Status for response in refused] == [0xA700] * 2
        words = "ocked" if "BEGIN" in name else "lock"
        assert all(words in response.ErrorComment for response in refused)
        assert node.echoes()
        assert found(node, "1.2", "1.3") == ["1.4.1"]
        assert [path.stem for path in node.files()] == ["1.4.1"]
        assert node.incoming() == []
    for association in waiting:
        uid = f"1.6.{association.requestor.port}"
        response = send(association, CT, uid, encoded(ct("1.2", "1.3", uid)))
        assert response.Status == 0x0000
        association.release()
    assert len(found(node, "1.2", "1.3")) == 3
    assert node.stop() == 0


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_held_for_a_moment_is_waited_for(start: Start, name: str) -> None:
    node = start(1)
    assert store(node, "1.4.1").Status == 0x0000
    with ThreadPoolExecutor(1) as pool:
        with LOCKS[name](node):
            answer = pool.submit(store, node, "1.4.2")
            node.wait_for_log("association opened", count=2)
            with pytest.raises(TimeoutError):
                answer.result(0.5)
        assert answer.result(30).Status == 0x0000
    assert node.stop() == 0


def at_once(work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, range(2)))


def test_a_worker_that_is_stopped_with_the_turn_is_replaced(start: Start, tmp_path: Path) -> None:
    """The others wait for it that long, and then store; what it had in hand is caught up."""
    flag = str(tmp_path / "stopped")
    once = f"__import__('os').path.exists({flag!r}) or open({flag!r}, 'w').close()"
    # Over and over: one alone was seen to be lost.
    kill = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGSTOP)})"
    stop = f"{once} or [({kill}, __import__('time').sleep(0.01)) for _ in range(6000)]"
    whole = "storage.index.writer._delete"
    code = f"lambda index, uids, w={whole}: (uids[2] == '1.4.9' and ({stop}), w(index, uids))[1]"
    node = start(2, **SHORT, **{whole: Code(code)})
    assert store(node, "1.4.1").Status == 0x0000
    association = node.associate((CT, EXPLICIT))
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(send, association, CT, "1.4.9", encoded(ct("1.2", "1.3", "1.4.9")))
        node.wait_for_log("association opened", count=2)
        wait_until(lambda: Path(flag).exists())
        assert store(node, "1.4.2").Status == 0x0000
        with pytest.raises((AssertionError, RuntimeError)):
            lost.result(30)
    node.wait_for_log("hangs, killed")
    node.wait_for_log("index caught up instances=1")
    assert found(node, "1.2", "1.3") == ["1.4.1", "1.4.2", "1.4.9"]
    assert faults(node.data) == []
    assert node.stop() == 0


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
