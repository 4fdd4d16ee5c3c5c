"""What the workers count, in memory that they share: nothing is lost with a worker.

Each worker writes a place of its own, and the one that is started after it goes on there.
"""

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import product

from scp.config import Service
from scp.network.dimse import Status

OTHER = "other"  # who is not under [peers]: titles are the callers' choice, and without end
# "lost": open when their worker died. Of "accepted" each ends in release, abort or lost.
OUTCOMES = ("accepted", "release", "abort", "rejected", "refused", "lost")
# What the node answers with, by kind; without a status: the peer was gone before that.
KINDS = {f"{status:04X}": status.kind for status in Status if status.kind != "Pending"}
NO_STATUS, OTHER_STATUS = "none", "other"
DIRECTIONS = ("in", "out")
# Upper bounds of the histogram of seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")

# A counter: its metric and labels.
Series = tuple[str, ...]
COMMITMENTS, RESTARTS = ("commitments",), ("restarts",)
_SERIES: tuple[Series, ...] = (
    *product(("requests",), Service, (*KINDS, OTHER_STATUS, NO_STATUS)),
    *product(("seconds",), Service, BOUNDS),
    *product(("nanoseconds",), Service),
    *product(("instances", "bytes"), DIRECTIONS),
    COMMITMENTS,
    RESTARTS,
)
_CELLS = {one: number for number, one in enumerate(_SERIES)}

# Titles with a counter of their own: more than anyone has under [peers].
_TITLES = 4096
_TITLE_BYTES = 16  # PS3.8 table 9-11
_PLACE = len(_SERIES) + _TITLES * len(OUTCOMES)
_OUTCOME = {outcome: number for number, outcome in enumerate(OUTCOMES)}


class Counters:
    """Made before the workers are forked. Safe to use from many threads.

    A counter is a machine word, so that who reads or is killed meanwhile sees no half of one.
    """

    def __init__(self, workers: int) -> None:
        # One more, for the supervisor's own.
        self._places = workers + 1
        self._cells = memoryview(mmap.mmap(-1, 8 * _PLACE * self._places)).cast("q")
        self._names = mmap.mmap(-1, 8 + _TITLES * _TITLE_BYTES)
        self._named = memoryview(self._names)[:8].cast("q")  # how many names there are
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self.name([OTHER])
        self.adopt(workers)

    def adopt(self, worker: int) -> None:
        """Count in the place of a worker from now on."""
        self._start = worker * _PLACE

    def name(self, titles: Iterable[str]) -> None:
        """Count callers of these titles by name from now on: for the supervisor alone."""
        for title in titles:
            number = len(self._numbers)
            if title not in self._numbers and number < _TITLES:
                at = 8 + number * _TITLE_BYTES
                self._names[at : at + _TITLE_BYTES] = title.encode().ljust(_TITLE_BYTES, b"\0")
                self._numbers[title] = number
                self._named[0] = number + 1

    def learn(self) -> None:
        """Take over the names that the supervisor has given since."""
        places = (8 + number * _TITLE_BYTES for number in range(self._named[0]))
        held = (self._names[at : at + _TITLE_BYTES].rstrip(b"\0").decode() for at in places)
        self._numbers = {title: number for number, title in enumerate(held)}

    def add(self, counts: Iterable[tuple[Series, int]]) -> None:
        """Add to counters."""
        cells, start = self._cells, self._start
        with self._lock:
            for one, count in counts:
                cells[start + _CELLS[one]] += count

    def put(self, one: Series, value: int) -> None:
        """Have this worker's share be `value`."""
        with self._lock:
            self._cells[self._start + _CELLS[one]] = value

    def associate(self, title: str, outcome: str) -> None:
        """Count an association of a caller, by name where it has one."""
        number = self._numbers.get(title.strip(), 0)
        at = self._start + len(_SERIES) + number * len(OUTCOMES) + _OUTCOME[outcome]
        with self._lock:
            self._cells[at] += 1

    def sums(self) -> dict[Series, int]:
        """Each counter but those of associations, over all workers."""
        return {one: self._sum(at) for one, at in _CELLS.items()}

    def associations(self) -> Iterator[tuple[str, str, int]]:
        """Title, outcome and count, over all workers."""
        self.learn()
        at = len(_SERIES)
        for title, outcome in product(self._numbers, OUTCOMES):
            yield title, outcome, self._sum(at)
            at += 1

    def _sum(self, at: int) -> int:
        return sum(self._cells[at + place * _PLACE] for place in range(self._places))


def of_request(
    service: Service, status: int | None, seconds: float, sizes: tuple[int, int]
) -> list[tuple[Series, int]]:
    """What a request adds; `sizes` are the bytes in and out."""
    code = NO_STATUS if status is None else f"{status:04X}"
    kind = KINDS.get(code, "")
    stored = service is Service.STORE and kind in ("Success", "Warning")
    return [
        (("requests", service, code if kind or status is None else OTHER_STATUS), 1),
        (("seconds", service, BOUNDS[bisect_left(BUCKETS, seconds)]), 1),
        (("nanoseconds", service), int(seconds * 1e9)),
        (("instances", "in"), int(stored)),
        (("bytes", "in"), sizes[0]),
        (("bytes", "out"), sizes[1]),
    ]
