"""Turns of what can do one thing at a time: fair among those who want it again and again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_LOOK_SECONDS = 0.1


@dataclass(eq=False)
class TurnShare:
    """What one of those who take turns has had, in seconds of its own clock: see `Turns`."""

    had: dict["Turns", float] = field(default_factory=dict)


class Turns:
    """Who has had least is next; of equals, who has waited longest. Start-time fair queueing.

    A clock goes on with the turns, shared out among those who wait. Who comes anew, or again after
    a while, begins at the clock: before those who have had much, and never endlessly before them.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int]] = []
        self._number = 0
        self._clock = 0.0
        self._taken = False

    @contextmanager
    def turn(self, share: TurnShare, check: Callable[[], None]) -> Iterator[None]:
        """Wait for a turn, and have it; `check` is called meanwhile, and may raise."""
        had = self._begin(share, check)
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            with self._condition:
                share.had[self] = had + seconds
                self._clock += seconds / (1 + len(self._waiting))
                self._taken = False
                self._condition.notify_all()

    def _begin(self, share: TurnShare, check: Callable[[], None]) -> float:
        """Wait for a turn; what `share` has had before it."""
        with self._condition:
            self._number += 1
            mine = max(share.had.get(self, 0.0), self._clock), self._number
            self._waiting.append(mine)
        try:
            while not self._comes(mine):
                check()
        except BaseException:
            with self._condition:
                self._waiting.remove(mine)
                self._condition.notify_all()
            raise
        return mine[0]

    def _comes(self, mine: tuple[float, int]) -> bool:
        """Wait a moment for the turn of `mine`, and take it."""

        def is_next() -> bool:
            return not self._taken and min(self._waiting) == mine

        with self._condition:
            if not self._condition.wait_for(is_next, _LOOK_SECONDS):
                return False
            self._waiting.remove(mine)
            self._taken = True
            return True
