"""Between a program and its object store: what goes wrong on the way, or with the answers."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import urlsplit

from storage.diagnostics import ResourceError

_Made = TypeVar("_Made")
# For how long a store that is back may still be taken for away.
_BACK_SECONDS = 60


def once_back(ask: Callable[[], _Made]) -> _Made:
    """What is answered once a store that was away is looked at again."""
    deadline = time.monotonic() + _BACK_SECONDS
    while True:
        try:
            return ask()
        except ResourceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@dataclass
class Fault:
    """What happens to requests of a method, so often.

    `cut_answer`: it is done, and the answer never comes. `cut_request`: the connection ends before
    it is done. `stall`: no answer, until the fault is over. `status`, with a `code` of S3's: an
    answer that says so. `left_bytes`: the connection ends behind so many of the answer's body;
    `short_bytes`: it claims to be no more than these.
    """

    method: str = ""
    times: int = 1_000_000
    after: int = 0  # as many of them pass before
    range_: str = ""  # what their range begins with
    cut_answer: bool = False
    cut_request: bool = False
    stall: bool = False
    status: int = 0
    code: str = ""
    left_bytes: int = -1
    short_bytes: int = -1
    happened: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class StoreProxy:
    """Passes requests on to an endpoint, but for what is to happen to them."""

    def __init__(self, endpoint: str) -> None:
        self.target = urlsplit(endpoint).netloc
        self.seen: list[tuple[str, str, str]] = []  # method, path and range
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def happening(self, **what: object) -> Iterator[Fault]:
        """Have something happen, for the time of the block."""
        fault = Fault(**what)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            fault.over.set()
            with self._lock:
                self._faults.remove(fault)

    def due(self, method: str, range_: str) -> Fault | None:
        with self._lock:
            for one in self._faults:
                is_of_it = one.method in ("", method) and range_.startswith(one.range_)
                if not is_of_it or one.happened >= one.times:
                    continue
                if one.after:
                    one.after -= 1
                    continue
                one.happened += 1
                return one
        return None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """The other end went: that is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: StoreProxy
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self) -> None:
        owner = self.owner
        owner.seen.append((self.command, self.path, self.headers.get("Range", "")))
        fault = owner.due(self.command, self.headers.get("Range", ""))
        if fault and fault.cut_request:
            self._end()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault and fault.stall:
            fault.over.wait()
            self._end()
        elif fault and fault.status:
            words = f"<Error><Code>{fault.code}</Code></Error>".encode() if fault.code else b""
            self._answer(fault.status, [("Content-Type", "application/xml")], words)
        else:
            self._ask(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

    def _ask(self, body: bytes, fault: Fault | None) -> None:
        asked = http.client.HTTPConnection(self.owner.target)
        try:
            asked.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                asked.putheader(name, value)
            asked.endheaders(body)
            answer = asked.getresponse()
            data = answer.read()
        except OSError:
            self._end()
            return
        finally:
            asked.close()
        if fault and fault.cut_answer:
            self._end()
            return
        own = ("content-length", "transfer-encoding", "connection")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in own]
        if fault and fault.short_bytes >= 0:
            data = data[: fault.short_bytes]
        size = len(data) if self.command != "HEAD" else int(answer.getheader("Content-Length", 0))
        cut = fault is not None and fault.left_bytes >= 0
        self._answer(answer.status, headers, data[: fault.left_bytes] if cut else data, size)
        if cut:
            self._end()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, size: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if size is None else size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()
