"""The audit trail: a line of JSON for each association and service, in a file that rotates.

Who, from where, what UIDs, how many, with what outcome, and how long it took: what a site needs
to answer who has seen or sent which study (PS3.15 A.5 says what such a trail is for). No names.
"""

import fcntl
import logging
import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scp.ownership import user
from scp.settings import Settings
from storage.escaping import json_text
from storage.event import Sentence, value_of
from storage.journal import now

logger = logging.getLogger(__name__)

# UIDs of one line; more are counted, but not listed.
MANY = 100


def trail(settings: Settings) -> tuple[Path | None, int, int]:
    """Where the audit trail goes, as `Audit` takes it."""
    wanted = settings.audit
    path = wanted.path or settings.storage.path / "audit" / "audit.jsonl"
    return path if wanted.enabled else None, wanted.file_bytes, wanted.files


class Audit:
    """The file; several processes may write it. Safe to use from many threads."""

    def __init__(self, path: Path | None, file_bytes: int, files: int) -> None:
        """`path`: None writes nothing. `files` of `file_bytes` are kept, the current one too."""
        self._descriptor = -1
        self._failed = False
        self._lock = threading.Lock()
        self.renew(path, file_bytes, files)

    def renew(self, path: Path | None, file_bytes: int, files: int) -> None:
        """Write there from now on."""
        self.close()
        with self._lock:
            self._path, self._file_bytes, self._files = path, file_bytes, files

    def write(self, event: str, **fields: Any) -> None:
        """Add a line. That it cannot be written is an error in the log, and stops nothing."""
        path = self._path
        if path is None:
            return
        record = {"at": now(), "event": event, **fields}
        line = json_text(record, compact=True).encode()
        try:
            with self._lock:
                self._open(path)
                # One write in append mode: lines of several processes do not mix.
                os.write(self._descriptor, line + b"\n")
                self._failed = False
        except OSError as error:
            if not self._failed:  # said once, until it works again
                words = f"audit file={value_of(path)} cannot be written: {error.strerror}"
                logger.error(Sentence(words, file=path))
            self._failed = True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1

    def _open(self, path: Path) -> None:
        """Have the file open that is now at `path`, after rotating where it is full."""
        if self._descriptor >= 0:
            held = os.fstat(self._descriptor)
            try:
                there = os.stat(path).st_ino == held.st_ino
            except FileNotFoundError:
                there = False
            if there and held.st_size < self._file_bytes:
                return
            os.close(self._descriptor)
            self._descriptor = -1
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._rotate(path)
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)

    def _rotate(self, path: Path) -> None:
        """Make room for a new file where the present one is full: by one process at a time."""
        try:
            held = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            # Of the file, not the folder, where not every file system keeps others out.
            fcntl.flock(held, fcntl.LOCK_EX)
            known = os.fstat(held)
            if known.st_size < self._file_bytes or not _is_at(path, known):
                return  # another has renamed it meanwhile
            for number in range(self._files - 1, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
                if newer.exists():
                    newer.replace(older)
            if self._files == 1:
                path.unlink()
        finally:
            os.close(held)


def _is_at(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), known)
    except FileNotFoundError:
        return False


def tell(settings: Settings, event: str, **fields: Any) -> None:
    """Add the line of an act of a command: who ran it, and what it did."""
    audit = Audit(*trail(settings))
    audit.write(event, user=user(), **fields)
    audit.close()


@dataclass
class _OfStudy:
    outcomes: Counter[str] = field(default_factory=Counter)
    bytes: int = 0


class StoreTally:
    """What one association stored, by study: a line for each, not for each instance."""

    def __init__(self) -> None:
        self._forget()

    @property
    def is_full(self) -> bool:
        """Whether it is of so many studies that they should be written: it may never end."""
        return len(self._studies) >= MANY

    def add(self, study: str, outcome: str, size: int) -> None:
        """Count an instance that was taken."""
        counted = self._studies.setdefault(study, _OfStudy())
        counted.outcomes[outcome] += 1
        counted.bytes += size

    def refuse(self, status: int, instance: str) -> None:
        """Count an instance that was refused: of what study it is may not be known."""
        self._refusals[f"{status:04X}"] += 1
        if len(self._refused) < MANY:
            self._refused.append(instance)

    def write(self, audit: Audit, who: dict[str, str]) -> None:
        """The lines, and forget."""
        for study, counted in self._studies.items():
            outcomes = counted.outcomes
            audit.write(
                "store", **who, study=study, bytes=counted.bytes,
                instances=outcomes.total(), outcomes=outcomes,
            )  # fmt: skip
        if self._refused:
            audit.write(
                "store", **who, refused=self._refused,
                instances=self._refusals.total(), outcomes=self._refusals,
            )  # fmt: skip
        self._forget()

    def _forget(self) -> None:
        self._studies: dict[str, _OfStudy] = {}
        self._refused: list[str] = []
        self._refusals: Counter[str] = Counter()
