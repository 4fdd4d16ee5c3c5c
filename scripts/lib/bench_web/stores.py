"""STOW-RS: instances as parts of a request, of a study that no server has seen."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.bench_clients import ClientError, timed
from lib.bench_cpu import cpu_used
from lib.bench_rounds import Row, Values
from lib.bench_servers import Server, settle
from lib.bench_web.client import connected
from lib.bench_web.held import Held

_BOUNDARY = "bench-web"
_MEDIA_TYPE = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
_STORED = "00081199"  # Referenced SOP Sequence
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()


@dataclass(frozen=True)
class StoreRequest:
    """A POST of so many instances of a recipe; the same for each server, of another study."""

    key: str
    label: str
    limit: float
    count: int
    repeats: int = 1

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its lines of the results."""
        return Row(self.key, self.label, "ms"), Row(f"{self.key}c", "  CPU", "ms")

    def measure(self, server: Server, held: Held) -> Values:
        """Milliseconds of one. Raises ClientError unless all is stored."""
        files, uid = held.files(held.few_ct)[: self.count], held.few_ct.study_uid()
        bodies = [_body(files, uid) for _ in range(self.repeats)]
        settle()
        taken = 0.0
        with connected(server) as connection, cpu_used(server.pid) as cpu:
            for body in bodies:
                with timed() as seconds:
                    answer = connection.post("/studies", _MEDIA_TYPE, body)
                taken += sum(seconds)
                stored = len(json.loads(bytes(answer.body))[_STORED]["Value"])
                if stored != len(files):
                    words = f"{stored} of {len(files)} stored"
                    raise ClientError(f"STOW of {server.name}: {words}")
        each = 1000 / self.repeats
        return {self.key: taken * each, f"{self.key}c": cpu[0] * each}


def _body(files: list[Path], uid: str) -> bytes:
    """The files as those of a fresh study, whose UID is as long."""
    *root, number, last = uid.split(".")
    fresh = ".".join([*root, f"{10 ** (len(number) - 1) + secrets.randbelow(10**8)}", last])
    parts = [_HEAD + file.read_bytes().replace(uid.encode(), fresh.encode()) for file in files]
    return b"\r\n".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])


STORES: Sequence[StoreRequest] = (
    StoreRequest("S", "STOW of 100 CT of 512 KB", 0.7, 100),
    StoreRequest("SI", "  of one", 1.0, 1, repeats=10),
)
