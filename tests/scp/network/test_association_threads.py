"""Threads that run one association after another."""

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from scp.node import association_threads
from scp.node.association_threads import AssociationThreads

SECONDS = 30.0


class Served:
    """In place of an association: what runs in its thread, and which that was."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self._work = work
        self.thread: threading.Thread | None = None

    def run_reactor(self) -> None:
        self.thread = threading.current_thread()
        self._work()


def run(threads: AssociationThreads, *all_of: Served) -> None:
    for one in all_of:
        threads.run(cast(Any, one))


def rested(threads: AssociationThreads, count: int) -> None:
    """Wait until so many threads rest."""
    looks = threading.Event()
    for _ in range(int(SECONDS / 0.001)):
        if len(threads._idle) == count and not threads.running:
            return
        looks.wait(0.001)
    raise AssertionError(len(threads._idle))


def test_one_thread_runs_one_association_after_another() -> None:
    threads, served = AssociationThreads(), [Served() for _ in range(20)]
    for one in served:
        run(threads, one)
        rested(threads, 1)
    assert len({one.thread for one in served}) == 1


def test_associations_at_once_have_a_thread_each_and_few_of_these_stay() -> None:
    threads, go = AssociationThreads(), threading.Barrier(21)
    served = [Served(lambda: go.wait(SECONDS)) for _ in range(20)]
    run(threads, *served)
    assert len(threads.running) == 20
    go.wait(SECONDS)
    rested(threads, association_threads.MOST_IDLE)
    assert len({one.thread for one in served}) == 20


def test_a_thread_that_rests_for_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association_threads, "IDLE_SECONDS", 0.01)
    threads, one = AssociationThreads(), Served()
    run(threads, one)
    while one.thread is None:
        threading.Event().wait(0.001)
    one.thread.join(SECONDS)
    assert not one.thread.is_alive()
    assert threads._idle == []
    other = Served()
    run(threads, other)
    rested(threads, 0)


def test_none_is_lost_that_comes_when_a_thread_is_about_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(association_threads, "IDLE_SECONDS", 0.0)
    threads = AssociationThreads()
    for _ in range(500):
        done = threading.Event()
        run(threads, Served(done.set))
        assert done.wait(SECONDS)
    rested(threads, 0)


def test_who_fails_takes_its_thread_along_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: told.set())
    threads, good = AssociationThreads(), Served()
    run(threads, Served(lambda: 1 / 0))
    assert told.wait(SECONDS)
    run(threads, good)
    rested(threads, 1)
    assert good.thread


def test_where_there_is_no_thread_none_is_said_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    threads = AssociationThreads()
    with pytest.raises(RuntimeError):
        run(threads, Served())
    assert threads.running == []
