"""Orthanc, as its users drive it: over its REST API."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.names import CLIENT_SECONDS, START_SECONDS
from support.network.installed import program
from support.node import RunningNode, free_port

_STARTED, _END = "Orthanc has started", "<end of log>"
# A port that was free a moment ago may be taken; Orthanc cannot have the kernel pick one.
_ATTEMPTS = 5
TITLE = "ORTHANC"
# What Orthanc calls the node.
MODALITY = "minipacs"


class Refused(Exception):
    """An answer of HTTP that is no success: its status, and what it says."""

    def __init__(self, status: int, said: bytes) -> None:
        super().__init__(f"{status}: {said.decode(errors='replace')}")
        self.status = status


class Orthanc:
    """A running Orthanc with a storage of its own, and with plugins where some are named."""

    def __init__(self, folder: Path, *plugins: Path) -> None:
        self.folder = folder
        self._plugins = plugins
        self.port = 0  # of DICOM
        self._web = 0
        self._log: list[str] = []
        self._changed = threading.Condition()
        how = "on Debian and Ubuntu, apt-get install orthanc"
        self._program = program("Orthanc", how)

    @contextmanager
    def running(self) -> Iterator["Orthanc"]:
        """Start it, and end it with the block."""
        for _ in range(_ATTEMPTS):
            if self._start():
                break
        else:
            raise AssertionError("Orthanc does not start:\n" + "\n".join(self._log[-30:]))
        try:
            yield self
        finally:
            self._process.terminate()
            try:
                self._process.wait(CLIENT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._reader.join()

    def _start(self) -> bool:
        self._log = []
        self.port, self._web = free_port(), free_port()
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._settings()))
        self._process = subprocess.Popen(
            [self._program, str(config)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self._says(_STARTED) or self._says(_END), START_SECONDS)
        if self._says(_STARTED):
            return True
        self._process.kill()
        self._process.wait()
        return False

    def _settings(self) -> dict[str, Any]:
        return {
            "Name": TITLE,
            "DicomAet": TITLE,
            "DicomPort": self.port,
            "HttpPort": self._web,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": [str(path) for path in self._plugins],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DefaultEncoding": "Utf8",
            "DicomModalities": {},
            "DicomScuTimeout": CLIENT_SECONDS,
            "DicomScpTimeout": CLIENT_SECONDS,
            "HttpDescribeErrors": True,
        }

    def _says(self, words: str) -> bool:
        return any(words in line for line in self._log)

    def _read(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            for line in lines:
                self._add(line.rstrip("\n"))
        self._add(_END)

    def _add(self, line: str) -> None:
        with self._changed:
            self._log.append(line)
            self._changed.notify_all()

    def knows(self, node: RunningNode) -> None:
        """Have a node be its modality."""
        table = {"AET": node.title, "Host": "127.0.0.1", "Port": node.port}
        self.call("PUT", f"/modalities/{MODALITY}", table)

    def forget(self) -> None:
        """Delete all that it holds."""
        for patient in self.call("GET", "/patients"):
            self.call("DELETE", f"/patients/{patient}")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the REST API answers: JSON, or bytes where it is none. Raises Refused.

        Bytes are sent as they are, anything else as JSON.
        """
        connection = HTTPConnection("127.0.0.1", self._web, timeout=CLIENT_SECONDS)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, data)
        is_json = answer.headers.get_content_type() == "application/json"
        return json.loads(data) if is_json else data

    # ---- the node, as it is asked

    def modality(self, what: str, body: Any) -> Any:
        """POST to the node's own part of the API."""
        return self.call("POST", f"/modalities/{MODALITY}/{what}", body)

    def query(self, level: str, keys: dict[str, str]) -> "Answers":
        """Ask the node by C-FIND."""
        made = self.modality("query", {"Level": level, "Query": keys})
        return Answers(self, str(made["Path"]))

    def files(self) -> dict[str, bytes]:
        """Every instance that it holds, as a file by SOP Instance UID."""
        return {
            str(one["MainDicomTags"]["SOPInstanceUID"]): self.call(
                "GET", f"/instances/{one['ID']}/file"
            )
            for one in self.call("GET", "/instances?expand")
        }


class Answers:
    """The answers to a query, which Orthanc keeps, and what is done next with them."""

    def __init__(self, orthanc: Orthanc, path: str) -> None:
        self._orthanc, self._path = orthanc, path

    def contents(self) -> list[dict[str, Any]]:
        """What each of them holds, by keyword."""
        numbers = self._orthanc.call("GET", f"{self._path}/answers")
        return [
            self._orthanc.call("GET", f"{self._path}/answers/{number}/content?simplify")
            for number in numbers
        ]

    def uids(self, keyword: str) -> list[str]:
        """The values of a unique key."""
        return sorted(str(one[keyword]) for one in self.contents())

    def below(self, number: int, what: str, keys: dict[str, str]) -> "Answers":
        """Ask for what lies below one answer: studies, series or instances."""
        asked = {"Query": keys}
        made = self._orthanc.call("POST", f"{self._path}/answers/{number}/query-{what}", asked)
        return Answers(self._orthanc, str(made["Path"]))

    def retrieve(self, number: int | None = None) -> None:
        """C-MOVE all of them, or one, to Orthanc, and wait until that is over."""
        one = "" if number is None else f"/answers/{number}"
        asked = {"TargetAet": TITLE, "Synchronous": True}
        self._orthanc.call("POST", f"{self._path}{one}/retrieve", asked)
