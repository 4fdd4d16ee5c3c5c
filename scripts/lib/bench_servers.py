"""Servers of one's own: started in a scratch folder on a free port, waited for, stopped."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.bench_peers import DESTINATION, PDU_BYTES, TITLE, Peer, Place
from lib.bench_programs import dcmtk, environment

_ROOT = Path(__file__).parent.parent.parent  # where the node is found that is not installed
_START_SECONDS, _STOP_SECONDS = 30, 20
_PAUSE_SECONDS = 0.05
_LAST_LINES = 5
_LARGE_FILE_BYTES = 16 << 20
_scratches: list[Path] = []


class ServerError(Exception):
    """A server did not start, or ended by itself; with the end of its log."""


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    name: str
    title: str
    port: int
    pid: int
    command: list[str] = field(default_factory=list)
    log: Path = Path()
    http: int = 0  # the port


@dataclass
class Destination:
    """Where moves go: DCMTK's storescp, which receives everything and keeps nothing."""

    port: int
    log: Path
    _seen: int = 0

    def received(self) -> int:
        """How many instances came since the last time."""
        with self.log.open("rb") as file:
            file.seek(self._seen)
            text = file.read()
        self._seen += len(text)
        return text.count(b"Received Store Request")


@contextmanager
def running(
    peer: Peer, destination: int = 0, seed: Callable[[Path], None] | None = None
) -> Iterator[Server]:
    """A fresh server, to be stopped and forgotten behind the block; `seed` fills its folder.

    Raises ServerError, MissingError and OSError.
    """
    with _scratch() as folder:
        if seed:
            seed(folder)
        port, http = _free_port(), _free_port()
        command = peer.command(Place(folder, port, destination or _free_port(), http))
        with _started(command, folder / "log") as process:
            _wait(process, TITLE, port, folder / "log")
            settle()
            yield Server(peer.name, TITLE, port, process.pid, command, folder / "log", http)


def killed(server: Server) -> None:
    """Kill a server and all of its processes, with no time to write anything."""
    os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def restarted(server: Server) -> Iterator[Server]:
    """The same server on the same folder, once it answers. Raises ServerError, OSError."""
    log = server.log.with_suffix(".again")
    with _started(server.command, log) as process:
        _wait(process, server.title, server.port, log)
        yield replace(server, pid=process.pid, log=log)


@contextmanager
def destination() -> Iterator[Destination]:
    """A destination of moves, to be stopped behind the block."""
    with _scratch() as folder:
        port, log = _free_port(), folder / "log"
        options = ["-v", "--ignore", "-pdu", str(PDU_BYTES), "-aet", DESTINATION, "-od", folder]
        command = [dcmtk("storescp"), *map(str, options), str(port)]
        with _started(command, log) as process:
            _wait(process, DESTINATION, port, log)
            yield Destination(port, log)


def settle() -> None:
    """Have written what earlier runs left to the system, so that no later one waits for it."""
    os.sync()


@contextmanager
def cleared_at_the_end() -> Iterator[None]:
    """Behind the block the servers' folders are removed, and not before.

    ext4 looks past inodes that were given back lately, for each file that is made: who removes
    what one run left has the next ones wait for that.
    """
    try:
        yield
    finally:
        while _scratches:
            shutil.rmtree(_scratches.pop(), ignore_errors=True)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for a server; of what it leaves only large files are removed at once."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    _scratches.append(folder)
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and path.stat().st_size >= _LARGE_FILE_BYTES:
                    path.unlink()


@contextmanager
def _started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at the head of a session of its own, which ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=_ROOT, env=environment(), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):  # what it may have left behind, or itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], title: str, port: int, log: Path) -> None:
    """Until the server answers a C-ECHO."""
    command = [dcmtk("echoscu"), "-q", "-to", "2", "-ta", "2", "-td", "2", "-aec", title]
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        done = subprocess.run(
            [*command, "127.0.0.1", str(port)], env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return
        time.sleep(_PAUSE_SECONDS)
    ending = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    raise ServerError("\n  ".join([f"{title} on port {port} does not answer; its log:", *ending]))


def _free_port() -> int:
    """A port that was free a moment ago: not every server can pick one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
