"""An object store that syncs, for tests: Ceph's gateway over one monitor and one disk of a file.

It comes from Debian (`apt-get install radosgw ceph-mon ceph-osd ceph-mgr`), takes half a minute to
start and 450 MB of memory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from storage.files.objects.s3 import Bucket, Patience
from support.node import free_port

HOW_TO_HAVE_IT = (
    "Ceph is not installed (on Debian and Ubuntu: apt-get install radosgw ceph-mon ceph-osd "
    "ceph-mgr)"
)
ACCESS_KEY, SECRET_KEY = "minipacs", "not-a-secret"
_PROGRAMS = ("monmaptool", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph", "radosgw", "radosgw-admin")
_SECONDS = 120
_LOOPBACK = "127.0.0.1"
# Nobody else is on this address: no keys between its parts, and one copy of each object.
_SETTINGS = {
    **dict.fromkeys(("auth_cluster_required", "auth_service_required", "auth_client_required"),
                    "none"),
    **{f"ms_{name}_mode": "crc" for name in
       ("mon_client", "mon_cluster", "mon_service", "cluster", "service", "client")},
    "osd_pool_default_size": 1, "osd_pool_default_min_size": 1, "osd_pool_default_pg_num": 8,
    "osd_pool_default_pgp_num": 8, "osd_pool_default_pg_autoscale_mode": "off",
    "osd_crush_chooseleaf_type": 0, "osd_memory_target": 939524096,
    "mon_allow_pool_size_one": "true", "mon_data_avail_warn": 1, "mon_data_avail_crit": 1,
    "mon_osd_nearfull_ratio": 0.98, "mon_osd_full_ratio": 0.99,
    "bluestore_block_size": 12 << 30, "public_addr": _LOOPBACK, "cluster_addr": _LOOPBACK,
}  # fmt: skip


def require_ceph() -> None:
    """Have the test skipped where it is not there; it is asked for by `--long` alone."""
    if not all(map(shutil.which, _PROGRAMS)):
        pytest.skip(HOW_TO_HAVE_IT)


class ScratchCeph:
    """Its parts, in `folder`, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._identity = free_port(), str(uuid4())
        self._monitor = f"v2:{_LOOPBACK}:{free_port()}"
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("mon", "mgr", "osd", "rgw", "run"):
            (folder / name).mkdir()
        settings = {
            "fsid": self._identity, "mon_host": self._monitor, **_SETTINGS,
            **{f"{name}_data": folder / name for name in ("mon", "mgr", "osd", "rgw")},
            "run_dir": folder / "run", "admin_socket": folder / "run" / "$name.asok",
            "pid_file": folder / "run" / "$name.pid", "log_file": folder / "run" / "$name.log",
        }  # fmt: skip
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (folder / "ceph.conf").write_text(f"[global]\n{lines}")

    @property
    def endpoint(self) -> str:
        """Where S3's interface is."""
        return f"http://{_LOOPBACK}:{self._port}"

    def bucket(self, name: str, prefix: str = "", **other: Any) -> Bucket:
        """A bucket as a node names it."""
        patience = Patience(connect=30, answer=60)
        named = {"prefix": prefix, "patience": patience, **other}
        return Bucket(name, self.endpoint, ACCESS_KEY, SECRET_KEY, **named)

    def start(self) -> None:
        """Make it and start it, and wait until it answers."""
        self._run("monmaptool", "--create", "--fsid", self._identity, "--addv", "a",
                  f"[{self._monitor}]", "monmap")  # fmt: skip
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
        self._begin("ceph-mon", "-i", "a")
        self._begin("ceph-mgr", "-i", "x")
        disk = str(uuid4())
        number = self._run("ceph", "osd", "new", disk).strip()
        self._run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", disk)
        self._begin("ceph-osd", "-i", number)
        self._begin("radosgw", "-n", "client.rgw", "--rgw-frontends",
                    f"beast endpoint={_LOOPBACK}:{self._port}")  # fmt: skip
        self._run("radosgw-admin", "user", "create", "--uid=minipacs", "--display-name=minipacs",
                  f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")  # fmt: skip
        end = time.monotonic() + _SECONDS
        while not self._answers():
            if time.monotonic() > end:
                raise AssertionError((self.folder / "run" / "out").read_text()[-2000:])
            time.sleep(0.1)

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        import obstore
        from obstore.store import S3Store

        client = S3Store(
            name, endpoint=self.endpoint, access_key_id=ACCESS_KEY, region="us-east-1",
            secret_access_key=SECRET_KEY, client_options={"allow_http": True},
        )  # fmt: skip
        where = obstore.sign(client, "PUT", "", timedelta(seconds=600))
        with urllib.request.urlopen(urllib.request.Request(where, method="PUT"), timeout=_SECONDS):
            pass

    def stop(self) -> None:
        """End all of it at once."""
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait(_SECONDS)
        self._processes.clear()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint, timeout=10):
                return True
        except OSError:
            return False

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert not done.returncode, f"{command[0]}: {done.stderr[-2000:]}"
        return done.stdout

    def _begin(self, *command: str) -> None:
        with (self.folder / "run" / "out").open("ab") as output:
            self._processes.append(subprocess.Popen(
                [*command, "-f"], cwd=self.folder, env=self._environment, stdout=output,
                stderr=output,
            ))  # fmt: skip

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}


@contextmanager
def running_ceph() -> Iterator[ScratchCeph]:
    """One for the time of the block."""
    require_ceph()
    with tempfile.TemporaryDirectory(prefix="minipacs-ceph-") as name:
        cluster = ScratchCeph(Path(name))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
