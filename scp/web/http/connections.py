"""A connection and its requests, as cheroot has them, bounded in what a client can do with them."""

import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cheroot import server as cheroot

from scp.web.http.bodies import ChunkedBody
from scp.web.http.event_streams import News
from scp.web.http.streams import Meter, Reader, Writer

# Of a body that nobody wants so much is read before it is said so: else the client, which sends
# all of it first, would never read the answer.
_MOST_UNREAD_BYTES, _UNREAD_SECONDS = 1 << 28, 10.0
_BLOCK_BYTES = 1 << 16
# Whoever was answered often asks for more at once, and the thread waits so long for it: to give
# the connection to another one takes as long as a small answer.
_NEXT_MILLISECONDS = 10
_TCP_NOTSENT_LOWAT, _MOST_UNSENT_BYTES = 25, 1 << 17  # <linux/tcp.h>
_NO_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nthis port takes HTTPS alone\n"


# What there is one of: who is in front may have gone by another than we do (RFC 9112 11.2).
_ONCE = (b"Host", b"Content-Length", b"Transfer-Encoding", b"Authorization")
# What each proxy adds to: a list, though it stands in several lines.
_LISTS = (b"X-Forwarded-For", b"Forwarded")


class _Given(dict[bytes, bytes]):
    """Headers as they come."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name in self and name in _ONCE:
            raise ValueError(f"It has several headers {name.decode('latin-1')}.")
        before = self.get(name)
        super().__setitem__(
            name, b", ".join((before, value)) if before and name in _LISTS else value
        )


class _Headers(cheroot.HeaderReader):
    """Reads headers, but for those that WSGI would take for another: X_Forwarded_User."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Read them into a dictionary. Raises ValueError."""
        given = _Given()
        super().__call__(rfile, given)
        if hdict is None:
            return given
        hdict.update(given)
        return hdict

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name


class HttpRequest(cheroot.HTTPRequest):
    """A request: its head is waited for with a bound, its body read no further than is needed."""

    header_reader = _Headers()
    server: Any  # that of `server`
    conn: "HttpConnection"
    news: News | None = None  # to be told once the answer has begun

    def parse_request(self) -> None:
        """Read the head, unless that was done before it had to wait."""
        if not self.ready:
            with self.conn.head_awaited():
                super().parse_request()

    def read_request_headers(self) -> bool:
        """Read the headers; whether it goes on."""
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        if self.chunked_read and b"Content-Length" in self.inheaders:
            # Whoever is in front may have taken the other one for its end (RFC 9112 6.1).
            self.simple_response("400 Bad Request", "it has two lengths")
            return False
        return True

    def respond(self) -> None:
        """Answer, unless the client has its share of threads and has to wait."""
        if not self.server.admits(self):
            self.conn.held = self
            return
        if self.chunked_read:
            self.rfile = ChunkedBody(self.conn.rfile)
        else:
            length = int(self.inheaders.get(b"Content-Length", 0))
            self.rfile = cheroot.KnownLengthRFile(self.conn.rfile, length)
        try:
            self.server.gateway(self).respond()
            self.ensure_headers_sent()
        finally:
            self.conn.wfile.write()  # the head, where there was no body
        if self.news:
            self.conn.stream = self.news, self.chunked_write
        elif self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")

    def hand_over(self, news: News) -> bool:
        """Have the answer go on with news behind what it begins with, and no thread wait for them.

        False where so many are told already that it has to end.
        """
        if self.server.events.reserve(self.conn, self.conn.client):
            self.news = news
        return bool(self.news)

    def send_headers(self) -> None:
        """Have the head of the answer go with the first of its body.

        What follows a body that is not read is no request.
        """
        if not self._is_read():
            self.close_connection = True
        self.conn.wfile.holds = True
        try:
            super().send_headers()
        finally:
            self.conn.wfile.holds = False

    def write(self, chunk: bytes) -> None:
        """Send some of the body; as a chunk where its length was not told (RFC 9112 7.1)."""
        if self.chunked_write and chunk:
            self.conn.wfile.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")
        else:
            self.conn.wfile.write(chunk)

    def _is_read(self) -> bool:
        """Read what is left of the body, where it is not too much; whether that was all."""
        left, until = _MOST_UNREAD_BYTES, time.monotonic() + _UNREAD_SECONDS
        try:
            while not self._is_at_end():
                block = self.rfile.read(_BLOCK_BYTES)
                left -= len(block)
                if (not block and not self._is_at_end()) or left < 0 or time.monotonic() > until:
                    return False
        except Exception:  # it is cut short, or not as it should be
            return False
        return True

    def _is_at_end(self) -> bool:
        if isinstance(self.rfile, ChunkedBody):
            return self.rfile.is_over
        return not getattr(self.rfile, "remaining", 0)


class HttpConnection(cheroot.HTTPConnection):
    """A connection, which may have to wait for its turn with a request in hand."""

    RequestHandlerClass: Any = HttpRequest
    server: Any
    # Whom it counts for; and whether others are behind it as well.
    client = ""
    is_shared = is_of_proxy = False

    def __init__(self, server: Any, connection: socket.socket, makefile: Any) -> None:
        self.meter = Meter()
        super().__init__(server, connection, self._stream)
        # Its head and its body are written apart.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Else the kernel takes megabytes, and who reads them slowly seems to read nothing.
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _MOST_UNSENT_BYTES)
        self.held: HttpRequest | None = None
        self.stream: tuple[News, bool] | None = None  # as `EventStreams.add` takes it
        self.is_encrypted = not isinstance(connection, ssl.SSLSocket)

    def _stream(self, connection: socket.socket, mode: str, buffer_bytes: int) -> Reader | Writer:
        if "r" in mode:
            return Reader(connection, self.meter, buffer_bytes)
        return Writer(connection, self.meter)

    def communicate(self) -> bool:
        """Read a request and answer it, and others that come at once; whether it is to be kept."""
        while self._has_answered():
            if self.held or self.stream or not self._asks_at_once():
                return True
        return False

    def _asks_at_once(self) -> bool:
        """Whether another request comes before the thread is given back, where nobody needs it."""
        if self.is_of_proxy or not self.server.has_idle_threads or self.rfile.has_data():
            return False
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(poller.poll(_NEXT_MILLISECONDS))

    def _has_answered(self) -> bool:
        if not self.is_encrypted:
            if not self._shake_hands():
                return False
            if not self.has_input:  # as a browser that opens one to have it
                return True
        held, self.held = self.held, None
        if held:
            self.RequestHandlerClass = lambda *_: held
        before = self.meter.read_bytes, self.meter.written_bytes
        try:
            kept = super().communicate()  # type: ignore[no-untyped-call]
        finally:
            self.__dict__.pop("RequestHandlerClass", None)
            read, written = self.meter.read_bytes - before[0], self.meter.written_bytes - before[1]
            self.server.counted(read, written, 0)
        return bool(kept or self.held or self.stream)

    def head_awaited(self) -> Any:
        """A context in which the head of a request is waited for, with a bound."""
        return self.server.reading_heads.of(self)

    @property
    def has_input(self) -> bool:
        """Whether there is something to be read, or the end."""
        if self.rfile.has_data():
            return True
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(poller.poll(0))

    def cut(self) -> None:
        """End it from another thread: who waits for it is told."""
        with suppress(OSError):  # it is gone
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def refuse(self, answer: bytes) -> None:
        """Say so without waiting, and close."""
        with suppress(OSError):
            self.socket.setblocking(False)
            with suppress(OSError):  # what is read of it cannot reset the connection
                self.socket.recv(_BLOCK_BYTES)
            if self.is_encrypted:
                self.socket.send(answer)
        self.close()

    def close(self) -> None:
        """Close it."""
        self.server.silent.discard(self)
        self.server.events.discard(self)
        super().close()

    def _shake_hands(self) -> bool:
        """Begin TLS, in the thread that serves it: who stalls holds up nobody else."""
        try:
            with self.head_awaited():
                self.socket.do_handshake()
        except OSError as error:
            if getattr(error, "reason", "") == "HTTP_REQUEST":
                with suppress(OSError):
                    socket.socket.send(self.socket, _NO_TLS)
            return False
        self.is_encrypted = True
        return True


def wsgi_headers(request: HttpRequest) -> Mapping[str, str]:
    """The headers of a request, and the address that it comes from, as WSGI has them."""
    named = {
        f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in request.inheaders.items()
    }
    return {"REMOTE_ADDR": request.conn.remote_addr or "", **named}
