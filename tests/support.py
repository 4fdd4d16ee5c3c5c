"""What the tests share: the node as a user starts it, real clients, and real data sets."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom.data
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from storage import part10
from storage.errors import DataSetError

START_SECONDS = 30
CLIENT_SECONDS = 120
TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"

_LISTENING = re.compile(r"listening on (\S+):(\d+)$")


class RunningNode:
    """`minipacs serve` in a process group of its own, with its log at hand."""

    def __init__(self, folder: Path, config: str = "", **node: object) -> None:
        self.folder = folder
        self.data = folder / "data"
        settings = {"port": 0, "workers": 1, **node}
        lines = [f"{key} = {value!r}".replace("'", '"') for key, value in settings.items()]
        self.config = folder / "config.toml"
        self.config.write_text("[node]\n" + "\n".join(lines) + "\n" + config)
        self.log: list[str] = []
        self._changed = threading.Condition()
        self.port = 0

    def start(self) -> "RunningNode":
        """Start it, and wait for the line that says where it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scp", "serve", "-c", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.wait_for_log("listening on")
        match = _LISTENING.search(line)
        assert match, line
        self.port = int(match[2])
        return self

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._changed:
                self.log.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.log.append("<end of log>")
            self._changed.notify_all()

    def wait_for_log(self, words: str, count: int = 1, seconds: float = START_SECONDS) -> str:
        """The `count`-th line of the log that holds `words`, once it is there."""

        def found() -> bool:
            lines = [line for line in self.log if words in line]
            return len(lines) >= count or "<end of log>" in self.log

        with self._changed:
            self._changed.wait_for(found, seconds)
            lines = [line for line in self.log if words in line]
        assert len(lines) >= count, f"no {words!r} in the log:\n" + "\n".join(self.log)
        return lines[count - 1]

    def kill(self) -> None:
        """kill -9 of the supervisor and every worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_SECONDS)
        self._reader.join(START_SECONDS)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(START_SECONDS)
        self._reader.join(START_SECONDS)
        return code

    def associate(self, *contexts: tuple[str, str], ae: AE | None = None, **options) -> Association:
        """An association of pynetdicom's; `contexts` are (SOP class, transfer syntax)."""
        ae = ae or AE("TESTER")
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = CLIENT_SECONDS
        built = [build_context(uid, syntax) for uid, syntax in contexts]
        return ae.associate("127.0.0.1", self.port, contexts=built, ae_title="MINIPACS", **options)

    def files(self) -> list[Path]:
        """The files of the tree."""
        return sorted((self.data / "tree").glob("*/*/*.dcm"))


def client(command: str, node: RunningNode, *arguments: str, called: str = "MINIPACS") -> str:
    """Run one of DCMTK's clients against the node; its output. Fails where it fails."""
    done = subprocess.run(
        [command, "-v", "-aec", called, *_split(arguments)[0], "127.0.0.1", str(node.port),
         *_split(arguments)[1]],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CLIENT_SECONDS,
        check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def _split(arguments: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Options before the address, files (existing paths that no option asks for) behind it."""
    files = [a for i, a in enumerate(arguments) if _is_file(arguments, i)]
    return [a for a in arguments if a not in files], files


def _is_file(arguments: tuple[str, ...], index: int) -> bool:
    before = arguments[index - 1] if index else ""
    return before not in ("-od", "-xf") and Path(arguments[index]).exists()


@dataclass(frozen=True)
class Sample:
    """A data set that ships inside pydicom, as bytes."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes

    @property
    def dataset(self) -> Dataset:
        """The data set, decoded."""
        return dcmread(self.path, force=True)


def samples() -> Iterator[Sample]:
    """Every file of pydicom's with a Part 10 header that names an instance."""
    for path in sorted(p for p in TEST_FILES.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            try:
                meta = part10.read(file)
            except DataSetError:
                continue
            data = file.read()
        if meta.sop_class_uid and meta.sop_instance_uid:
            yield Sample(
                path, meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, data
            )


def data_set_bytes(path: Path) -> bytes:
    """What lies behind the Part 10 header of a file."""
    with path.open("rb") as file:
        part10.read(file)
        return file.read()


def free_port() -> int:
    """A port that was free a moment ago, for clients that cannot pick one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def encoded(data_set: Dataset) -> bytes:
    """A data set in Explicit VR Little Endian."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, data_set)
    return BytesIO(buffer.getvalue()).read()
