"""Streams of events (text/event-stream) that stay open for hours, all written by one thread.

A request that asks for one is answered by a thread as any other, which then hands its connection
over. So who only waits takes a socket and a few hundred bytes, and none of the threads.
"""

import logging
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

logger = logging.getLogger(__name__)

# What a stream is asked once a tick: what is to be sent now, if anything. Whatever it raises ends
# the stream.
News = Callable[[], bytes]

# The type of the answer; and what is sent where there was nothing else for so long: it keeps open
# what is between, and finds out who is gone.
EVENT_STREAM, _BEAT, _BEAT_SECONDS = "text/event-stream", b":\n\n", 20.0
_TICK_SECONDS = 0.5
# Who reads nothing for so long, or owes so much, is gone.
_MOST_UNSENT_SECONDS, _MOST_UNSENT_BYTES = 60.0, 16384
# Then it is asked for anew, and looked at who asks.
_MOST_SECONDS = 600.0
_WAITS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Stream:
    """A connection that is told news; `is_chunked`: by chunks (RFC 9112 7.1)."""

    def __init__(self, connection: Any, news: News, is_chunked: bool) -> None:
        self.connection, self.news, self._is_chunked = connection, news, is_chunked
        self.socket: socket.socket = connection.socket
        self._unsent = b""
        self.began = self._wrote = self._told = time.monotonic()
        self.socket.setblocking(False)
        milliseconds = int(_MOST_UNSENT_SECONDS * 1000)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the client to read."""
        return bool(self._unsent)

    def tick(self, now: float) -> None:
        """Tell what is new. Raises where it is to end."""
        if now - self.began > _MOST_SECONDS:
            raise TimeoutError("asked for long enough")
        if self._unsent and now - self._wrote > _MOST_UNSENT_SECONDS:
            raise TimeoutError("the client does not read")
        told = self.news()
        if not told and now - self._told >= _BEAT_SECONDS:
            told = _BEAT
        if told:
            self._told = now
            self.send(self._framed(told))

    def send(self, data: bytes = b"") -> None:
        """Send that, and what was not sent before, as far as the client takes it."""
        if not self._unsent:
            self._wrote = time.monotonic()
        self._unsent += data
        if len(self._unsent) > _MOST_UNSENT_BYTES:
            raise TimeoutError("the client does not read")
        with suppress(*_WAITS):
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
                self._wrote = time.monotonic()

    def require_silence(self) -> None:
        """Raise where the client ends it, or says something."""
        with suppress(*_WAITS):
            data = self.socket.recv(1)
            raise ConnectionError("another request" if data else "the client has gone")

    def end(self) -> None:
        """Close it, with an end of the answer: it is to be asked for again."""
        if not self._unsent and self._is_chunked:
            with suppress(OSError):
                self.socket.send(b"0\r\n\r\n")
        with suppress(OSError):
            self.connection.close()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data


class EventStreams:
    """Those of a process: no more than `most`, and three quarters of them of one client."""

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one = most, max(most * 3 // 4, 1)
        self._lock = threading.Lock()
        self._places: dict[Any, str] = {}  # connection: its client
        self._of_client: Counter[str] = Counter()
        self._coming: deque[_Stream] = deque()
        self._thread: threading.Thread | None = None
        self._is_ended = False
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def __len__(self) -> int:
        return len(self._places)

    def reserve(self, connection: Any, client: str) -> bool:
        """Keep a place for a connection that is still answered; False where there is none."""
        with self._lock:
            if self._is_ended:  # as it begins: so it is asked for again, of who comes in its place
                return True
            if len(self._places) >= self._most or self._of_client[client] >= self._most_of_one:
                return False
            self._places[connection] = client
            self._of_client[client] += 1
            return True

    def discard(self, connection: Any) -> None:
        """Give the place of a connection back, where it has one."""
        with self._lock:
            client = self._places.pop(connection, None)
            if client is not None:
                self._of_client[client] -= 1
                if not self._of_client[client]:
                    del self._of_client[client]

    def add(self, connection: Any, news: News, is_chunked: bool) -> None:
        """Take over a connection for which there is a place."""
        try:
            stream = _Stream(connection, news, is_chunked)
        except OSError:  # it is gone
            connection.close()
            return
        with self._lock:
            is_ended = self._is_ended
            if not is_ended:
                self._coming.append(stream)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, daemon=True, name="events")
                    self._thread.start()
        if is_ended:
            stream.end()
        else:
            self._wake()

    def end(self) -> None:
        """End all of them, and take no more."""
        with self._lock:
            self._is_ended, thread = True, self._thread
        self._wake()
        if thread:
            thread.join()

    def _wake(self) -> None:
        with suppress(OSError):  # it is woken already
            self._waker.send(b"!")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            open_ones = _Open(selector)
            ticked = 0.0
            while not self._is_ended:
                left = max(ticked + _TICK_SECONDS - time.monotonic(), 0.0)
                for key, events in selector.select(left if open_ones.streams else None):
                    if key.fileobj is self._woken:
                        self._take(open_ones)
                    else:
                        open_ones.look(key.data, events)
                if (now := time.monotonic()) - ticked >= _TICK_SECONDS:
                    ticked = now
                    open_ones.tell(now)
            self._take(open_ones)
            for one in open_ones.streams:
                one.end()

    def _take(self, open_ones: "_Open") -> None:
        with suppress(OSError):
            self._woken.recv(4096)
        while self._coming:
            open_ones.add(self._coming.popleft())


class _Open:
    """The streams that the thread writes; what goes wrong with one ends that alone."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self.streams: set[_Stream] = set()

    def add(self, one: _Stream) -> None:
        """Write one more."""
        self.streams.add(one)
        self._selector.register(one.socket, selectors.EVENT_READ, one)

    def look(self, one: _Stream, events: int) -> None:
        """See to what the client does."""
        with self._dropped(one):
            if events & selectors.EVENT_READ:
                one.require_silence()
            if events & selectors.EVENT_WRITE:
                one.send()
            self._await(one)

    def tell(self, now: float) -> None:
        """Tell each what is new for it."""
        for one in list(self.streams):
            with self._dropped(one):
                one.tick(now)
                self._await(one)

    def _await(self, one: _Stream) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if one.is_behind else 0)
        if self._selector.get_key(one.socket).events != wanted:
            self._selector.modify(one.socket, wanted, one)

    @contextmanager
    def _dropped(self, one: _Stream) -> Iterator[None]:
        """Where something is raised, it ends."""
        try:
            yield
        except Exception as error:
            logger.debug("a stream of events ends: %s", error)
            self._selector.unregister(one.socket)
            self.streams.discard(one)
            one.end()
