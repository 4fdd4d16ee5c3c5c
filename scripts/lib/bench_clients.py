"""DCMTK's clients against a server: run, checked, timed."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lib.bench_peers import DESTINATION
from lib.bench_programs import dcmtk, environment
from lib.bench_servers import Destination, Server

_LIMIT_SECONDS = 900
_STORED, _MOVED, _FOUND = (
    b"Received Store Response (Success)", b"Received Final Move Response (Success)",
    b"Find Response: ",
)  # fmt: skip


class ClientError(Exception):
    """A client did not get what it asked for; says what came instead."""


class Client:
    """A client that runs; its output goes to a file, so that nobody need read meanwhile."""

    def __init__(
        self, program: str, server: Server, options: Sequence[str | Path],
        files: Sequence[Path] = (), no_delay: bool = True,
    ) -> None:  # fmt: skip
        self._name = f"{program} to {server.name}"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `output`
        common = ("-v", "-aec", server.title, *options, "127.0.0.1", server.port, *files)
        self._process = subprocess.Popen(
            [dcmtk(program), *map(str, common)], env=environment(no_delay),
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait for its end, or end it when that takes too long.

        Without `Popen.wait`'s timeout: that looks only every 50 ms.
        """
        limit = threading.Timer(_LIMIT_SECONDS, self._process.kill)
        limit.start()
        try:
            self._process.wait()
        finally:
            limit.cancel()
            if self._process.poll() is None:
                self._process.kill()

    def forget(self) -> None:
        """Do not ask what it said."""
        self._output.close()

    def check(self, words: bytes, count: int) -> None:
        """Raise ClientError unless it ended well and said `words` so many times."""
        with self._output:
            self._output.seek(0)
            text = self._output.read()
        code, found = self._process.returncode, text.count(words)
        if code or found != count:
            lines = text.decode(errors="replace").splitlines()
            said = next(filter(_is_bad_news, lines), "")
            wanted = f"{words.decode().strip()}: {found} of {count}"
            raise ClientError(f"{self._name}: exit code {code}, {wanted} {said}".rstrip())


@contextmanager
def timed() -> Iterator[list[float]]:
    """A list that holds the seconds that the block took."""
    seconds: list[float] = []
    started = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - started)


def _is_bad_news(line: str) -> bool:
    is_other_status = "Response (" in line and "(Success)" not in line and "Pending" not in line
    return is_other_status or line.startswith(("E:", "F:", "W:"))


def begin_store(
    server: Server, parts: Sequence[tuple[Path, int]], no_delay: bool = True
) -> list[Client]:
    """A storescu for each of the folders, all at once."""
    options = ["+sd", "+r"]
    return [Client("storescu", server, options, [folder], no_delay) for folder, _ in parts]


def store(server: Server, parts: Sequence[tuple[Path, int]], no_delay: bool = True) -> float:
    """Seconds to send folders, with so many instances in each: one storescu for each, at once.

    Raises ClientError where one was not answered by Success.
    """
    with timed() as seconds:
        clients = begin_store(server, parts, no_delay)
        for client in clients:
            client.wait()
    for client, (_, count) in zip(clients, parts, strict=True):
        client.check(_STORED, count)
    return sum(seconds)


def store_singly(server: Server, files: Sequence[Path]) -> float:
    """Seconds to send files with a storescu for each, one after the other. Raises ClientError."""
    clients = []
    with timed() as seconds:
        for file in files:
            client = Client("storescu", server, [], [file])
            client.wait()
            clients.append(client)
    for client in clients:
        client.check(_STORED, 1)
    return sum(seconds)


def move(server: Server, study: str, count: int, destination: Destination) -> float:
    """Seconds to have a study moved. Raises ClientError unless all of it arrived."""
    destination.received()
    keys = _keys("STUDY", StudyInstanceUID=study)
    with timed() as seconds:
        client = Client("movescu", server, ["-S", "-aem", DESTINATION, *keys])
        client.wait()
    client.check(_MOVED, 1)
    received = destination.received()
    if received != count:
        raise ClientError(f"movescu to {server.name}: {received} of {count} instances arrived")
    return sum(seconds)


def find(server: Server, study: str) -> float:
    """Seconds to ask for a study. Raises ClientError unless there was one answer."""
    names = ("PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber")
    keys = _keys("STUDY", StudyInstanceUID=study, **dict.fromkeys(names, ""))
    with timed() as seconds:
        client = Client("findscu", server, ["-S", *keys])
        client.wait()
    client.check(_FOUND, 1)
    return sum(seconds)


def echo(server: Server) -> float:
    """Seconds to ask for an echo. Raises ClientError."""
    with timed() as seconds:
        client = Client("echoscu", server, [])
        client.wait()
    client.check(b"Received Echo Response (Success)", 1)
    return sum(seconds)


def _keys(level: str, **values: str) -> list[str]:
    held = {"QueryRetrieveLevel": level, **values}
    return [part for key, value in held.items() for part in ("-k", f"{key}={value}")]
