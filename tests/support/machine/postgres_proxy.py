"""Between a program and its PostgreSQL: connections are cut where a COMMIT was sent, or slow."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT\0"  # alone, or among others that are sent with it
_RIGHT = b"pg_advisory_xact_lock"
_CHUNK = 1 << 16


@dataclass
class Cut:
    """What happens to so many COMMITs: not passed on, or passed on and the answer is not.

    `cut_connects`: all other connections end then, too, and further ones at once until the cut is
    over. `is_answered`: the server has done all that was passed on, and ended the connection.
    """

    is_passed: bool = True
    times: int = 1
    cut_connects: bool = False
    happened: int = 0
    due: threading.Event = field(default_factory=threading.Event)
    is_answered: threading.Event = field(default_factory=threading.Event)


@dataclass
class Held:
    """Whose answers do not come: of who asks for the right to write, from then on."""

    due: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)


class PostgresProxy:
    """Passes connections on to a server; `url` leads there through it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._target = parts.hostname, parts.port
        self._cut: Cut | None = None
        self._held: Held | None = None
        self._waits: dict[socket.socket, Held] = {}
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        there = f"{parts.username}@127.0.0.1:{self.port}"
        self.url = urlunsplit((parts.scheme, there, parts.path, parts.query, ""))
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cutting(self, **what: object) -> Iterator[Cut]:
        """Cut connections for the time of the block."""
        self._cut = cut = Cut(**what)  # type: ignore[arg-type]
        try:
            yield cut
        finally:
            self._cut = None

    @contextmanager
    def holding_back(self) -> Iterator[Held]:
        """Have answers be on their way for the time of the block, to who asks for that right."""
        self._held = held = Held()
        try:
            yield held
        finally:
            self._held = None
            held.is_over.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if (cut := self._cut) and cut.cut_connects and cut.happened:
                return
            with socket.create_connection(self._target) as server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(client)
                is_over = threading.Event()
                back = threading.Thread(target=self._answers, args=[server, client, is_over])
                back.start()
                cut = self._requests(client, server, is_over)
                back.join()
                if cut:
                    cut.is_answered.set()
                self._open.discard(client)

    def _requests(
        self, client: socket.socket, server: socket.socket, is_over: threading.Event
    ) -> Cut | None:
        """Pass them on until there are no more, or are cut, which is given."""
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                if (held := self._held) and _RIGHT in data:
                    self._waits[client] = held
                    held.due.set()
                cut = self._cut
                if cut and _COMMIT in data and cut.happened < cut.times:
                    cut.happened += 1
                    is_over.set()  # before it is passed: no answer comes through any more
                    if cut.is_passed:
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                    else:
                        server.shutdown(socket.SHUT_RDWR)
                    for one in [*self._open] if cut.cut_connects else [client]:
                        with suppress(OSError):
                            one.shutdown(socket.SHUT_RDWR)
                    cut.due.set()
                    return cut
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
        return None

    def _answers(
        self, server: socket.socket, client: socket.socket, is_over: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                if held := self._waits.get(client):
                    held.is_over.wait()
                if not is_over.is_set():
                    client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
