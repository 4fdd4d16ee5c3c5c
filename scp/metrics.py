"""[metrics]: what the workers counted, for Prometheus, and whether the node is well.

A process of its own answers, so that nobody who asks, or stalls, holds up the node.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from scp import child
from scp.counters import BUCKETS, Counters
from scp.health import Health
from scp.settings import Service, Settings
from scp.slots import Slots
from scp.watch import Beats
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)

_SECONDS = 10.0  # a client has for its request
_AT_ONCE = 16

# Counter of scp.counters -> what it is, and the names of its labels.
COUNTED = {
    "associations": ("Associations by who called, and how they ended", ("peer", "outcome")),
    "requests": ("Requests by service and kind of status", ("service", "status")),
    "instances": ("Instances received and sent", ("direction",)),
    "bytes": ("Bytes of data sets, identifiers and answers", ("direction",)),
    "restarts": ("Workers that had to be started again", ()),
}


class Exporter:
    """The process, seen from the supervisor."""

    def __init__(
        self,
        settings: Settings,
        door: socket.socket | None,
        counters: Counters,
        slots: Slots,
        beats: Beats,
    ) -> None:
        self._door = door
        self._health = Health(settings, slots, beats)
        self._counters = counters
        self._process = 0

    def begin(self) -> None:
        """Start to answer, where [metrics] says so."""
        if self._door is None:
            return
        host, port = self._door.getsockname()[:2]
        logger.info("metrics at http://%s:%d/metrics, health at /healthz and /readyz", host, port)
        self._process = child.fork("metrics", self._serve)

    def tend(self) -> None:
        """Start again what has ended."""
        if self._process and os.waitpid(self._process, os.WNOHANG)[0]:
            logger.error("metrics ended, starting again")
            self._process = child.fork("metrics", self._serve)

    def end(self) -> None:
        """Answer no more."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        assert self._door is not None
        registry = CollectorRegistry()
        registry.register(_Collected(self._counters, self._health))
        _Server(self._door, registry, self._health).serve_forever()


class _Collected(Collector):
    """The metrics, made when they are asked for."""

    def __init__(self, counters: Counters, health: Health) -> None:
        self._counters = counters
        self._health = health

    def collect(self) -> Iterator[Metric]:
        sums = self._counters.sums()
        for name, (words, labels) in COUNTED.items():
            family = CounterMetricFamily(f"minipacs_{name}", words, labels=labels)
            for (metric, *values), count in sums.items():
                if metric == name:
                    family.add_metric(values, count)
            yield family
        yield self._seconds(sums)
        yield from self._gauges()

    def _seconds(self, sums: dict[tuple[str, ...], float]) -> Metric:
        words = "How long requests took to be served"
        family = HistogramMetricFamily("minipacs_request_seconds", words, labels=("service",))
        for service in Service:
            buckets, count = [], 0.0
            for bound in (*(f"{bound:g}" for bound in BUCKETS), "+Inf"):
                count += sums["seconds", service, bound]
                buckets.append((bound, count))
            family.add_metric([service], buckets, sums["seconds", service, "sum"])
        return family

    def _gauges(self) -> Iterator[Metric]:
        health = self._health
        rows: list[tuple[str, str, float | None]] = [
            ("associations_open", "Associations that are open", health.slots.taken()),
            ("workers", "Workers that serve", health.workers),
            ("disk_free_bytes", "What the disk still takes", health.free_bytes()),
            ("index_bytes", "What the index takes", health.index_bytes()),
            ("commitments_open", "Commitments to be reported on", health.commitments()),
            ("ready", "1 where /readyz says yes", float(not health.why_not_ready())),
            ("certificate_expiry_seconds", "When the certificate expires", health.expiry()),
        ]
        for name, words, value in rows:
            if value is not None:
                yield GaugeMetricFamily(f"minipacs_{name}", words, value=value)


class _Server(ThreadingMixIn, HTTPServer):
    """On a socket that was bound before; a thread for each request, but not without end."""

    daemon_threads = True

    def __init__(self, door: socket.socket, registry: CollectorRegistry, health: Health) -> None:
        super().__init__(door.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = door
        self.registry = registry
        self.health = health
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def service_actions(self) -> None:
        self.health.look()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        health = self.server.health
        path = self.path.split("?")[0]
        try:
            if path == "/metrics":
                self._answer(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
            elif path == "/healthz":
                self._say(health.why_not_alive())
            elif path == "/readyz":
                self._say(health.why_not_ready())
            else:
                self._answer(404, b"takes /metrics, /healthz and /readyz\n")
        except (ArchiveError, OSError) as error:
            self._answer(503, f"{error}\n".encode())

    def _say(self, fault: str) -> None:
        self._answer(503 if fault else 200, f"{fault or 'ok'}\n".encode())

    def _answer(self, code: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing: it is asked every few seconds."""
