"""The HTTP server: no client takes all threads, holds one for ever, or has it read without end."""

import io
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.exceptions import BadRequest

from scp.web.http import Bounds, HttpServer, streams
from scp.web.http.bodies import ChunkedBody
from scp.web.http.clients import ClientQueue, SilentConnections
from scp.web.http.streams import Meter

SECONDS = 30
BIG = b"x" * (1 << 22)


class App:
    """A WSGI application whose answers wait, or are large, as the path says."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.read: list[int] = []
        self.broken = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/wait":
            self.waiting.release()
            assert self.gate.wait(SECONDS)
        if path == "/read":
            try:
                while block := environ["wsgi.input"].read(1 << 16):
                    self.read.append(len(block))
            except (OSError, BadRequest):
                self.broken.set()
                raise
        user = ("X-User", environ.get("HTTP_X_FORWARDED_USER", ""))
        length = [] if path == "/large" else [("Content-Length", "4")]
        start_response("200 OK", [user, *length])
        return self.large() if path == "/large" else [b"done"]

    def large(self) -> Iterator[bytes]:
        try:
            for _ in range(1 << 10):
                yield BIG
        finally:
            self.broken.set()


@contextmanager
def serving(app: App, bounds: Bounds | None = None, **options: Any) -> Iterator[int]:
    """A server of that application; its port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = HttpServer(door, app, bounds, **options)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            app.gate.set()
            server.stop_within(5)
            thread.join(SECONDS)
            assert not thread.is_alive()


def request(path: str = "/", method: str = "GET", head: str = "", body: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body


def connected(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS, source_address=(address, 0))


def answered(one: socket.socket) -> bytes:
    """The head of an answer, and what came with it; nothing where the connection was cut."""
    found = b""
    with suppress(ConnectionError):
        while b"\r\n\r\n" not in found and (part := one.recv(65536)):
            found += part
    return found


def asked(port: int, sent: bytes, address: str = "127.0.0.1") -> bytes:
    """All that is answered, until the connection ends."""
    with connected(port, address) as one:
        one.sendall(sent)
        found = b""
        with suppress(ConnectionError):
            while part := one.recv(65536):
                found += part
        return found


CLOSE = "Connection: close\r\n"


def test_one_client_does_not_take_all_threads() -> None:
    app = App()
    with serving(app, Bounds(threads=6, share=4)) as port, ExitStack() as stack:
        many = [stack.enter_context(connected(port)) for _ in range(20)]
        for one in many:
            one.sendall(request("/wait"))
        for _ in range(4):
            assert app.waiting.acquire(timeout=SECONDS)
        # From another address of this machine's: there are two threads that the first has not.
        assert asked(port, request("/", head=CLOSE), "127.0.0.2").endswith(b"done")
        assert not app.waiting.acquire(blocking=False)
        app.gate.set()  # and those that had to wait are all answered
        assert all(answered(one).startswith(b"HTTP/1.1 200") for one in many)


def spoken_for(headers: Mapping[str, str]) -> str:
    return headers.get("HTTP_X_FORWARDED_FOR", headers["REMOTE_ADDR"])


def test_behind_a_proxy_it_is_who_is_spoken_for_that_has_a_share() -> None:
    app = App()
    with (
        serving(app, Bounds(threads=6, share=4), spoken_for=spoken_for) as port,
        ExitStack() as stack,
    ):
        many = [stack.enter_context(connected(port)) for _ in range(20)]
        for one in many:
            one.sendall(request("/wait", head="X-Forwarded-For: 192.0.2.1\r\n"))
        for _ in range(4):
            assert app.waiting.acquire(timeout=SECONDS)
        other = "X-Forwarded-For: 192.0.2.2\r\n"
        assert asked(port, request("/", head=CLOSE + other)).endswith(b"done")
        assert not app.waiting.acquire(blocking=False)
        app.gate.set()
        assert all(answered(one).startswith(b"HTTP/1.1 200") for one in many)
        # The same connection may be somebody else's with the next request.
        many[0].sendall(request("/", head=other + CLOSE))
        assert b"200 OK" in answered(many[0])


def test_beyond_what_may_wait_it_is_said_when_to_come_again() -> None:
    app, counts = App(), list[tuple[int, int, int]]()
    bounds = Bounds(threads=1, share=1, waiting=4)
    with (
        serving(app, bounds, counted=lambda *one: counts.append(one)) as port,
        ExitStack() as stack,
    ):
        first = stack.enter_context(connected(port))
        first.sendall(request("/wait"))
        assert app.waiting.acquire(timeout=SECONDS)
        waiting = [stack.enter_context(connected(port)) for _ in range(3)]
        for one in waiting:
            one.sendall(request("/"))
        refused = asked(port, request("/"))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 2\r\n" in refused
        # Another client has its place.
        other = stack.enter_context(connected(port, "127.0.0.2"))
        other.sendall(request("/"))
        app.gate.set()
        assert all(b"200 OK" in answered(one) for one in (first, *waiting, other))
        assert [rejected for _, _, rejected in counts].count(1) == 1


def test_clients_take_turns() -> None:
    turns = ClientQueue(100, 50, 1)
    for client in "aaab":
        turns.put(SimpleNamespace(client=client, is_shared=False))
    assert [turns.get().client for _ in range(4)] == ["a", "b", "a", "a"]
    turns.put(None)  # ends a thread
    assert turns.get() is None
    assert (turns.qsize(), turns.served()) == (0, 0)


def test_of_many_silent_connections_those_of_who_has_most_go() -> None:
    silent = SilentConnections(4)
    held = [_Hashable(client) for client in "abbb"]
    assert [silent.add(one) for one in held] == [None] * 4
    assert silent.add(_Hashable("c")) is held[1]
    assert len(silent) == 4
    silent.discard(held[0])
    silent.discard(held[0])
    assert len(silent) == 3


class _Hashable:
    def __init__(self, client: str) -> None:
        self.client = client


def test_the_oldest_that_says_nothing_is_cut() -> None:
    with serving(App(), Bounds(silent=8)) as port, ExitStack() as stack:
        many = [stack.enter_context(connected(port)) for _ in range(40)]
        assert many[0].recv(1) == b""
        assert asked(port, request("/", head=CLOSE), "127.0.0.2").endswith(b"done")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST_OWED_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
def test_who_takes_little_of_an_answer_is_cut() -> None:
    app = App()
    with serving(app, Bounds(silent_seconds=0.5)) as port, connected(port) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(request("/large"))
        while not app.broken.wait(0.1):  # a byte now and then
            one.recv(1)


@pytest.mark.usefixtures("impatient")
def test_who_sends_little_of_a_body_is_cut() -> None:
    app = App()
    with serving(app) as port, connected(port) as one:
        one.sendall(request("/read", "POST", "Content-Length: 100000\r\n"))
        with suppress(ConnectionError):
            while not app.broken.wait(0.1):
                one.sendall(b"x")
    assert app.broken.is_set()


def test_what_is_owed_is_paid_by_bytes() -> None:
    meter = Meter()
    for _ in range(1000):  # 8 KiB in each second is enough, for ever
        meter.add(1.0, 8192)
    for _ in range(29):
        meter.add(1.0, 1)
    with pytest.raises(TimeoutError):
        meter.add(2.0, 1)
    meter = Meter()
    meter.add(0.0, 1 << 40)  # what was quick is no credit
    with pytest.raises(TimeoutError):
        meter.add(31.0, 1)


def test_a_head_that_does_not_end_is_cut() -> None:
    with (
        serving(App(), Bounds(threads=2, share=2, head_seconds=0.3)) as port,
        connected(port) as one,
    ):
        one.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        with suppress(ConnectionError):
            while True:
                one.sendall(b"b")
                one.settimeout(0.05)
                with suppress(TimeoutError):
                    assert one.recv(4096)[9:12] in (b"", b"400", b"408")
                    break


def test_heads_that_do_not_end_give_way_to_who_waits() -> None:
    bounds = Bounds(threads=4, share=4, head_seconds=600.0, silent_seconds=600.0)
    with serving(App(), bounds) as port, ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(connected(port)).sendall(b"GET / HTTP/1.1\r\nX-A: b")
        assert asked(port, request("/", head=CLOSE)).endswith(b"done")


@pytest.mark.parametrize("head", ["Content-Length: 300000\r\n", "Transfer-Encoding: chunked\r\n"])
def test_behind_a_body_that_nobody_read_comes_the_next_request(head: str) -> None:
    chunks = b"".join(b"7530\r\n" + b"x" * 30000 + b"\r\n" for _ in range(10)) + b"0\r\n\r\n"
    body = chunks if "chunked" in head else b"x" * 300_000
    with serving(App()) as port:
        found = asked(port, request("/", "POST", head, body) + request("/", head=CLOSE))
    assert found.count(b"HTTP/1.1 200 OK") == 2


def test_of_a_body_without_end_no_more_is_read_than_so_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scp.web.http.connections._MOST_UNREAD_BYTES", 1 << 20)
    head = "Content-Length: 100000000000\r\n"
    with serving(App()) as port, connected(port) as one:
        one.sendall(request("/", "POST", head))
        with suppress(ConnectionError):
            for _ in range(64):
                one.sendall(b"x" * 65536)
        assert b"Connection: close" in answered(one)


@pytest.mark.parametrize(
    "head",
    ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
     "Content-Length: 0x5\r\n", "Content-Length\r\n"],
)  # fmt: skip
def test_a_body_of_two_minds_is_refused(head: str) -> None:
    with serving(App()) as port:
        found = asked(port, request("/", "POST", head + CLOSE, b"0\r\n\r\n"))
    assert found.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert found.count(b"HTTP/1.1") == 1


def test_a_header_that_wsgi_would_take_for_another_is_none() -> None:
    with serving(App()) as port:
        found = asked(port, request("/", head=CLOSE + "X_Forwarded_User: anna\r\n"))
        assert b"X-User: \r\n" in found or b"X-User:\r\n" in found
        assert b"anna" in asked(port, request("/", head=CLOSE + "X-Forwarded-User: anna\r\n"))


@pytest.mark.parametrize(
    "head",
    ["Host: y\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n",
     "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"],
)  # fmt: skip
def test_what_there_is_one_of_is_not_taken_twice(head: str) -> None:
    with serving(App()) as port:
        assert asked(port, request("/", head=head + CLOSE)).startswith(b"HTTP/1.1 400")


def test_what_several_proxies_add_is_one_list() -> None:
    seen = list[str]()

    def client(headers: Mapping[str, str]) -> str:
        seen.append(headers.get("HTTP_X_FORWARDED_FOR", ""))
        return "192.0.2.1"

    with serving(App(), spoken_for=client) as port:
        head = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.1\r\n"
        assert asked(port, request("/", head=head + CLOSE)).endswith(b"done")
    assert "192.0.2.1, 10.0.0.1" in seen


def test_who_is_told_to_end_before_it_began_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = HttpServer(door, App())
        ending = threading.Thread(target=server.stop_within, args=(SECONDS,))
        ending.start()
        server.run()
        ending.join(SECONDS)
        assert not ending.is_alive()


def test_what_is_under_way_is_done_before_the_end() -> None:
    app = App()
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = HttpServer(door, app)
        thread = threading.Thread(target=server.run)
        thread.start()
        with connected(door.getsockname()[1]) as one, connected(door.getsockname()[1]) as idle:
            one.sendall(request("/wait"))
            assert app.waiting.acquire(timeout=SECONDS)
            ending = threading.Thread(target=server.stop_within, args=(SECONDS,))
            ending.start()
            assert idle.recv(1) == b""  # who says nothing is not waited for
            assert thread.is_alive()
            app.gate.set()
            assert one.makefile("rb").read().endswith(b"done")
        ending.join(SECONDS)
        thread.join(SECONDS)
        assert not thread.is_alive()


def chunked(content: bytes) -> Callable[[], bytes]:
    body = ChunkedBody(io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]
    return lambda: b"".join(iter(lambda: body.read(7) or b"", b""))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"0\r\n\r\n", b""), (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"A;x=y\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n", b"0123456789"),
        (b"2\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    ],
)  # fmt: skip
def test_chunks_are_put_together(content: bytes, found: bytes) -> None:
    assert chunked(content)() == found


@pytest.mark.parametrize(
    "content",
    [
        b"", b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\nabc\r\n",
        b"0x3\r\nabc\r\n", b"zz\r\n", b"\r\n", b"3\nabc\n", b"FFFFFFFFFFFFFFFFF\r\nx",
        b"FFFFFFFFFFFFFFFF\r\nabc", b"3" + b" " * 5000 + b"\r\nabc\r\n",
        b"0\r\n" + b"A: b\r\n" * 100 + b"\r\n", b"0\r\nA: b",
    ],
)  # fmt: skip
def test_chunks_that_are_none_are_refused_and_cost_no_memory(content: bytes) -> None:
    with pytest.raises(BadRequest):
        chunked(content)()


def test_a_queue_that_is_full_says_so() -> None:
    turns = ClientQueue(2, 1, 1)
    turns.put(SimpleNamespace(client="a", is_shared=False))
    with pytest.raises(queue.Full):
        turns.put(SimpleNamespace(client="a", is_shared=False))
    turns.put(SimpleNamespace(client="b", is_shared=False))
    with pytest.raises(queue.Full):
        turns.put(SimpleNamespace(client="c", is_shared=False))
