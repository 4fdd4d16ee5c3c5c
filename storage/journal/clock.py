"""What a clock may have told wrongly: the times of receipts, held against those around them.

Lines stand in the order of their writing. Times that go back, are still to come, or are older than
any version of this node contradict that; what most lines agree on is believed. Where compaction
drops receipts their times stay, as a line that is an array: other readers pass over it.
"""

import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# Times closer than that agree; larger gaps begin another run.
_NEAR_SECONDS = 86400.0
# Nothing was received before there was such a node: a clock that starts anew says so.
_FIRST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
# What a line of times begins with.
_DROPPED = "dropped"


@dataclass
class Times:
    """Those of lines one after the other, none of which goes back, or a day ahead, at a step.

    In seconds since 1970; `studies`: when the last instance of each arrived.
    """

    first: float
    last: float
    lines: int = 1
    studies: dict[str, float] = field(default_factory=dict)

    def take(self, more: "Times") -> bool:
        """Have these be those of the lines behind them too; False where a step is none of these.

        Whatever run the first line goes on with, all of them do: so they can be told as one.
        """
        if not self.last <= more.first <= self.last + _NEAR_SECONDS:
            return False
        self.last, self.lines = more.last, self.lines + more.lines
        for study, at in more.studies.items():
            self.studies[study] = max(self.studies.get(study, at), at)
        return True


def time_of(record: Mapping[str, Any]) -> float:
    """When a line was written, in seconds since 1970. Raises ValueError where it does not say."""
    return datetime.fromisoformat(str(record.get("at", ""))).timestamp()


def times_line(times: Iterable[Times]) -> bytes:
    """The line that tells them, without its end."""
    told = [[one.first, one.last, one.lines, one.studies] for one in times]
    return json.dumps([_DROPPED, *told], separators=(",", ":")).encode()


def times_told(text: bytes) -> list[Times]:
    """Those of a line; none of another line."""
    if not text.startswith(b"["):
        return []
    try:
        kind, *told = json.loads(text)
        times = [Times(float(first), float(last), int(lines), dict(studies))
                 for first, last, lines, studies in told]  # fmt: skip
    except (ValueError, TypeError, AttributeError):
        return []
    return times if kind == _DROPPED else []


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

    def add(self, times: Times) -> int:
        """Take the time of the next line, or of the next ones; returns the number of their run."""
        if self.runs and abs(times.first - self.runs[-1].last) <= _NEAR_SECONDS:
            run = self.runs[-1]
            run.first, run.last = min(run.first, times.first), max(run.last, times.last)
            run.lines += times.lines
        else:
            self.runs.append(Run(times.first, times.last, times.lines))
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
