"""When a destination is asked to commit: a while after the first that it took."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from scp.config import Peer
from scp.forwarding import destination
from scp.forwarding.commitment_scu import REPORT_SECONDS, Answer, NotAskedError
from scp.forwarding.destination import ASK_SECONDS, RETRY_SECONDS, DestinationSender


class Clock:
    """The time, and a destination that takes some of it to be asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.takes, self.fails, self.answer = 0.0, False, Answer(commits=True)
        self.times: list[tuple[float, float]] = []
        self.is_any = True

    def monotonic(self) -> float:
        return self.now

    def ask(self, post: Any, title: str, peer: Peer, longest: float, patience: float) -> Answer:
        self.times.append((longest, patience))
        self.now += self.takes
        if self.fails:
            raise NotAskedError("cannot be reached")
        return self.answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    requests = SimpleNamespace(
        is_any=lambda *given: made.is_any, granted=lambda *given: None,
        not_granted=lambda *given: None, not_asked=lambda *given: None,
        ask_again=lambda *given: (0, 0),
    )  # fmt: skip
    monkeypatch.setattr(destination, "time", made)
    monkeypatch.setattr(destination, "commitment_requests", requests)
    monkeypatch.setattr(destination.commitment_scu, "ask", made.ask)
    return made


@pytest.fixture
def sender(clock: Clock) -> DestinationSender:
    post: Any = SimpleNamespace(outbox=None)
    made = DestinationSender(post, "ARCHIVE", Peer(host="127.0.0.1", port=104))
    clock.now += 10 * ASK_SECONDS
    return made


def test_what_is_sent_is_gathered_from_the_first_on_whatever_follows(
    clock: Clock, sender: DestinationSender
) -> None:
    assert not sender._is_ask_due
    first = clock.now
    for _ in range(9):
        sender._gather()
        assert not sender._is_ask_due
        clock.now += ASK_SECONDS / 10
    assert sender._next_ask == first + ASK_SECONDS
    clock.now = sender._next_ask
    assert sender._is_ask_due
    clock.is_any = False
    sender._ask(is_busy=True)
    assert not sender._is_ask_due
    sender._gather()
    assert sender._next_ask == clock.now + ASK_SECONDS


@pytest.mark.parametrize("takes", [0.0, 1.0, 40.0])
@pytest.mark.parametrize("fails", [False, True], ids=["granted", "not granted"])
def test_sending_has_half_of_the_time_at_least(
    clock: Clock, sender: DestinationSender, takes: float, fails: bool
) -> None:
    clock.takes, clock.fails = takes, fails
    for turn in range(4):
        sender._gather()
        clock.now = max(clock.now, sender._next_ask)
        sender._ask(is_busy=True)
        pause = RETRY_SECONDS[turn] if fails else ASK_SECONDS
        assert sender._next_ask == clock.now + max(pause, takes)


def test_reports_that_come_elsewhere_are_waited_for_less_and_less_while_more_waits(
    clock: Clock, sender: DestinationSender
) -> None:
    for _ in range(12):
        sender._ask(is_busy=True)
    patience = [times[1] for times in clock.times]
    assert patience[:3] == [REPORT_SECONDS, REPORT_SECONDS / 2, REPORT_SECONDS / 3]
    assert patience[-1] == REPORT_SECONDS / 10
    assert {times[0] for times in clock.times} == {ASK_SECONDS}
    sender._ask(is_busy=False)
    assert clock.times[-1] == (float("inf"), REPORT_SECONDS)
    clock.answer = Answer(commits=True, reported=True)
    sender._ask(is_busy=True)
    sender._ask(is_busy=True)
    assert clock.times[-1][1] == REPORT_SECONDS


def test_who_commits_to_nothing_is_asked_once_and_holds_up_nothing(
    clock: Clock, sender: DestinationSender
) -> None:
    clock.answer = Answer(commits=False)
    for _ in range(3):
        sender._gather()
        clock.now += 10 * ASK_SECONDS
        sender._ask(is_busy=True)
        clock.now += 10 * ASK_SECONDS
        assert not sender._is_ask_due
    assert len(clock.times) == 1
