"""What is read from a client and written to it, and how long it is waited for."""

import socket
import ssl
import time
from typing import Any

from cheroot import makefile

# What a client may owe: of each second in which it is waited for it owes one, and with so many
# bytes it has paid that. So nobody holds a thread by a byte now and then, nor by taking long.
_MOST_OWED_SECONDS, _LEAST_BYTES_A_SECOND = 30.0, 8192


class Meter:
    """How much a client has moved, either way, and how long it was waited for beyond that."""

    def __init__(self) -> None:
        self.read_bytes, self.written_bytes = 0, 0
        self.owed_seconds = 0.0

    def add(self, seconds: float, count: int) -> None:
        """Note a wait, and what came of it. Raises TimeoutError where it owes too much."""
        self.owed_seconds = max(self.owed_seconds + seconds - count / _LEAST_BYTES_A_SECOND, 0.0)
        if self.owed_seconds > _MOST_OWED_SECONDS:
            raise TimeoutError("timed out")  # words by which cheroot knows it


class Reader(makefile.StreamReader):
    """Reads a connection by a buffer."""

    def __init__(self, connection: socket.socket, meter: Meter, buffer_bytes: int) -> None:
        # Not by its own, which would read the connection itself.
        super(makefile.StreamReader, self).__init__(_Metered(connection, meter), buffer_bytes)
        self.bytes_read = 0
        self._connection = connection

    def has_data(self) -> bool:
        """Whether there is something to be read that the kernel does not tell of."""
        pending = getattr(self._connection, "pending", None)  # of TLS
        return bool(super().has_data() or (pending and pending()))  # type: ignore[no-untyped-call]


class _Metered(socket.SocketIO):
    def __init__(self, connection: socket.socket, meter: Meter) -> None:
        super().__init__(connection, "rb")
        self._meter = meter

    def readinto(self, buffer: Any) -> int | None:
        started = time.monotonic()
        count = super().readinto(buffer)
        self._meter.read_bytes += count or 0
        self._meter.add(time.monotonic() - started, count or 0)
        return count


class Writer:
    """Writes a connection, all of what it is given, in few calls and uncopied."""

    def __init__(self, connection: socket.socket, meter: Meter) -> None:
        self._connection = connection
        self._takes_several = not isinstance(connection, ssl.SSLSocket)
        self._meter = meter
        self._held: list[bytes] = []
        self.holds = False  # whether what is written waits for what comes behind it
        self.bytes_written = 0

    def write(self, *pieces: bytes) -> None:
        """Send what is held, and these. Raises TimeoutError where the client is too slow."""
        self._held += pieces
        if self.holds:
            return
        left: list[bytes | memoryview] = [one for one in self._held if one]
        self._held = []
        while left:
            started = time.monotonic()
            send = self._connection.sendmsg if self._takes_several else self._send_first
            count = send(left)
            self._meter.written_bytes += count
            self._meter.add(time.monotonic() - started, count)
            self.bytes_written += count
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = memoryview(left[0])[count:]

    def _send_first(self, pieces: list[bytes | memoryview]) -> int:
        return self._connection.send(pieces[0])
