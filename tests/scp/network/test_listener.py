"""Which worker is woken next: the one of short associations stays, one at work goes to the end."""

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from scp.node import listener as module
from scp.node.listener import Listener
from scp.runtime import ListeningSockets

SECONDS = 30.0


class Served:
    """A listener whose associations run until they are told to end."""

    def __init__(self) -> None:
        self.door = socket.create_server(("127.0.0.1", 0))
        self.listener = Listener(cast(Any, None), {}, ListeningSockets(self.door))
        self.is_busy = False
        self.moves = 0
        self.accepted = threading.Semaphore(0)
        self.moved = threading.Semaphore(0)
        self.listener._start = self._start  # type: ignore[method-assign]
        self.listener._threads = cast(Any, self)
        self.listener._go_to_the_end = self._go_to_the_end  # type: ignore[method-assign]
        self._stop, self._wake = socket.socketpair()
        self._life = os.pipe()
        self._thread = threading.Thread(
            target=self.listener.serve, args=(self._stop, self._life[0])
        )
        self._thread.start()

    @property
    def are_busy(self) -> bool:
        return self.is_busy

    def call(self) -> None:
        """Connect, and wait until that is accepted."""
        with socket.create_connection(self.door.getsockname()):
            assert self.accepted.acquire(timeout=SECONDS)

    def end(self) -> None:
        self._wake.send(b"1")
        self._thread.join(SECONDS)
        for one in (self.door, self._stop, self._wake):
            one.close()
        for descriptor in self._life:
            os.close(descriptor)

    def _start(self, connection: socket.socket, *_: Any) -> None:
        self.is_busy = True
        connection.close()
        self.accepted.release()

    def _go_to_the_end(self, _: Any) -> None:
        self.moves += 1
        self.moved.release()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(module, "_SHORT_SECONDS", 1000.0)
    one = Served()
    assert one.moved.acquire(timeout=SECONDS)  # with its first beat
    try:
        yield one
    finally:
        one.end()


def test_one_that_has_nothing_else_to_do_stays_the_first(served: Served) -> None:
    for _ in range(5):
        served.is_busy = False
        served.call()
    assert not served.moved.acquire(timeout=0.1)


def test_one_that_is_at_work_goes_to_the_end(served: Served) -> None:
    served.call()
    served.call()
    assert served.moved.acquire(timeout=SECONDS)


def test_one_whose_association_lasts_goes_to_the_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHORT_SECONDS", 0.001)
    served.call()
    assert served.moved.acquire(timeout=SECONDS)


def test_one_whose_association_was_short_is_not_moved_later(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHORT_SECONDS", 1.0)
    served.call()
    served.is_busy = False
    assert not served.moved.acquire(timeout=1.5)
