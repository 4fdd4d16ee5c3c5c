"""Processes that are started again where they end, and how they end."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scp.runtime import child

SECONDS = 30.0


class Kept:
    """Some that do nothing, and what was told of those that ended."""

    def __init__(self, **options: Any) -> None:
        self.told: list[tuple[int, int, float | None]] = []
        options = {"retry_seconds": (0.0, 0.0), "grace_seconds": SECONDS} | options
        self.processes = child.KeptProcesses("test", self.work, self.note, **options)

    def work(self, place: int) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())  # what came before counts now
        signal.pause()

    def note(self, process: int, place: int, status: int, seconds: float | None) -> None:
        self.told.append((place, os.waitstatus_to_exitcode(status), seconds))

    @property
    def running(self) -> dict[int, int]:
        return dict(self.processes._running)

    def tend_until(self, count: int, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self.processes.tend(count)
            signal.sigtimedwait((signal.SIGCHLD,), 0.05)


@pytest.fixture
def kept() -> Iterator[Callable[..., Kept]]:
    """Makes them; those that are left are killed behind the test."""
    made: list[Kept] = []
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM}
    )

    def make(**options: Any) -> Kept:
        made.append(Kept(**options))
        return made[-1]

    yield make
    for one in made:
        for process in (*one.running, *one.processes._ending):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_one_that_dies_is_replaced_in_its_place(kept: Callable[..., Kept]) -> None:
    one = kept()
    one.processes.tend(3)
    before = one.running
    assert sorted(before.values()) == [0, 1, 2]
    gone = next(process for process, place in before.items() if place == 1)
    os.kill(gone, signal.SIGKILL)
    one.tend_until(3, lambda: bool(one.told) and len(one.running) == 3)
    assert one.told == [(1, -signal.SIGKILL, 0.0)]
    assert sorted(one.running.values()) == [0, 1, 2]
    assert len(before.keys() & one.running.keys()) == 2


def test_who_dies_again_and_again_is_waited_for_ever_longer(kept: Callable[..., Kept]) -> None:
    one = kept(retry_seconds=(2.0, 60.0))
    for _ in range(7):
        one.processes._next_start = 0.0
        one.processes.tend(1)
        os.kill(*one.running, signal.SIGKILL)
        count = len(one.told)
        one.tend_until(1, lambda count=count: len(one.told) > count)  # type: ignore[misc]
    assert [seconds for *_, seconds in one.told] == [4, 8, 16, 32, 60, 60, 60]
    one.processes.tend(1)
    assert not one.running


def test_others_come_at_once_and_who_was_there_may_finish(kept: Callable[..., Kept]) -> None:
    one = kept(to_renew=(signal.SIGHUP, SECONDS))
    one.processes.tend(2)
    before = one.running
    one.processes.restart()
    one.processes.tend(2)
    assert not before.keys() & one.running.keys()
    assert sorted(one.running.values()) == [2, 3]  # no place is of two
    assert all(Path(f"/proc/{process}").exists() for process in before)
    one.processes.end()  # which tells the old ones too
    assert sorted(place for place, *_ in one.told) == [0, 1, 2, 3]
    assert {seconds for *_, seconds in one.told} == {None}
    one.processes.tend(2)
    assert not one.running


def test_those_that_take_turns_wait_for_the_end_of_the_one_before(
    kept: Callable[..., Kept],
) -> None:
    one = kept(takes_turns=True, to_renew=(signal.SIGHUP, SECONDS))
    one.processes.tend(1)
    (before,) = one.running
    one.processes.restart()
    one.processes.tend(1)
    assert not one.running
    os.kill(before, signal.SIGTERM)
    one.tend_until(1, lambda: bool(one.running))
    assert one.told == [(0, -signal.SIGTERM, None)]


def test_who_does_not_end_in_time_is_killed(kept: Callable[..., Kept]) -> None:
    one = kept(grace_seconds=0.0, to_end=signal.SIGHUP)  # which it does not heed
    one.processes.tend(2)
    one.processes.end()
    assert [status for _, status, _ in one.told] == [-signal.SIGKILL] * 2
