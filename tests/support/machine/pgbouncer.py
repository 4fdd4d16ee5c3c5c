"""A PgBouncer of its own for tests: in front of a PostgreSQL, on a free port of 127.0.0.1."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.node import free_port

HOW_TO_HAVE_IT = "PgBouncer is not installed (on Debian and Ubuntu: apt-get install pgbouncer)"
_SECONDS = 60


def require_pgbouncer() -> str:
    """The program; else the test is skipped, and fails where nobody would notice that: in CI."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    if found := shutil.which("pgbouncer", path=path):
        return found
    if os.environ.get("CI"):
        pytest.fail(HOW_TO_HAVE_IT)
    pytest.skip(HOW_TO_HAVE_IT)


class ScratchPgBouncer:
    """One in `folder`, of a server's address; `settings` are those of pgbouncer.ini."""

    def __init__(self, folder: Path, url: str, **settings: str) -> None:
        self.folder, self._program = folder, require_pgbouncer()
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._user:  # it does not run as root
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "users.txt").write_text('"minipacs" ""\n')
        own = {
            "listen_addr": "127.0.0.1", "listen_port": str(self._port), "unix_socket_dir": "",
            "auth_type": "trust", "auth_file": str(folder / "users.txt"), **settings,
        }  # fmt: skip
        lines = "".join(f"{name} = {value}\n" for name, value in own.items())
        behind = urlsplit(url)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={behind.hostname} port={behind.port}\n[pgbouncer]\n{lines}"
        )
        self.url = behind._replace(netloc=f"minipacs@127.0.0.1:{self._port}").geturl()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        rights = {"user": self._user.pw_uid, "group": self._user.pw_gid} if self._user else {}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "pgbouncer.ini"], cwd=self.folder, stdout=log, stderr=log,
                **rights,
            )  # fmt: skip
        end = time.monotonic() + _SECONDS
        while not self._listens():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > end:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), _SECONDS):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """End it at once, with all connections."""
        if self._process:
            self._process.kill()
            self._process.wait(_SECONDS)
            self._process = None


@contextmanager
def running_pgbouncer(url: str, **settings: str) -> Iterator[ScratchPgBouncer]:
    """One for the time of the block, in front of the server at `url`."""
    require_pgbouncer()
    with tempfile.TemporaryDirectory(prefix="minipacs-pgbouncer-") as name:
        pooler = ScratchPgBouncer(Path(name), url, **settings)
        try:
            pooler.start()
            yield pooler
        finally:
            pooler.stop()
