"""A peer that is nothing but a connection: it sends what it is told, and takes whole PDUs."""

import select
import socket
import struct
import time
from contextlib import suppress
from types import TracebackType

from support.network.wire import ASSOCIATE_AC, split


class Wire:
    """A connection to a node, and whole PDUs as they come from there."""

    def __init__(self, port: int, seconds: float = 30.0, receive_buffer: int = 0) -> None:
        self.connection = socket.socket()
        if receive_buffer:  # before it is connected: the window is agreed on then
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.connection.settimeout(seconds)
        self.connection.connect(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = bytearray()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def send(self, data: bytes) -> bool:
        """Send it; False where the node has closed the connection."""
        try:
            self.connection.sendall(data)
        except OSError:
            return False
        return True

    def receive(self) -> bytes:
        """The next PDU; empty where the connection has ended. Raises TimeoutError."""
        while True:
            if len(self._held) >= 6:
                end = 6 + struct.unpack_from(">I", self._held, 2)[0]
                if len(self._held) >= end:
                    found = bytes(self._held[:end])
                    del self._held[:end]
                    return found
            try:
                block = self.connection.recv(1 << 16)
            except ConnectionError:
                return b""
            if not block:
                return b""
            self._held += block

    def take(self) -> list[bytes]:
        """The PDUs that have come, without waiting; an empty one is the end of the connection."""
        try:
            block = self.connection.recv(1 << 18)
        except BlockingIOError:
            return []
        except ConnectionError:
            block = b""
        self._held += block
        whole = split(bytes(self._held))
        part = whole.pop() if whole and _is_part(whole[-1]) else b""
        self._held[:] = part
        return whole if block else [*whole, b""]

    def hears(self, seconds: float) -> bool:
        """Whether something comes within so many seconds, if only the end of the connection."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether the node ends the connection within so many seconds; what it says is dropped."""
        deadline = time.monotonic() + seconds
        while self.hears(max(deadline - time.monotonic(), 0.0)):
            try:
                if not self.connection.recv(1 << 16):
                    return True
            except ConnectionError:
                return True
        return False

    def associate(self, data: bytes) -> "Wire":
        """Send an A-ASSOCIATE-RQ that is to be accepted."""
        assert self.send(data)
        found = self.receive()
        assert found[:1] == bytes([ASSOCIATE_AC]), found[:10]
        return self

    def end_writing(self) -> None:
        """Send no more, and still receive."""
        with suppress(OSError):  # the node was first
            self.connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close it by a TCP RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _is_part(pdu: bytes) -> bool:
    return len(pdu) < 6 or len(pdu) < 6 + int(struct.unpack_from(">I", pdu, 2)[0])
