"""[metrics]: what the workers counted, for Prometheus, and whether the node is well.

A process of its own answers, so that nobody who asks, or stalls, holds up the node.
"""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from scp.config import Service, Settings
from scp.network.association import BOUNDS, COMMITMENTS, KINDS, Counters, Series
from scp.network.orders import OrderCounters
from scp.runtime import AssociationSlots, Heartbeats, child, memory, one_line
from scp.web.monitoring.health import Health
from scp.web.monitoring.web_counters import WebCounters
from storage.diagnostics import ArchiveError, Event, escaped
from storage.outbox import Standing

logger = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
# Status, body and media type.
_Answer = tuple[int, bytes, str]
# A client has so long for its request, however it spreads it, and to say anything at all.
_SECONDS = 10.0
# Clients that say nothing: the next makes the oldest go. Threads: some may hang with a disk.
_SILENT, _THREADS = 16, 12
# Requests that need the disk, at one time: with a disk that hangs so do they, and no others.
_OF_DISK = 4
_DISK_SECONDS = 2.0
# How long the forwarding queue may take to be read; a million that wait take 0.12 s.
_QUEUE_SECONDS = 2.0
# How soon the process is started again.
_RETRY_SECONDS = 1.0

# Counter of scp.network.association.counters -> what it is, and the names of its labels.
COUNTED = {
    "requests": ("Requests by service and status", ("service", "status", "kind")),
    "instances": ("Instances received and sent", ("direction",)),
    "bytes": ("Bytes of data sets, identifiers and answers", ("direction",)),
    "restarts": ("Workers that had to be started again", ()),
}


# Of each destination of the forwarding queue.
FORWARDED: dict[str, tuple[str, type[Any], Callable[[Standing], float]]] = {
    "waiting": ("Instances that wait to be sent on", GaugeMetricFamily, lambda s: s.waiting),
    "oldest_seconds": ("How long the oldest has waited", GaugeMetricFamily,
                       lambda s: s.oldest_waiting_seconds),
    "failed": ("Instances that are sent no more by themselves", GaugeMetricFamily,
               lambda s: s.failed),
    "sent": ("Instances that a destination took", CounterMetricFamily, lambda s: s.sent),
    "committed": ("Instances that a destination committed to", CounterMetricFamily,
                  lambda s: s.committed),
}  # fmt: skip


class Exporter:
    """The process, seen from the supervisor."""

    def __init__(
        self,
        settings: Settings,
        door: socket.socket | None,
        counters: Counters,
        web: WebCounters,
        orders: OrderCounters,
        slots: AssociationSlots,
        beats: Heartbeats,
    ) -> None:
        self._door = door
        self._health = Health(settings, slots, beats)
        self._counters, self._web, self._orders = counters, web, orders
        self._processes = child.KeptProcesses(
            "metrics", lambda _: self._serve(), _tell_end,
            retry_seconds=(_RETRY_SECONDS, _RETRY_SECONDS), grace_seconds=0.0,
            to_end=signal.SIGKILL,
        )  # fmt: skip

    def begin(self) -> None:
        """Start to answer, where [metrics] says so."""
        if self._door is None:
            return
        host, port = self._door.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        logger.info("metrics at http://%s:%d/metrics, health at /healthz and /readyz", shown, port)
        self.tend()

    def tend(self) -> None:
        """Start it where it does not run."""
        self._processes.tend(0 if self._door is None else 1)

    def renew(self, settings: Settings) -> None:
        """Answer by these settings; who asks meanwhile waits at the door."""
        self._health.settings = settings
        self._processes.restart()
        self.tend()

    def stop(self) -> None:
        """Say from now on that the node is about to end."""
        self._health.stop()

    def end(self) -> None:
        """Answer no more."""
        self._processes.end()

    def _serve(self) -> None:
        # Signals stay blocked: those that end a node are for its supervisor, which ends this too.
        # Here: a node without [metrics] needs none of it.
        from scp.web.http import Bounds, HttpServer

        assert self._door is not None
        memory.bound()
        bounds = Bounds(
            threads=_THREADS, share=_THREADS, silent=_SILENT, silent_seconds=_SECONDS,
            head_seconds=_SECONDS,
        )  # fmt: skip
        self._health.watch_engines()
        pages = Pages(self._counters, self._web, self._orders, self._health)
        HttpServer(self._door, pages, bounds, look=self._health.look).run()


def _tell_end(process: int, place: int, status: int, seconds: float | None) -> None:
    if seconds is not None:
        logger.error("metrics ended, starting again")


class Pages:
    """What there is to be asked for: a WSGI application."""

    def __init__(
        self, counters: Counters, web: WebCounters, orders: OrderCounters, health: Health
    ) -> None:
        self._health = health
        self._registry = CollectorRegistry()
        self._registry.register(_Collected(counters, health))
        if health.settings.web:
            self._registry.register(web)
        if health.settings.orders:
            self._registry.register(orders)
        self._of_disk = threading.BoundedSemaphore(_OF_DISK)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if environ["REQUEST_METHOD"] == "GET":
            code, body, kind = self._answered(
                environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", "")
            )
        else:
            code, body, kind = 501, b"takes GET\n", TEXT
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{code} {HTTPStatus(code).phrase}", headers)
        return [body]

    def _answered(self, path: str, accept: str) -> _Answer:
        try:
            return self._answer(path, accept)
        except Exception as error:
            logger.error(Event("http", one_line(error), path=path))
            logger.debug("details", exc_info=True)
            return 500, b"internal error, see the node's log\n", TEXT

    def _answer(self, path: str, accept: str) -> _Answer:
        if path == "/healthz":
            return _said(self._health.why_not_alive())
        if path not in ("/metrics", "/readyz"):
            return 404, b"takes /metrics, /healthz and /readyz\n", TEXT
        if not self._of_disk.acquire(timeout=_DISK_SECONDS):
            return _said("others wait for the disk")
        try:
            if path == "/readyz":
                return _said(self._health.why_not_ready())
            encode, kind = choose_encoder(accept)
            return 200, encode(self._registry), kind
        finally:
            self._of_disk.release()


def _said(fault: str) -> _Answer:
    return 503 if fault else 200, f"{escaped(fault or 'ok')}\n".encode(), TEXT


class _Collected(Collector):
    """The metrics, made when they are asked for."""

    def __init__(self, counters: Counters, health: Health) -> None:
        self._counters = counters
        self._health = health

    def collect(self) -> Iterator[Metric]:
        sums = self._counters.sums()
        words = "Associations by who called, and how they began and ended"
        family = CounterMetricFamily("minipacs_associations", words, labels=("peer", "outcome"))
        for title, outcome, count in self._counters.associations():
            family.add_metric((title, outcome), count)
        yield family
        for name, (words, labels) in COUNTED.items():
            family = CounterMetricFamily(f"minipacs_{name}", words, labels=labels)
            for (metric, *values), count in sums.items():
                if metric == name:
                    kind = [KINDS.get(values[1], values[1])] if name == "requests" else []
                    family.add_metric([*values, *kind], count)
            yield family
        yield self._seconds(sums)
        yield from self._gauges(sums)
        yield from self._engines()
        yield from self._forwarding()
        yield from self._worklist()

    def _engines(self) -> Iterator[Metric]:
        """Of an archive that several nodes share; nothing of others."""
        words = "1 where what the archive lies in answers"
        family = GaugeMetricFamily("minipacs_engine_up", words, labels=("engine",))
        for engine, fault in self._health.engines.items():
            family.add_metric((engine,), float(not fault))
        if family.samples:
            yield family

    def _worklist(self) -> Iterator[Metric]:
        """Today's entries; nothing where there is no worklist."""
        try:
            found = self._health.worklist()
        except ArchiveError as error:  # the other figures are as good as ever
            logger.warning(Event("metrics without worklist", error))
            return
        if found is None:
            return
        states, faults = found
        words = "Entries of the worklist of today, by what became of them"
        family = GaugeMetricFamily("minipacs_worklist_entries", words, labels=("state",))
        for state, count in states.items():
            family.add_metric((state,), count)
        yield family
        words = "Files and entries of the worklist that are not taken"
        yield GaugeMetricFamily("minipacs_worklist_faults", words, value=faults)

    def _forwarding(self) -> Iterator[Metric]:
        """How far each destination of [[forward]] is; nothing where there is no queue."""
        try:
            standings = self._health.forwarding(_QUEUE_SECONDS)
        except ArchiveError as error:  # the other figures are as good as ever
            logger.warning(Event("metrics without forwarding", error))
            return
        for name, (words, family_of, ask) in FORWARDED.items():
            family = family_of(f"minipacs_forward_{name}", words, labels=("destination",))
            for title, standing in standings.items():
                family.add_metric((title,), ask(standing))
            if standings:
                yield family

    def _seconds(self, sums: dict[Series, int]) -> Metric:
        words = "How long requests took to be served"
        family = HistogramMetricFamily("minipacs_request_seconds", words, labels=("service",))
        for service in Service:
            buckets, count = [], 0
            for bound in BOUNDS:
                count += sums["seconds", service, bound]
                buckets.append((bound, count))
            family.add_metric([service], buckets, sums["nanoseconds", service] / 1e9)
        return family

    def _gauges(self, sums: dict[Series, int]) -> Iterator[Metric]:
        health = self._health
        rows: list[tuple[str, str, Callable[[], float | None]]] = [
            ("associations_open", "Associations that are open", health.slots.taken),
            ("workers", "Workers that serve", lambda: health.workers),
            ("disk_free_bytes", "What the disk still takes", health.free_bytes),
            ("index_bytes", "What the index takes", health.index_bytes),
            ("commitments_open", "Commitments to be reported on", lambda: sums[COMMITMENTS]),
            ("ready", "1 where /readyz says yes", lambda: float(not health.why_not_ready())),
            ("certificate_expiry_seconds", "When the certificate expires", health.expiry),
            ("crl_expiry_seconds", "When the first revocation list expires", health.lists_expiry),
        ]
        for name, words, ask in rows:
            try:
                value = ask()
            except OSError as error:  # the other figures are as good as ever
                logger.warning(Event(f"metrics without {name}", error))
                continue
            if value is not None:
                yield GaugeMetricFamily(f"minipacs_{name}", words, value=value)
