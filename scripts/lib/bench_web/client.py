"""An HTTP client that costs next to nothing (RFC 9112): connections stay, bodies go to one buffer.

Its failures are those of `bench_clients`.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from lib.bench_clients import ClientError
from lib.bench_servers import Server
from lib.bench_web.peers import PATH

_LIMIT_SECONDS = 120
_ATTEMPTS, _PAUSE_SECONDS = 100, 0.1
_FIRST_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    """An answer; its body is good until the next one over the same connection."""

    status: int
    media_type: str
    body: memoryview


class Connection:
    """A connection to a server; a server may close it behind an answer, and another is made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._socket: socket.socket | None = None
        self._answers: BinaryIO
        self._buffer = bytearray(_FIRST_BYTES)

    def get(self, path: str, accept: str) -> Answer:
        """Ask for what lies below the service. Raises ClientError unless it is 200."""
        return self._ask("GET", path, f"Accept: {accept}\r\n", b"")

    def post(self, path: str, media_type: str, body: bytes) -> Answer:
        """Send something to the service. Raises ClientError unless it is 200."""
        headers = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        return self._ask("POST", path, f"{headers}Accept: application/dicom+json\r\n", body)

    def close(self) -> None:
        """End it."""
        if self._socket:
            self._answers.close()
            self._socket.close()
            self._socket = None

    def _ask(self, method: str, path: str, headers: str, body: bytes) -> Answer:
        head = f"{method} {PATH}{path} HTTP/1.1\r\nHost: 127.0.0.1:{self._server.http}\r\n"
        try:
            if not self._socket:
                self._connect()
            assert self._socket
            self._socket.sendall(f"{head}{headers}\r\n".encode())
            self._socket.sendall(body)
            answer = self._answer()
        except (OSError, ValueError) as error:
            self.close()
            raise ClientError(f"{method} {path} of {self._server.name}: {error!r}") from error
        if answer.status != 200:
            said = bytes(answer.body[:200])
            raise ClientError(f"{method} {path} of {self._server.name}: {answer.status} {said!r}")
        return answer

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._server.http), _LIMIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb", buffering=1 << 16)

    def _answer(self) -> Answer:
        status = int(self._answers.readline().split()[1])
        headers: dict[bytes, bytes] = {}
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        length = headers.get(b"content-length")
        is_chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        is_closed = headers.get(b"connection", b"").lower() == b"close"
        if is_chunked:
            size = self._chunks()
        elif length is not None:
            size = self._read(0, int(length))
        else:
            size, is_closed = self._rest(), True
        if is_closed:
            self.close()
        kind = headers.get(b"content-type", b"").decode()
        return Answer(status, kind, memoryview(self._buffer)[:size])

    def _read(self, at: int, count: int) -> int:
        """Where it ends what was read."""
        end = at + count
        while end > len(self._buffer):
            self._buffer = self._buffer + bytearray(len(self._buffer))
        with memoryview(self._buffer)[at:end] as place:
            if self._answers.readinto(place) != count:  # type: ignore[attr-defined]
                raise EOFError("the answer ends early")
        return end

    def _chunks(self) -> int:
        at = 0
        while count := int(self._answers.readline().split(b";")[0], 16):
            at = self._read(at, count)
            self._answers.readline()
        self._answers.readline()
        return at

    def _rest(self) -> int:
        rest = self._answers.read()
        self._buffer = bytearray(rest)
        return len(rest)


@contextmanager
def connected(server: Server) -> Iterator[Connection]:
    """A connection that is closed behind the block."""
    connection = Connection(server)
    try:
        yield connection
    finally:
        connection.close()


def wait(server: Server) -> None:
    """Until a server answers. Raises ClientError."""
    for attempt in range(_ATTEMPTS):
        try:
            with connected(server) as connection:
                connection.get("/studies?limit=1", "application/dicom+json")
        except ClientError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
