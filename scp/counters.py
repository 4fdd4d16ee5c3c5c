"""What the workers count, in memory that they share: nothing is lost with a worker.

Each worker writes a place of its own, and the one that is started after it goes on there.
"""

import mmap
import struct
import threading
from collections.abc import Iterable
from itertools import product

from scp.settings import Service, Settings

OTHER = "other"  # who is not under [peers]: titles are the callers' choice, and without end
OUTCOMES = ("release", "abort", "rejected", "refused")
KINDS = ("Success", "Warning", "Failure", "Cancel", "none")
DIRECTIONS = ("in", "out")
# Upper bounds of the histogram of seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# A counter: its metric and labels.
Series = tuple[str, ...]
_CELL = struct.Struct("=d")


def series(settings: Settings) -> list[Series]:
    """Every counter of a node with these settings: there are no others while it runs."""
    peers, services = (*settings.peers, OTHER), tuple(Service)
    bounds = (*(f"{bound:g}" for bound in BUCKETS), "+Inf", "sum")
    return [
        *product(("associations",), peers, OUTCOMES),
        *product(("requests",), services, KINDS),
        *product(("instances",), DIRECTIONS),
        *product(("bytes",), DIRECTIONS),
        *product(("seconds",), services, bounds),
        ("restarts",),
    ]


class Counters:
    """Made before the workers are forked. Safe to use from many threads."""

    def __init__(self, every: Iterable[Series], workers: int) -> None:
        self._places = {one: number for number, one in enumerate(every)}
        # One more, for the supervisor's own.
        self._memory = mmap.mmap(-1, _CELL.size * len(self._places) * (workers + 1))
        self._workers = workers
        self._lock = threading.Lock()
        self.adopt(workers)

    def adopt(self, worker: int) -> None:
        """Count in the place of a worker from now on."""
        self._start = worker * len(self._places) * _CELL.size

    def add(self, counts: Iterable[tuple[Series, float]]) -> None:
        """Add to counters."""
        with self._lock:
            for one, count in counts:
                at = self._start + self._places[one] * _CELL.size
                _CELL.pack_into(self._memory, at, _CELL.unpack_from(self._memory, at)[0] + count)

    def sums(self) -> dict[Series, float]:
        """Each counter, over all workers."""
        size = len(self._places)
        cells = struct.unpack(f"={size * (self._workers + 1)}d", self._memory[:])
        return {one: sum(cells[at::size]) for one, at in self._places.items()}


def of_request(
    service: Service, kind: str, seconds: float, sizes: tuple[int, int], sent: int
) -> list[tuple[Series, float]]:
    """What a request adds; `sizes` are the bytes in and out, `sent` the instances out."""
    bound = next((f"{bound:g}" for bound in BUCKETS if seconds <= bound), "+Inf")
    stored = service is Service.STORE and kind in ("Success", "Warning")
    return [
        (("requests", service, kind), 1),
        (("seconds", service, bound), 1),
        (("seconds", service, "sum"), seconds),
        (("instances", "in"), int(stored)),
        (("instances", "out"), sent),
        (("bytes", "in"), sizes[0]),
        (("bytes", "out"), sizes[1]),
    ]
