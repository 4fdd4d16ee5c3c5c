"""The audit trail: a line of JSON for each association and service, in a file that rotates.

Who, from where, what UIDs, how many, with what outcome, and how long it took: what a site needs
to answer who has seen or sent which study (PS3.15 A.5 says what such a trail is for). No names.

Nobody pushes another's lines out of it: what peers choose is bounded, and who has written many
lines within an hour writes the further ones to a file beside it, which rotates by itself.
"""

import fcntl
import getpass
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from scp.config import Settings
from storage.diagnostics import Sentence, json_text, value_of
from storage.files import name_of
from storage.journal import now, record_of

logger = logging.getLogger(__name__)

# UIDs of one line; more are counted, but not listed.
MANY = 100
# Of a text; longer ones are cut, and say so. A key of several UIDs fits, and any reason.
MOST_CHARACTERS = 512
# What is of no length.
_SHORT = frozenset({int, float, bool, type(None)})
_HOUR = 3600.0
# Of the trail so many are read at once, from its end.
_BLOCK_BYTES = 1 << 22
# What is added to the name of the file for those who write too many lines.
BUSY = ".busy"


def trail(settings: Settings) -> tuple[Path | None, int, int, int]:
    """Where the audit trail goes, as `AuditTrail` takes it."""
    wanted = settings.audit
    path = wanted.path or settings.storage.path / "audit" / "audit.jsonl"
    return path if wanted.enabled else None, wanted.file_bytes, wanted.files, wanted.address_lines


def bounded(value: Any) -> Any:
    """A field of a line, of no more than so many characters; says so where it was cut."""
    if isinstance(value, str):
        return value if len(value) <= MOST_CHARACTERS else _cut(value)
    if type(value) in _SHORT:
        return value
    if isinstance(value, dict | Mapping):
        return {bounded(str(key)): bounded(one) for key, one in [*value.items()][:MANY]}
    if isinstance(value, list | tuple):
        return [bounded(one) for one in value[:MANY]]
    return value


def _cut(text: str) -> str:
    head = text[:MOST_CHARACTERS]
    values = text.count("\\") + 1
    if values > 1:  # of a list of UIDs, whole ones
        head = head.rpartition("\\")[0] or head
    return f"{head}... (cut: {len(text)} characters, {values} values)"


class _Crowds:
    """How many lines each address has had written in the hour that runs."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lines: Counter[str] = Counter()

    def count(self, address: str) -> int:
        """The number of this line among those of its address."""
        if time.monotonic() - self._began > _HOUR:
            self._began = time.monotonic()
            self._lines.clear()
        self._lines[address] += 1
        return self._lines[address]


class AuditTrail:
    """The trail, and the file beside it; several processes may write them, and many threads."""

    def __init__(
        self, path: Path | None, file_bytes: int, files: int, address_lines: int = 0
    ) -> None:
        """`path`: None writes nothing. `files` of `file_bytes` are kept, the current one too.

        `address_lines`: of one address in an hour, here; further ones go to the file beside it.
        """
        self._trail, self._busy = _File(), _File()
        self._crowds = _Crowds()
        self.renew(path, file_bytes, files, address_lines)

    def renew(self, path: Path | None, file_bytes: int, files: int, address_lines: int = 0) -> None:
        """Write there from now on."""
        self._trail.renew(path, file_bytes, files)
        self._busy.renew(path and path.with_name(path.name + BUSY), file_bytes, files)
        self._address_lines = address_lines

    def write(self, event: str, **fields: Any) -> None:
        """Add a line. That it cannot be written is an error in the log, and stops nothing."""
        fields = {
            name: value if type(value) in _SHORT else bounded(value)
            for name, value in fields.items()
        }
        address = fields.get("address")
        if not address or not self._address_lines:
            self._trail.write(event, fields)
            return
        number = self._crowds.count(address)
        if number == self._address_lines + 1:
            who = {"peer": fields.get("peer", ""), "address": address}
            beside = f"its further lines of this hour are in the file {BUSY}"
            self._trail.write("busy", who | {"lines": number - 1, "reason": beside})
        (self._trail if number <= self._address_lines else self._busy).write(event, fields)

    def close(self) -> None:
        """Close the files."""
        self._trail.close()
        self._busy.close()


class _File:
    """A file of lines that rotates."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._descriptor = -1
        self._failed = False
        self._lock = threading.Lock()

    def renew(self, path: Path | None, file_bytes: int, files: int) -> None:
        """Write there from now on."""
        self.close()
        with self._lock:
            self._path, self._file_bytes, self._files = path, file_bytes, files

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Add a line."""
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


class LinesTold:
    """The lines of the trail that have `mark` in them, the newest first, of its last bytes.

    Those of the file beside it stand by themselves. Lines that are damaged are passed over. Once
    gone through, `is_cut` says whether older ones were not looked at.
    """

    def __init__(self, settings: Settings, mark: bytes, most_bytes: int) -> None:
        path, _, files, _ = trail(settings)
        self._paths = [] if path is None else [
            one.with_name(f"{one.name}.{number}") if number else one
            for number in range(files) for one in (path, path.with_name(path.name + BUSY))
        ]  # fmt: skip
        self._mark, self._left = mark, most_bytes
        self.is_cut = False
        self._oldest: dict[bool, str] = {}

    @property
    def since(self) -> str:
        """Since when all lines were looked at, so far; empty where there were none."""
        return max(self._oldest.values(), default="")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for path in self._paths:
            with suppress(FileNotFoundError), path.open("rb") as file:
                yield from self._of(file, BUSY in path.name)

    def _of(self, file: BinaryIO, is_busy: bool) -> Iterator[dict[str, Any]]:
        end = file.seek(0, os.SEEK_END)
        rest = b""  # of a line whose beginning is still to be read
        while end and self._left > 0:
            begin = max(end - min(_BLOCK_BYTES, self._left), 0)
            file.seek(begin)
            block = file.read(end - begin) + rest
            self._left -= end - begin
            end = begin
            if begin:
                rest, _, block = block.partition(b"\n")
            first = record_of(block.partition(b"\n")[0]) or {}
            self._oldest[is_busy] = str(first.get("at", "")) or self._oldest.get(is_busy, "")
            for line in reversed(block.split(b"\n")) if self._mark in block else ():
                if self._mark in line and (told := record_of(line)):
                    yield told
        self.is_cut = self.is_cut or end > 0


def _is_at(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), known)
    except FileNotFoundError:
        return False


@cache
def user() -> str:
    """Who runs this, for what is written down: not whom it has taken on since the first call."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account, and no name in the environment
        return name_of(os.getuid())


def tell(settings: Settings, event: str, **fields: Any) -> None:
    """Add the line of an act: who had it done, as a rule who runs this, and what it did."""
    audit = AuditTrail(*trail(settings))
    audit.write(event, **{"user": user(), **fields})
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
        counted = self._studies.get(study) or self._studies.setdefault(study, _OfStudy())
        counted.outcomes[outcome] += 1
        counted.bytes += size

    def refuse(self, status: int, instance: str) -> None:
        """Count an instance that was refused: of what study it is may not be known."""
        self._refusals[f"{status:04X}"] += 1
        if len(self._refused) < MANY:
            self._refused.append(bounded(instance))

    def write(self, audit: AuditTrail, who: dict[str, str]) -> None:
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
