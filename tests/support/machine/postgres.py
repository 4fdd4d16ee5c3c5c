"""A PostgreSQL of its own for tests: made in a folder, on a free port of 127.0.0.1, and ended."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from support.node import free_port

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_SECONDS = 60
_PR_SET_PDEATHSIG = 1
_STANDBY = "second"
_IS_WAITED_FOR = (
    f"SELECT FROM pg_stat_replication WHERE application_name = '{_STANDBY}' "
    "AND sync_state = 'sync' AND state = 'streaming'"
)
HOW_TO_HAVE_IT = "PostgreSQL is not installed (on Debian and Ubuntu: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of initdb and postgres, of the newest version that is installed."""
    found = [path for place in _PLACES for path in Path("/").glob(f"{place[1:]}/initdb")]
    if not found and (on_path := shutil.which("initdb")):
        found = [Path(on_path)]
    return max(found, key=_version).parent if found else None


def _version(path: Path) -> float:
    numbers = [part for part in path.parts if part.replace(".", "").isdigit()]
    return float(numbers[0]) if numbers else 0.0


def require_postgres() -> Path:
    """The same; else the test is skipped, and fails where nobody would notice that: in CI."""
    if found := programs():
        return found
    if os.environ.get("CI"):
        pytest.fail(HOW_TO_HAVE_IT)
    pytest.skip(HOW_TO_HAVE_IT)


def _end_with_tests() -> None:
    """Have the server be ended where the tests are killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


class ScratchPostgres:
    """A server in `folder`, which belongs to a user without rights where root runs the tests.

    Without `durable` nothing of it is synced; `settings` are those of postgresql.conf.
    """

    def __init__(self, folder: Path, durable: bool = False, **settings: str) -> None:
        self.folder, self._bin = folder, require_postgres()
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._make()
        self._settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "shared_buffers": "32MB", "max_connections": 300, "statement_timeout": "120s",
        }  # fmt: skip
        if not durable:
            self._settings |= {"fsync": "off", "full_page_writes": "off"}
        self._settings |= settings

    def _make(self) -> None:
        self._run("initdb", "-D", "data", "-U", "minipacs", "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql://minipacs@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self._bin / program, *arguments], check=True, cwd=self.folder,
                       capture_output=True, timeout=_SECONDS, **self._rights())  # fmt: skip

    def _rights(self) -> dict[str, int]:
        return {"user": self._user.pw_uid, "group": self._user.pw_gid} if self._user else {}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        given = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", "data", *given],
                cwd=self.folder, stdout=log, stderr=log, preexec_fn=_end_with_tests,
                **self._rights(),
            )  # fmt: skip
        end = time.monotonic() + _SECONDS
        ready = [
            self._bin / "pg_isready",
            "-q",
            "-U",
            "minipacs",
            "-d",
            "postgres",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode:
            ended = self._process.poll() is not None
            if ended or time.monotonic() > end:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def crash(self) -> None:
        """Kill all of its processes at once, as where its host is gone."""
        assert self._process
        of = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], check=True, capture_output=True
        )
        children = [int(number) for number in of.stdout.split()]
        self.stop(signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: at once, unless another signal is given (SIGINT: as it is, SIGKILL: a crash)."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(_SECONDS)
            self._process = None


class StandbyPostgres(ScratchPostgres):
    """One that follows another, which waits for it, until it is promoted."""

    def __init__(self, folder: Path, primary: ScratchPostgres) -> None:
        self._primary = primary
        super().__init__(folder, durable=True)

    def _make(self) -> None:
        of = f"{self._primary.url}?application_name={_STANDBY}"
        self._run("pg_basebackup", "-D", "data", "-d", of, "-R", "-c", "fast")

    def have_it_wait(self) -> None:
        """Have the primary wait for this one with each commit, and see that it does."""
        with psycopg.connect(self._primary.url, autocommit=True) as primary:
            primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
            primary.execute("SELECT pg_reload_conf()")
            end = time.monotonic() + _SECONDS
            while primary.execute(_IS_WAITED_FOR).fetchone() is None:
                assert time.monotonic() < end, "the standby does not follow"
                time.sleep(0.05)

    def promote(self) -> None:
        """Have it be the one that is written to."""
        with psycopg.connect(self.url, autocommit=True) as standby:
            assert standby.execute("SELECT pg_promote(true, 60)").fetchone() == (True,)


@contextmanager
def running_postgres(durable: bool = False, **settings: str) -> Iterator[ScratchPostgres]:
    """One for the time of the block, in a folder that its user may enter."""
    require_postgres()
    with tempfile.TemporaryDirectory(prefix="minipacs-postgres-") as name:
        server = ScratchPostgres(Path(name), durable, **settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_standby(primary: ScratchPostgres) -> Iterator[StandbyPostgres]:
    """One of a server, which waits for it from now on."""
    with tempfile.TemporaryDirectory(prefix="minipacs-postgres-") as name:
        standby = StandbyPostgres(Path(name), primary)
        standby.start()
        try:
            standby.have_it_wait()
            yield standby
        finally:
            standby.stop()
