"""One transaction for what several threads of a process have to write at the same time.

Who comes first leads: it does the work of those that come while it waits for the turn or is at it,
up to a bound, for it has a peer of its own to answer. Then who waits for the longest leads.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum, auto

# What is written, over the connection of whichever thread; it may be run twice.
Work = Callable[[], None]

# One leader's: as many works, and begun for as long, in seconds.
MOST_WORKS = 32
_MOST_SECONDS = 0.02


class _Told(Enum):
    """What a thread that waits is woken for."""

    DONE = auto()
    LEAD = auto()
    ALONE = auto()  # of the works of a transaction one failed: each is tried on its own


class _Waiting:
    """A thread's work; `woken` is held until it is `told` something."""

    def __init__(self, work: Work, deadline: float) -> None:
        self.work, self.deadline = work, deadline
        self.woken = threading.Lock()
        self.told = _Told.LEAD

    def tell(self, told: _Told) -> None:
        self.told = told
        self.woken.release()


class SharedTransactions:
    """The works of a process on one database.

    `writing` is a transaction that raises where it has not begun by a deadline, in monotonic
    seconds; `refused` makes what is raised where the thread that leads did not come to a work.
    """

    def __init__(
        self,
        writing: Callable[[float], AbstractContextManager[None]],
        refused: Callable[[], Exception],
    ) -> None:
        self._writing, self._refused = writing, refused
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._is_led = False

    def run(self, work: Work, seconds: float) -> None:
        """Do the work; it is committed when this returns. It begins within so many seconds.

        Raises what the work raises, and what its transaction does.
        """
        mine = _Waiting(work, time.monotonic() + seconds)
        with self._lock:
            is_led, self._is_led = self._is_led, True
            if is_led:
                mine.woken.acquire()
                self._waiting.append(mine)
        if is_led:
            self._wait(mine, seconds)
        if mine.told is _Told.LEAD:
            self._lead(mine)
        if mine.told is _Told.ALONE:
            with self._writing(mine.deadline):
                work()

    def _wait(self, mine: _Waiting, seconds: float) -> None:
        try:
            if mine.woken.acquire(timeout=seconds):
                return
        except BaseException:  # a signal
            if not self._has_withdrawn(mine) and mine.told is _Told.LEAD:
                self._hand_on()
            raise
        if self._has_withdrawn(mine):
            raise self._refused()

    def _has_withdrawn(self, mine: _Waiting) -> bool:
        """Whether nobody came to the work; else it is waited for what becomes of it."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return True
        mine.woken.acquire()
        return False

    def _lead(self, mine: _Waiting) -> None:
        taken = [mine]
        told = _Told.ALONE
        try:
            with self._writing(mine.deadline):
                self._work(taken)
            told = mine.told = _Told.DONE
        except Exception:
            if len(taken) == 1:
                raise
            mine.told = told
        finally:
            self._hand_on()
            for one in taken[1:]:
                one.tell(told)

    def _work(self, taken: list[_Waiting]) -> None:
        """Do the work of `taken`, its only one, and add what comes meanwhile."""
        until = time.monotonic() + _MOST_SECONDS
        taken[0].work()
        while len(taken) < MOST_WORKS and self._waiting and time.monotonic() < until:
            with self._lock:
                if not self._waiting:  # who waited for too long is gone
                    return
                taken.append(self._waiting.popleft())
            taken[-1].work()

    def _hand_on(self) -> None:
        """Have who waits for the longest lead, if anybody does."""
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting.popleft().tell(_Told.LEAD)
