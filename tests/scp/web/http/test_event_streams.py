"""Streams of events: many stay open, none holds a thread, who does not read is let go."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from scp.web.http import HAND_OVER, Bounds, HttpServer, event_streams

SECONDS = 30


class App:
    """Tells whatever is put into `text` since the stream began, or answers at once."""

    def __init__(self) -> None:
        self.text = b""
        self.fails = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/events":
            start_response("200 OK", [("Content-Length", "4")])
            return [b"done"]
        if not environ[HAND_OVER](self._news()):
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return iter([b"begun\n"])

    def _news(self) -> Callable[[], bytes]:
        known = b""

        def news() -> bytes:
            nonlocal known
            if self.fails:
                raise RuntimeError("nobody is told any more")
            text, known = (b"" if self.text == known else self.text), self.text
            return text

        return news


@contextmanager
def serving(app: App, bounds: Bounds | None = None) -> Iterator[tuple[int, HttpServer]]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = HttpServer(door, app, bounds)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield door.getsockname()[1], server
        finally:
            server.stop_within(5)
            thread.join(SECONDS)
            assert not thread.is_alive()


def connected(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS, source_address=(address, 0))


def listening(port: int, version: str = "1.1", address: str = "127.0.0.1") -> socket.socket:
    """A stream that has begun."""
    one = connected(port, address)
    one.sendall(f"GET /events HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    assert b"begun\n" in read(one, b"begun\n")
    return one


def read(one: socket.socket, until: bytes) -> bytes:
    """What comes up to some bytes, or to the end."""
    found = b""
    with suppress(ConnectionError):
        while until not in found and (part := one.recv(65536)):
            found += part
    return found


def is_answered(port: int) -> bool:
    with connected(port) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return read(one, b"done").endswith(b"done")


def test_many_streams_hold_no_thread_and_all_are_told() -> None:
    app = App()
    with serving(app, Bounds(threads=2, share=1)) as (port, server), ExitStack() as stack:
        streams = [stack.enter_context(listening(port)) for _ in range(100)]
        assert is_answered(port)
        assert len(server.events) == 100
        assert len([one for one in threading.enumerate() if one.name == "events"]) == 1
        app.text = b"news\n"
        assert all(b"5\r\nnews\n" in read(one, b"news\n") for one in streams)


def test_without_a_stream_there_is_no_thread_for_them() -> None:
    before = set(threading.enumerate())
    with serving(App()) as (port, _):
        assert is_answered(port)
        assert not [one for one in set(threading.enumerate()) - before if one.name == "events"]


def test_a_stream_of_http_1_0_has_no_chunks() -> None:
    app = App()
    with serving(app) as (port, _), listening(port, "1.0") as one:
        app.text = b"news\n"
        assert read(one, b"news\n") == b"news\n"  # as it is


def test_the_end_of_the_server_ends_them_at_once_and_whole() -> None:
    with serving(App()) as (port, server), listening(port) as one:
        ended = threading.Thread(target=server.stop_within, args=(SECONDS,))
        ended.start()
        assert read(one, b"never").endswith(b"0\r\n\r\n")
        ended.join(SECONDS)


def test_who_goes_gives_its_place_back() -> None:
    app = App()
    with serving(app, Bounds(events=4)) as (port, server):
        streams = [listening(port) for _ in range(3)]
        with connected(port) as one:  # a quarter is left to others
            one.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read(one, b"\r\n\r\n").startswith(b"HTTP/1.1 503")
        with listening(port, address="127.0.0.2"):
            streams.pop().close()
            until(lambda: len(server.events) == 3)
            streams.append(listening(port))
        for one in streams:
            one.close()
        until(lambda: len(server.events) == 0)


def until(condition: Callable[[], bool]) -> None:
    """Wait for it: the thread of the streams looks several times a second."""
    tick = threading.Event()
    for _ in range(SECONDS * 100):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come about")


def test_another_request_behind_it_ends_it() -> None:
    with serving(App()) as (port, _), listening(port) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"done" not in read(one, b"never")


def test_who_does_not_read_is_let_go_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "_MOST_UNSENT_BYTES", 1 << 20)
    app = App()
    with serving(app) as (port, server), listening(port) as deaf, listening(port) as other:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader = threading.Thread(target=read, args=(other, b"never"))
        reader.start()
        for number in range(64):  # more than systems hold for who does not read
            known = bytes([65 + number]) * (1 << 19)
            app.text = known
            if len(server.events) == 1:
                break
            threading.Event().wait(event_streams._TICK_SECONDS)
        until(lambda: len(server.events) == 1)
        other.shutdown(socket.SHUT_RDWR)
        reader.join(SECONDS)


def test_what_goes_wrong_with_the_news_ends_the_stream() -> None:
    app = App()
    with serving(app) as (port, _), listening(port) as one:
        app.fails = True
        assert read(one, b"never").endswith(b"0\r\n\r\n")
        assert is_answered(port)


def test_it_is_kept_open_by_a_beat_and_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "_BEAT_SECONDS", 0.1)
    with serving(App()) as (port, _), listening(port) as one:
        assert b"3\r\n:\n\n" in read(one, b":\n\n")
        monkeypatch.setattr(event_streams, "_MOST_SECONDS", 0.1)
        assert read(one, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
