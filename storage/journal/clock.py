"""What a clock may have told wrongly: the times of receipts, held against those around them.

Lines stand in the order of their writing. Times that go back, are still to come, or are older than
any version of this node contradict that; what most lines agree on is believed.
"""

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

# Times closer than that agree; larger gaps begin another run.
_NEAR_SECONDS = 86400.0
# Nothing was received before there was such a node: a clock that starts anew says so.
_FIRST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


@dataclass
class Run:
    """Lines one after the other whose times are near each other, in seconds since 1970."""

    first: float
    last: float
    lines: int = 1
    is_believed: bool = True
    bound: float = 0.0  # where it is not believed: when its lines were written at the latest


class Clock:
    """The times of all lines, in their order."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def add(self, at: float) -> int:
        """Take the time of the next line; returns the number of its run."""
        if self.runs and abs(at - self.runs[-1].last) <= _NEAR_SECONDS:
            run = self.runs[-1]
            run.first, run.last = min(run.first, at), max(run.last, at)
            run.lines += 1
        else:
            self.runs.append(Run(at, at))
        return len(self.runs) - 1

    def judge(self) -> None:
        """Decide which runs are believed; the rest gets its bound from the next one that is."""
        now = time.time()
        believed = set(self._agreeing(now))
        bound = now
        for number in reversed(range(len(self.runs))):
            run = self.runs[number]
            run.is_believed = number in believed
            if run.is_believed:
                bound = run.first
            else:
                run.bound = bound

    def _agreeing(self, now: float) -> list[int]:
        """The runs of the most lines whose times do not go back; of as many, the later times."""
        usable = [
            number
            for number, run in enumerate(self.runs)
            if run.first >= _FIRST and run.last <= now + _NEAR_SECONDS
        ]
        ends = sorted({self.runs[number].last for number in usable})
        # A Fenwick tree: the best chain that ends no later than a time.
        best: list[tuple[int, float, int]] = [(0, 0.0, -1)] * (len(ends) + 1)
        before: dict[int, int] = {}
        for number in usable:
            run = self.runs[number]
            at = bisect_right(ends, run.first + _NEAR_SECONDS)
            chain = (0, 0.0, -1)
            while at:
                chain, at = max(chain, best[at]), at & (at - 1)
            before[number] = chain[2]
            own = (chain[0] + run.lines, run.last, number)
            at = bisect_left(ends, run.last) + 1
            while at <= len(ends):
                best[at], at = max(best[at], own), at + (at & -at)
        number = max((one for one in best), default=(0, 0.0, -1))[2]
        found = []
        while number >= 0:
            found.append(number)
            number = before[number]
        return found
