"""What cannot be read off the tree: digests at receipt, senders, times, commitments. Append-only.

One JSON object a line, empty lines between. A line that was cut short is passed over.
"""

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.errors import ResourceError

RECEIPTS, COMMITMENTS = "receipts", "commitments"


class Journal:
    """The files under `journal/`; with `sync` a line is on the disk before `append` returns."""

    def __init__(self, data: Path, sync: bool) -> None:
        self._folder = data / "journal"
        self._sync = sync
        self._descriptors: dict[str, int] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the folder. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, name: str, **record: Any) -> None:
        """Add a line to the file `name`. Raises ResourceError."""
        text = json.dumps({"at": now(), **record}, separators=(",", ":"))
        # Begins a line too: a full disk or a crash may have left the one before without its end.
        line = f"\n{text}\n".encode()
        try:
            descriptor = self._open(name)
            # One write in append mode: lines of several processes do not mix.
            if os.write(descriptor, line) != len(line):
                raise OSError(0, "written in part")
            if self._sync:
                os.fdatasync(descriptor)
        except OSError as error:
            raise ResourceError(f"The journal cannot be written: {error.strerror}") from error

    def read(self, name: str) -> Iterator[dict[str, Any]]:
        """The records of the file `name`, in the order in which they were written."""
        path = self._folder / f"{name}.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record

    def _open(self, name: str) -> int:
        with self._lock:
            if name not in self._descriptors:
                if not self._folder.exists():
                    self._folder.mkdir(mode=0o700, parents=True)
                self._descriptors[name] = os.open(
                    self._folder / f"{name}.jsonl",
                    os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC,
                    0o600,
                )
            return self._descriptors[name]


def now() -> str:
    """The time, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
