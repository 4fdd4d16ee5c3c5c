"""The process of [orders], seen from the supervisor, and what it does: a thread a client.

It is none of the workers: who sends no end of a message holds up no store.
"""

import ipaddress
import logging
import select
import signal
import socket
import threading
import time

from scp.config import Orders, Settings
from scp.network.orders.answering import Answerer
from scp.network.orders.counters import OrderCounters
from scp.network.orders.done_messages import DoneMessages
from scp.network.orders.framing import FrameError, framed, frames
from scp.network.services.worklist import rules_of
from scp.runtime import AuditTrail, child, memory, trail
from storage.diagnostics import Event
from storage.journal import journal_of
from storage.worklist import Worklist

logger = logging.getLogger(__name__)

NAME = "orders"  # what `ps` shows
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 1.0, 30.0
_GRACE_SECONDS = 5.0
# Of a client: what it may send at once, how long that may take, and how long it may say nothing.
MOST_BYTES = 1 << 20
FRAME_SECONDS, IDLE_SECONDS = 30.0, 3600.0
MOST_CLIENTS = 32
# How often it is looked whether all is to stop; and for an answer to be taken.
_LOOK_SECONDS, _SEND_SECONDS = 0.25, 10.0


class OrderProcess:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(
        self, settings: Settings, door: socket.socket | None, counters: OrderCounters
    ) -> None:
        self._settings, self._door, self._counters = settings, door, counters
        # One at a time: what a client repeats meanwhile is answered by who has answered it.
        self._processes = child.KeptProcesses(
            NAME, lambda _: self._run(), child.tell_end(NAME, logger),
            retry_seconds=(_RETRY_SECONDS, _MOST_RETRY_SECONDS),
            grace_seconds=_GRACE_SECONDS + 1, takes_turns=True,
        )  # fmt: skip

    def begin(self) -> None:
        """Start to take messages, where [orders] says so."""
        if self._door:
            host, port = self._door.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            logger.info("orders at %s:%d", shown, port)
            self.tend()

    def tend(self) -> None:
        """Start it where it does not run, and see to its end where it should."""
        is_wanted = self._door and self._settings.orders and self._settings.worklist
        self._processes.tend(1 if is_wanted else 0)

    def renew(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings
        self._processes.restart()

    def stop(self) -> None:
        """Have it end, and not start again."""
        self._processes.stop()

    def end(self) -> None:
        """Wait for its end."""
        self._processes.end()

    def _run(self) -> None:
        memory.bound()
        assert self._door
        assert self._settings.orders
        listener = _Listener(self._settings, self._settings.orders, self._door, self._counters)
        logger.info(Event("orders taken", stations=len(self._settings.orders.station)))
        threading.Thread(target=listener.stop_when_told, daemon=True, name="end").start()
        listener.run()


class _Listener:
    def __init__(
        self, settings: Settings, orders: Orders, door: socket.socket, counters: OrderCounters
    ) -> None:
        storage, wanted = settings.storage, settings.worklist
        journal = journal_of(storage.path, storage.sync)
        worklist = Worklist(storage.path, journal, settings.worklist_folder, storage.charset)
        self._answerer = Answerer(
            worklist, rules_of(wanted), orders, AuditTrail(*trail(settings)), DoneMessages(journal)
        )
        self._orders, self._door, self._counters = orders, door, counters
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._clients: set[threading.Thread] = set()

    def stop_when_told(self) -> None:
        """Blocked since the supervisor's start: it is waited for, and interrupts nothing."""
        child.awaited({signal.SIGTERM})
        self._stopped.set()

    def run(self) -> None:
        """Take clients until all is to stop; what is under way is then answered first."""
        self._counters.put_open(0)
        self._door.setblocking(False)
        while not self._stopped.is_set():
            if not select.select([self._door], (), (), _LOOK_SECONDS)[0]:
                continue
            try:
                connection, address = self._door.accept()
            except OSError:  # it is gone already, or there is no descriptor left
                continue
            self._begin(connection, str(address[0]))
        deadline = time.monotonic() + _GRACE_SECONDS
        for client in [*self._clients]:
            client.join(max(deadline - time.monotonic(), 0.0))

    def _begin(self, connection: socket.socket, address: str) -> None:
        if fault := self._why_not(address):
            self._counters.refused()
            logger.warning(Event("orders refused", fault, address=address))
            connection.close()
            return
        client = threading.Thread(target=self._serve, args=(connection, address), daemon=True)
        with self._lock:
            self._clients.add(client)
            self._counters.put_open(len(self._clients))
        client.start()

    def _why_not(self, address: str) -> str:
        found = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        if self._orders.sources and not any(found in one for one in self._orders.sources):
            return "its address is not among [orders] from"
        is_full = len(self._clients) >= MOST_CLIENTS
        return f"{MOST_CLIENTS} connections are open" if is_full else ""

    def _serve(self, connection: socket.socket, address: str) -> None:
        try:
            with connection:
                self._answer(connection, address)
        except (FrameError, OSError) as error:
            self._counters.refused()
            logger.warning(Event("orders ended", error, address=address))
        finally:
            with self._lock:
                self._clients.discard(threading.current_thread())
                self._counters.put_open(len(self._clients))

    def _answer(self, connection: socket.socket, address: str) -> None:
        connection.settimeout(_LOOK_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bounds = MOST_BYTES, FRAME_SECONDS, IDLE_SECONDS
        for message in frames(connection, *bounds, self._stopped.is_set):
            answered = self._answerer.answer(message, address)
            with self._lock:
                self._counters.answered(answered.code)
            connection.settimeout(_SEND_SECONDS)
            connection.sendall(framed(answered.data))
            connection.settimeout(_LOOK_SECONDS)
