"""What the processes of [web] count, in memory that they share: nothing is lost with one of them.

Each writes at a place of its own, and the one that comes there after it goes on. Which routes there
are, only these processes know: the first to count one gives it a number.
"""

import mmap
import threading
from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from scp.runtime import SharedLock

# More than there are: names of routes, which are ours, each with a few methods and statuses.
_SERIES, _NAME_BYTES = 1024, 64
# Of a series: how many, and nanoseconds.
_CELLS = 2
# Of a place: bytes in and out, rejected, open.
_IN, _OUT, _REJECTED, _OPEN = range(4)
_OWN = 4
_PLACE = _SERIES * _CELLS + _OWN
# Twice the processes that there can be: some may still end in the place of whom others came.
_PLACES = 32
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_OTHER = "other"
_LOCK_SECONDS = 2.0


class WebCounters(Collector):
    """Made before the processes are forked. Safe to use from many threads."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * _PLACE * _PLACES)).cast("q")
        self._names = mmap.mmap(-1, 8 + _SERIES * _NAME_BYTES)
        self._named = memoryview(self._names)[:8].cast("q")
        self._naming = SharedLock("web-counters", _LOCK_SECONDS)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._start = 0

    def adopt(self, place: int) -> None:
        """Count at a place from now on."""
        self._start = place % _PLACES * _PLACE
        self.put_open(0)

    def leave(self, place: int) -> None:
        """Note that nobody is at a place any more: for the supervisor."""
        self._cells[place % _PLACES * _PLACE + _SERIES * _CELLS + _OPEN] = 0

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is empty where there was none for it."""
        method = method if method in _METHODS else _OTHER
        number = self._number(f"{route or _OTHER} {method} {status // 100}xx")
        at = self._start + number * _CELLS
        with self._lock:
            self._cells[at] += 1
            self._cells[at + 1] += int(seconds * 1e9)

    def add_connections(self, read: int, written: int, rejected: int) -> None:
        """Count bytes, and connections that were refused."""
        at = self._start + _SERIES * _CELLS
        with self._lock:
            for cell, count in ((_IN, read), (_OUT, written), (_REJECTED, rejected)):
                self._cells[at + cell] += count

    def put_open(self, count: int) -> None:
        """Have so many connections be open at this place."""
        self._cells[self._start + _SERIES * _CELLS + _OPEN] = count

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        words = "How long requests over HTTP took to be answered, to the last byte"
        labels = ("route", "method", "status")
        family = SummaryMetricFamily("minipacs_web_request_seconds", words, labels=labels)
        for number, name in enumerate(self._known()):
            at = number * _CELLS
            family.add_metric(name.split(" "), self._sum(at), self._sum(at + 1) / 1e9)
        yield family
        at = _SERIES * _CELLS
        words = "Bytes of requests and answers over HTTP"
        sent = CounterMetricFamily("minipacs_web_bytes", words, labels=("direction",))
        sent.add_metric(("in",), self._sum(at + _IN))
        sent.add_metric(("out",), self._sum(at + _OUT))
        yield sent
        words = "Connections that were refused, for there were too many"
        yield CounterMetricFamily("minipacs_web_rejected", words, value=self._sum(at + _REJECTED))
        words = "Connections over HTTP that are open"
        yield GaugeMetricFamily("minipacs_web_connections_open", words, value=self._sum(at + _OPEN))

    def _number(self, name: str) -> int:
        """The number of a series; that of the last one where there is no room for another."""
        found = self._numbers.get(name)
        if found is not None:
            return found
        with self._naming.held():
            known = list(self._known())
            if name not in known and len(known) < _SERIES:
                at = 8 + len(known) * _NAME_BYTES
                self._names[at : at + _NAME_BYTES] = name.encode()[:_NAME_BYTES].ljust(
                    _NAME_BYTES, b"\0"
                )
                known.append(name)
                self._named[0] = len(known)
        self._numbers = {known_name: number for number, known_name in enumerate(known)}
        return self._numbers.get(name, _SERIES - 1)

    def _known(self) -> Iterator[str]:
        for number in range(self._named[0]):
            at = 8 + number * _NAME_BYTES
            yield self._names[at : at + _NAME_BYTES].rstrip(b"\0").decode()

    def _sum(self, at: int) -> int:
        return sum(self._cells[at + place * _PLACE] for place in range(_PLACES))
