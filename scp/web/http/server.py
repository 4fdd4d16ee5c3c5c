"""An HTTP server that shares a bound socket with other processes, whatever its clients do."""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from cheroot import server as cheroot
from cheroot import wsgi

from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# A WSGI application (PEP 3333).
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

# A client may be silent so long, and has so long for the head of a request, however it spreads it.
_SILENT_SECONDS, _HEAD_SECONDS = 30.0, 10.0
_MOST_HEAD_BYTES = 64 * 1024
# Requests answered at one time by a process, those that wait for their turn, and for how long.
_THREADS, _WAITING, _WAIT_SECONDS = 24, 512, 10
_LOOK_SECONDS = 1.0


class _Request(cheroot.HTTPRequest):
    """A request whose head is waited for with a bound."""

    def parse_request(self) -> None:
        """Read the head."""
        heads = self.server.reading_heads
        heads[self.conn] = time.monotonic() + _HEAD_SECONDS
        try:
            super().parse_request()
        finally:
            heads.pop(self.conn, None)


class _Connection(cheroot.HTTPConnection):
    RequestHandlerClass = _Request


class HttpServer(wsgi.Server):
    """Answers requests at a listening socket by a WSGI application, each in a thread."""

    ConnectionClass = _Connection
    max_request_header_size = _MOST_HEAD_BYTES
    timeout = _SILENT_SECONDS
    keep_alive_conn_limit = 1024
    nodelay = True

    def __init__(self, door: socket.socket, application: Application) -> None:
        super().__init__(
            door.getsockname()[:2], application, numthreads=_THREADS, server_name="minipacs",
            request_queue_size=_WAITING, accepted_queue_size=_WAITING,
            accepted_queue_timeout=_WAIT_SECONDS,
        )  # fmt: skip
        self._door = door
        self.reading_heads: dict[Any, float] = {}  # connection -> when it is cut

    def run(self) -> None:
        """Answer, until `stop` is called from another thread."""
        self.prepare()
        # Of several processes one accepts a connection: the others must not wait for the next.
        self._door.setblocking(False)
        threading.Thread(target=self._cut_slow_heads, daemon=True, name="heads").start()
        self.serve()

    def stop_within(self, seconds: float) -> None:
        """Take no more requests, and end those under way."""
        self.shutdown_timeout = seconds
        self.stop()

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """The socket is bound already."""
        self.socket = self._door
        return self._door

    def process_conn(self, conn: Any) -> None:
        """Give a connection to a thread, once it says something: many may be open that do not."""
        # Its head and its body are written apart.
        conn.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if conn.rfile.has_data() or _has_input(conn.socket):
            super().process_conn(conn)
        else:
            self._connections.put(conn)  # type: ignore[attr-defined]

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """What goes wrong with a client is of no interest, but to who looks for it."""
        logger.debug(Event("http", msg), exc_info=traceback)

    def _cut_slow_heads(self) -> None:
        while self.ready:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for connection, end in list(self.reading_heads.items()):
                if end <= now:
                    with suppress(OSError):  # it is gone
                        connection.socket.shutdown(socket.SHUT_RDWR)


def _has_input(of: socket.socket) -> bool:
    poller = select.poll()
    poller.register(of, select.POLLIN)
    return bool(poller.poll(0))
