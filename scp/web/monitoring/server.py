"""HTTP for who watches the node: on a socket that was bound before, whatever its clients do."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from scp.runtime import one_line
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
# A client has so long for its request, and to take the answer, however it spreads them.
_SECONDS = 10.0
# Clients at one time: the next makes the oldest go. Threads: some may hang with a disk.
_AT_ONCE, _THREADS = 16, 64
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class HttpAnswer:
    """What a request is answered with."""

    code: int
    body: bytes
    kind: str = TEXT


# From the path and the Accept header of a GET.
Respond = Callable[[str, str], HttpAnswer]


class Server(ThreadingMixIn, HTTPServer):
    """A thread for each request, but not without end."""

    daemon_threads = True

    def __init__(self, door: socket.socket, respond: Respond, look: Callable[[], None]) -> None:
        """`look` is called several times a second."""
        super().__init__(door.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        door.setblocking(False)  # else a client that is gone again holds up the next
        self.socket = door
        self.respond = respond
        self._look = look
        self._lock = threading.Lock()
        self._open: dict[Any, float] = {}  # oldest first: connection -> when it is cut

    def run(self) -> None:
        """Answer, for ever."""
        self.serve_forever(_LOOK_SECONDS)

    def service_actions(self) -> None:
        """Cut who takes too long."""
        self._look()
        now = time.monotonic()
        with self._lock:
            for connection in [one for one, end in self._open.items() if end <= now]:
                self._cut(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; of too many clients the oldest stalls, or would be done."""
        with self._lock:
            waiting = [one for one, end in self._open.items() if end < float("inf")]
            has_room = len(self._open) < _THREADS
            if has_room:
                self._open[request] = time.monotonic() + _SECONDS
                if len(waiting) >= _AT_ONCE:
                    self._cut(waiting[0])
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked went away, or was cut."""
        logger.debug(Event("http", address=client_address[0]), exc_info=True)

    def _cut(self, connection: Any) -> None:
        self._open[connection] = float("inf")
        with suppress(OSError):  # it is gone
            connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        try:
            path = self.path.partition("?")[0]
            answer = self.server.respond(path, self.headers.get("Accept", ""))
        except Exception as error:
            logger.error(Event("http", one_line(error), path=self.path))
            logger.debug("details", exc_info=True)
            answer = HttpAnswer(500, b"internal error, see the node's log\n")
        self.send_response(answer.code)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of a request: one comes every few seconds."""
        logger.debug("http %s", format % arguments)
