"""Who is told of studies: a peer that takes IAN (PS3.4 R), and a FHIR server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from support import CLIENT_SECONDS

NOTIFICATION = "1.2.840.10008.5.1.4.33"


@dataclass
class _Told:
    """What came, and who waits for more of it."""

    came: list[Any] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, one: Any) -> None:
        with self.changed:
            self.came.append(one)
            self.changed.notify_all()

    def wait_for(self, count: int) -> list[Any]:
        """What came, once it is so much."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.came) >= count, CLIENT_SECONDS), self.came
            return list(self.came)


class Ward(_Told):
    """Takes notifications, between `start` and `stop` on the same port; `status` is its answer."""

    def __init__(self, title: str = "WARD") -> None:
        super().__init__()
        self.title, self.port, self.status = title, 0, 0x0000

    @property
    def peer(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "notify": ["ian"], "notify_quiet": 0.3}

    def start(self) -> "Ward":
        entity = AE(self.title)
        entity.add_supported_context(NOTIFICATION)
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_N_CREATE, self._take)]
        )
        self.port = self._server.server_address[1]
        return self

    def stop(self) -> None:
        self._server.shutdown()

    @contextmanager
    def up(self) -> Iterator["Ward"]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _take(self, event: evt.Event) -> tuple[int, Dataset | None]:
        self.add((str(event.request.AffectedSOPInstanceUID), event.attribute_list))
        return self.status, None


@dataclass(frozen=True)
class Request:
    """What a FHIR server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    resource: dict[str, Any]


class FhirServer(_Told):
    """Answers with what `answer` gives: a status, headers and a body."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Callable[[Request], tuple[int, dict[str, str], Any]] = lambda _: (201, {}, {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/fhir"

    @contextmanager
    def up(self) -> Iterator["FhirServer"]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.command, self.path, dict(self.headers), json.loads(data))
                server.add(request)
                status, headers, body = server.answer(request)
                sent = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_POST = do_PUT = _take

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
