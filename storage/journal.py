"""What cannot be read off the tree: digests at receipt, senders, times, commitments. Append-only.

One JSON object a line, empty lines between. A line that was cut short is passed over.
"""

import errno
import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.durable import sync_folder
from storage.errors import ResourceError
from storage.rights import refusal

RECEIPTS, COMMITMENTS = "receipts", "commitments"


class Journal:
    """The files under `journal/`; with `sync` a line is on the disk before `append` returns."""

    def __init__(self, data: Path, sync: bool) -> None:
        self._folder = data / "journal"
        self._sync = sync
        self._descriptors: dict[str, int] = {}
        self._written: Counter[str] = Counter()
        self._synced: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._syncing = threading.Lock()

    def prepare(self) -> None:
        """Make the folder. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        """Close its files: for who does not keep it for as long as the process lasts."""
        with self._lock:
            for descriptor in self._descriptors.values():
                os.close(descriptor)
            self._descriptors.clear()

    def append(self, name: str, **record: Any) -> None:
        """Add a line to the file `name`, synced. Raises ResourceError."""
        self.sync(name, self.write(name, **record))

    def append_all(self, name: str, records: Iterable[dict[str, Any]]) -> None:
        """Add lines, synced together. Raises ResourceError."""
        number = 0
        for record in records:
            number = self.write(name, **record)
        if number:
            self.sync(name, number)

    def write(self, name: str, **record: Any) -> int:
        """Add a line to the file `name`; returns its number, for `sync`. Raises ResourceError."""
        text = json.dumps({"at": now(), **record}, separators=(",", ":"))
        # Begins a line too: a full disk or a crash may have left the one before without its end.
        line = f"\n{text}\n".encode()
        try:
            descriptor = self._open(name)
            # One write in append mode: lines of several processes do not mix.
            if os.write(descriptor, line) != len(line):
                # A file takes only a part where the disk has no more room (write(2)).
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            words = refusal(error, self._folder / f"{name}.jsonl")
            raise ResourceError(f"The journal cannot be written: {words}") from error
        with self._lock:
            self._written[name] += 1
            return self._written[name]

    def sync(self, name: str, number: int) -> None:
        """See that line `number` is on the disk; one sync does for all lines before it.

        Raises ResourceError.
        """
        if not self._sync:
            return
        with self._syncing:
            if self._synced[name] >= number:
                return
            written = self._written[name]
            try:
                os.fdatasync(self._open(name))
            except OSError as error:
                raise ResourceError(f"The journal cannot be written: {error.strerror}") from error
            self._synced[name] = written

    def size(self, name: str) -> int:
        """The bytes of the file `name`. Raises ResourceError."""
        path = self._folder / f"{name}.jsonl"
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise ResourceError(f"The journal cannot be read: {refusal(error, path)}") from error

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[dict[str, Any]]:
        """The records of the file `name` from byte `start` on, in the order of their writing.

        Raises ResourceError where they cannot be read.
        """
        path = self._folder / f"{name}.jsonl"
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        except OSError as error:
            words = refusal(error, path)
            raise ResourceError(f"The journal cannot be read: {words}") from error
        with file:
            file.seek(start)
            for line in file:
                start += len(line)
                if end is not None and start > end:
                    return
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
                flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
                descriptor = os.open(self._folder / f"{name}.jsonl", flags, 0o600)
                try:
                    # It may be new: its name is to be on the disk too.
                    for folder in (self._folder, self._folder.parent) if self._sync else ():
                        sync_folder(folder)
                except OSError:
                    os.close(descriptor)
                    raise
                self._descriptors[name] = descriptor
            return self._descriptors[name]


def now() -> str:
    """The time, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
