"""Waiting for a connection, in such a way that another thread can end the wait."""

import os
import select
import socket
import threading

# More does not fit into what `poll` takes; who waits for longer waits again.
_LONGEST_SECONDS = 3600.0


class Waiter:
    """Waits until a connection has something to read, or until `wake` is called."""

    def __init__(self) -> None:
        self._watched = self._wake = -1
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # there may be none left
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)

    def wake(self) -> None:
        """End the wait, or the next one; from any thread."""
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def wait(self, connection: socket.socket | None, seconds: float) -> bool:
        """Wait for `seconds` at most; whether `connection` has something to read, or has ended."""
        self._watch(connection.fileno() if connection else -1)
        readable = False
        for descriptor, _ in self._poll.poll(min(seconds, _LONGEST_SECONDS) * 1000):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
            else:
                readable = True
        return readable

    def forget(self) -> None:
        """Wait for no connection any more."""
        self._watch(-1)

    def close(self) -> None:
        """Give back the descriptor."""
        with self._lock:
            if self._wake >= 0:
                os.close(self._wake)
            self._wake = -1

    def __del__(self) -> None:
        """Of an association that was never begun."""
        self.close()

    def _watch(self, descriptor: int) -> None:
        if descriptor == self._watched:
            return
        if self._watched >= 0:
            self._poll.unregister(self._watched)
        if descriptor >= 0:
            self._poll.register(descriptor, select.POLLIN)
        self._watched = descriptor
