"""An HTTP server that shares a bound socket with other processes, whatever its clients do."""

import logging
import queue
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cheroot import wsgi

from scp.runtime import memory
from scp.web.http.clients import ClientQueue, SilentConnections
from scp.web.http.connections import HttpConnection, HttpRequest, wsgi_headers
from scp.web.http.event_streams import EventStreams
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# A WSGI application (PEP 3333).
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
# Of the headers of a request: the address of the client that a trusted proxy speaks for; empty
# where it is none. Without headers: whether it may be one.
SpokenFor = Callable[[Mapping[str, str]], str]

# Where a WSGI application finds `HttpRequest.hand_over`.
HAND_OVER = "scp.hand_over"
_MOST_HEAD_BYTES = 64 * 1024
_LOOK_SECONDS = 0.2
# So long the head of a request may take whatever others want; less, where many of them wait.
_FREE_HEAD_SECONDS = 1.0
_BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n"
         b"Connection: close\r\n\r\n")  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """What clients can take up of a process."""

    threads: int = 24  # requests that are answered at one time
    share: int = 16  # of which one client has no more than so many
    waiting: int = 1024  # connections with a request that wait for their turn, 3/4 of one client
    silent: int = 1024  # connections that are open and say nothing
    silent_seconds: float = 30.0
    events: int = 512  # connections that are told of what happens, 3/4 of one client
    head_seconds: float = 10.0  # for the head of a request, however it is spread


class HeadsAwaited:
    """The connections of which the head of a request is read, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[HttpConnection, float] = {}

    @contextmanager
    def of(self, connection: HttpConnection) -> Iterator[None]:
        """While it is read."""
        with self._lock:
            self._since[connection] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._since.pop(connection, None)

    def cut(self, seconds: float, count: int) -> None:
        """Cut so many of those that have been read for longer, the oldest first."""
        before = time.monotonic() - seconds
        with self._lock:
            late = [one for one, since in self._since.items() if since <= before][:count]
            for one in late:
                one.cut()


class HttpServer(wsgi.Server):
    """Answers requests at a listening socket by a WSGI application, each in a thread.

    `look` is called several times a second, `counted` with bytes in and out of a request, and how
    many connections were refused.
    """

    ConnectionClass = HttpConnection
    max_request_header_size = _MOST_HEAD_BYTES
    nodelay = True

    def __init__(
        self, door: socket.socket, application: Application, bounds: Bounds | None = None,
        tls: ssl.SSLContext | None = None, spoken_for: SpokenFor | None = None,
        look: Callable[[], None] = lambda: None,
        counted: Callable[[int, int, int], None] = lambda *_: None,
    ) -> None:  # fmt: skip
        self._bounds = bounds or Bounds()
        super().__init__(
            door.getsockname()[:2], application, numthreads=self._bounds.threads,
            server_name="minipacs", request_queue_size=self._bounds.waiting,
        )  # fmt: skip
        self.gateway = _Gateway
        self.timeout = self._bounds.silent_seconds
        # Each is a file: those that are answered need some too.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.silent = SilentConnections(min(self._bounds.silent, files // 2))
        self.keep_alive_conn_limit = None  # type: ignore[assignment]  # by `silent`
        self.reading_heads = HeadsAwaited()
        self.events = EventStreams(min(self._bounds.events, files // 8))
        self.counted = counted
        self._has_begun, self._is_stopped = threading.Event(), threading.Event()
        self.ssl_adapter = _Tls(tls) if tls else None
        self._door, self._look, self._spoken_for = door, look, spoken_for
        waiting = min(self._bounds.waiting, files // 4)
        self._turns = ClientQueue(waiting, waiting * 3 // 4, self._bounds.share)
        self.requests._queue, self.requests.get = self._turns, self._turns.get

    def run(self) -> None:
        """Answer, until `stop` is called from another thread."""
        self.prepare()
        # Of several processes one accepts a connection: the others must not wait for the next.
        self._door.setblocking(False)
        self._has_begun.set()
        threading.Thread(target=self._watch, daemon=True, name="watch").start()
        self.serve()
        self._is_stopped.wait()  # until what is under way is done, too

    def stop_within(self, seconds: float) -> None:
        """Take no more requests, and end those under way."""
        self._has_begun.wait()  # what has not begun would not be stopped
        self.events.end()  # they have no end of their own, and are asked for again
        self.shutdown_timeout = seconds
        self.stop()
        self._is_stopped.set()

    @property
    def connections_open(self) -> int:
        """How many there are, whatever they do."""
        return len(self.silent) + self._turns.qsize() + self._turns.served() + len(self.events)

    @property
    def has_idle_threads(self) -> bool:
        """Whether nobody waits, and half of the threads or more have nothing to do."""
        is_idle = self._turns.served() * 2 <= self._bounds.threads
        return bool(self.ready and is_idle and not self._turns.qsize())

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """The socket is bound already."""
        self.socket = self._door
        return self._door

    def process_conn(self, conn: HttpConnection) -> None:
        """Give a connection to a thread, once it says something: many may be open that do not."""
        if not conn.client:
            self._name(conn)
        if not conn.has_input:
            self._await(conn)
            return
        self.silent.discard(conn)
        self._enqueue(conn)

    def put_conn(self, conn: HttpConnection) -> None:
        """Take a connection back from a thread."""
        if conn.stream:
            self.events.add(conn, *conn.stream)
        elif not self.ready:
            conn.close()
        elif conn.held:
            self._enqueue(conn)
        else:
            self._name(conn)
            self._await(conn)

    def admits(self, request: HttpRequest) -> bool:
        """Whether a request is answered now; else it waits for its client's turn."""
        conn = request.conn
        if not conn.is_shared or self._spoken_for is None:
            return True
        client = self._spoken_for(wsgi_headers(request))
        conn.is_shared = False
        return self._turns.admits(conn, client or conn.client)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """What goes wrong with a client is of no interest, but to who looks for it."""
        logger.debug(Event("http", msg), exc_info=traceback)

    def _name(self, conn: HttpConnection) -> None:
        """Have a connection count for who is at its other end."""
        conn.client = conn.remote_addr or "?"
        peer = {"REMOTE_ADDR": conn.client}
        conn.is_shared = conn.is_of_proxy = bool(self._spoken_for and self._spoken_for(peer))

    def _await(self, conn: HttpConnection) -> None:
        """Wait until it says something."""
        if oldest := self.silent.add(conn):
            oldest.cut()
        self._connections.put(conn)  # type: ignore[attr-defined]

    def _enqueue(self, conn: HttpConnection) -> None:
        try:
            self._turns.put(conn)
        except queue.Full:
            self.counted(0, 0, 1)
            conn.refuse(_BUSY)

    def _watch(self) -> None:
        trim = memory.Trimmer()
        while self.ready:
            time.sleep(_LOOK_SECONDS)
            trim()
            self._look()
            self.reading_heads.cut(self._bounds.head_seconds, self._bounds.threads)
            if waiting := self._turns.qsize():
                # Else a hundred that stall, a dozen at a time, would hold up who asks for 9 s.
                share = min(self._bounds.threads / waiting, 1.0)
                self.reading_heads.cut(_FREE_HEAD_SECONDS * share, waiting)


class _Gateway(wsgi.Gateway_10):
    """Asks the application, which finds in what it is asked how an answer goes on for hours."""

    def get_environ(self) -> Any:
        """What it is asked (PEP 3333)."""
        asked = super().get_environ()  # type: ignore[no-untyped-call]
        return {**asked, HAND_OVER: self.req.hand_over}


class _Tls:
    """What cheroot asks for TLS: a connection is encrypted by the thread that serves it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.makefile = None  # the connection makes its own

    def wrap(self, connection: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """The connection with TLS on it, which is still to be begun; and no more for WSGI."""
        made = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return made, {}

    def bind(self, door: socket.socket) -> socket.socket:
        """A listening socket stays as it is."""
        return door
