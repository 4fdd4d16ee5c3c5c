"""What the process of [orders] counts, in memory that it shares with who tells of it."""

import mmap
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scp.network.orders.answering import ACCEPTED, ERROR, REJECTED

_CODES = (ACCEPTED, ERROR, REJECTED)
_OPEN, _REFUSED = len(_CODES), len(_CODES) + 1


class OrderCounters(Collector):
    """Made before the process is forked; one thread at a time writes."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * (_REFUSED + 1))).cast("q")

    def answered(self, code: str) -> None:
        """Count a message by the code of its answer."""
        self._cells[_CODES.index(code)] += 1

    def refused(self) -> None:
        """Count a connection that was refused, or ended for what came over it."""
        self._cells[_REFUSED] += 1

    def put_open(self, count: int) -> None:
        """Tell how many connections are open."""
        self._cells[_OPEN] = count

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        answered = CounterMetricFamily(
            "minipacs_orders_answered", "HL7 messages, by the code of their answer.",
            labels=("code",),
        )  # fmt: skip
        for number, code in enumerate(_CODES):
            answered.add_metric((code,), self._cells[number])
        yield answered
        refused = "Connections of [orders] refused, or ended for what came over them."
        yield CounterMetricFamily("minipacs_orders_refused", refused, self._cells[_REFUSED])
        words = "Connections of [orders] that are open."
        yield GaugeMetricFamily("minipacs_orders_open", words, self._cells[_OPEN])
