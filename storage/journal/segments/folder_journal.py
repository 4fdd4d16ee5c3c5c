"""The journal in files: segments in a folder. A line that was cut short is passed over.

Positions are those of `storage.journal.segments.reader`.
"""

import json
import logging
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from storage.diagnostics import ResourceError
from storage.files import refusal, sync_folder
from storage.journal.segments import lines, names
from storage.journal.segments.lines import line_of, record_of
from storage.journal.segments.reader import Line, Segments
from storage.journal.segments.writer import SegmentWriter

logger = logging.getLogger(__name__)

_IDENTITY, COMPACTED = "identity", "compacted"
_IDENTITY_BYTES = 16


class FolderJournal:
    """The files under `journal/`; with `sync` a line is on the disk before `append` returns."""

    def __init__(self, data: Path, sync: bool) -> None:
        self._folder = data / "journal"
        self._sync = sync
        self._writers: dict[str, SegmentWriter] = {}
        self._segments: dict[str, Segments] = {}
        self._written: Counter[str] = Counter()
        self._synced: Counter[str] = Counter()
        # The first and the last line of those that a sync failed for.
        self._lost: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._syncing = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self._folder

    @property
    def syncs(self) -> bool:
        """Whether what is written is on the disk then."""
        return self._sync

    def prepare(self) -> None:
        """Make the folder, and see what was done to it while nobody wrote. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for fresh in self._folder.glob("*.new"):
            fresh.unlink(missing_ok=True)
        for link in self._folder.glob("*.link"):
            ours = Segments(self._folder, link.stem)
            names.adopt(ours)
            names.prepare(ours, self._sync)
        self.make_identity()

    def identity(self) -> str:
        """What tells this journal from others; empty where it has none yet. Raises OSError."""
        try:
            return (self._folder / _IDENTITY).read_text().strip()
        except FileNotFoundError:
            return ""

    def make_identity(self) -> str:
        """The same, made where there is none. Raises OSError."""
        while not (found := self.identity()):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path, fresh = self._folder / _IDENTITY, self._folder / f"{_IDENTITY}.{os.getpid()}.new"
            with fresh.open("w") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(f"{os.urandom(_IDENTITY_BYTES).hex()}\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                if path.exists() and not self.identity():  # empty: of no use
                    path.unlink()
                os.link(fresh, path)
            except FileExistsError:  # another did
                continue
            finally:
                fresh.unlink(missing_ok=True)
            if self._sync:
                sync_folder(self._folder)
        return found

    def compacted(self, name: str) -> int:
        """Before what position lines may have gone, which an index of an earlier day lacks.

        Raises OSError.
        """
        return self._compacted().get(name, 0)

    def note_compacted(self, name: str, position: int) -> None:
        """Note that lines before a position go next. Raises OSError."""
        told = self._compacted()
        if position <= told.get(name, 0):
            return
        path = self._folder / COMPACTED
        fresh = path.with_name(f"{COMPACTED}.{os.getpid()}.new")
        with fresh.open("w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps({**told, name: position}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        sync_folder(self._folder)

    def _compacted(self) -> dict[str, int]:
        try:
            told = json.loads((self._folder / COMPACTED).read_text())
            return {str(name): int(position) for name, position in told.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}

    def close(self) -> None:
        """Close its files: for who does not keep it for as long as the process lasts."""
        with self._lock:
            for writer in self._writers.values():
                writer.close()
            self._writers.clear()

    def now(self) -> str:
        """The time, as the next line tells it."""
        return lines.now()

    def turn(self) -> AbstractContextManager[None]:
        """Nothing: one node has it."""
        return nullcontext()

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

    def names(self) -> list[str]:
        """Of what there are lines."""
        written = (*self._folder.glob("*.jsonl"), *self._folder.glob("*.link"))
        closed = self._folder.glob("*/*.jsonl")
        return sorted({one.stem for one in written} | {one.parent.name for one in closed})

    def append_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """Add lines as another journal has them, synced together. Raises ResourceError."""
        number = 0
        for text in texts:
            number = self.write_line(name, b"\n%b\n" % text)
        if number:
            self.sync(name, number)

    def write(self, name: str, **record: Any) -> int:
        """Add a line to the file `name`; returns its number, for `sync`. Raises ResourceError."""
        return self.write_line(name, line_of(record))

    def write_line(self, name: str, line: bytes) -> int:
        """The same with a line of `line_of`."""
        with self._lock:
            writer = self._writers.get(name)
            if writer is None:
                writer = self._writers[name] = SegmentWriter(self._folder, name, self._sync)
            try:
                writer.append(line)
            except OSError as error:
                raise self._not_written(name, error) from error
            finally:
                if writer.was_replaced:
                    self._lose(name, "its file was taken away while in use")
                    writer.was_replaced = False
            self._written[name] += 1
            number = self._written[name]
            if writer.is_full:
                try:
                    writer.close_segment()
                except OSError as error:
                    # It may have been the sync, whose failure is told once (fsync(2)).
                    self._lose(name, error.strerror or str(error))
            return number

    def sync(self, name: str, number: int) -> None:
        """See that line `number` is on the disk; one sync does for all lines before it.

        Raises ResourceError.
        """
        if not self._sync:
            return
        with self._syncing:
            if any(first <= number <= last for first, last in self._lost[name]):
                raise ResourceError("The journal cannot be written: a sync of it has failed")
            if self._synced[name] >= number:
                return
            written = self._written[name]
            try:
                os.fdatasync(self._writers[name].descriptor)
            except OSError as error:
                with self._lock:
                    self._lose(name, error.strerror or str(error))
                raise self._not_written(name, error) from error
            self._synced[name] = written

    def has_lines_of_others(self, name: str) -> bool:
        """Whether another process has written lines `name` since this one did."""
        with self._lock:
            writer = self._writers.get(name)
            return writer is not None and writer.has_lines_of_others

    def sync_lines(self, name: str) -> None:
        """See that all lines `name` that anybody has written are on the disk.

        For who writes down for good how far they go: after a power cut the journal must not be
        shorter than that. Raises OSError.
        """
        ours = self._of(name)
        for path in (ours.path, ours.link):  # a segment was synced by who closed it
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def size(self, name: str) -> int:
        """The position behind the last line of `name`. Raises ResourceError."""
        try:
            return self._of(name).extent()[1]
        except OSError as error:
            raise self._not_read(name, error) from error

    def state(self, name: str) -> object:
        """Another one wherever a line of `name` was added. Raises OSError."""
        return self._of(name).state()

    def tail(self, name: str, position: int) -> str:
        """A digest of what lies before a position; empty where that is not there."""
        return self._of(name).tail(position)

    def end_of_lines(self, name: str, start: int, most: int) -> int:
        """How far can be read from `start` on: the last line may be still to come.

        About `most` bytes are looked at. Raises ResourceError.
        """
        try:
            return self._of(name).end_of_lines(start, most)
        except OSError as error:
            raise ResourceError(f"The journal cannot be read: {error.strerror}") from error

    def pieces(self, name: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
        """From where to where whole lines lie, about `most` bytes at a time, up to byte `end`.

        What follows the last whole one is left: it may be still to come. Raises ResourceError.
        """
        while start < end:
            stop = self.end_of_lines(name, start, min(most, end - start))
            if stop == start:
                return
            yield start, stop
            start = stop

    def read(
        self, name: str, start: int = 0, end: int | None = None,
        may_be: Callable[[bytes], bool] = lambda text: True,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """The records of the file `name` from a position on, in the order of their writing.

        Of lines that `may_be` wanted, by their text. Raises ResourceError where they cannot be
        read.
        """
        lines = self._of(name).lines(start, end)
        while True:
            try:
                line = next(lines, None)
            except OSError as error:
                raise self._not_read(name, error) from error
            if line is None:
                return
            if may_be(line.text) and (record := record_of(line.text)) is not None:
                yield record

    def lines(self, name: str, start: int = 0, end: int | None = None) -> Iterator[Line]:
        """The lines of the file `name` as they are, with their positions."""
        return self._of(name).lines(start, end)

    def faults(self) -> list[str]:
        """What was done to the files that are written, behind the back of who writes them."""
        found = (Segments(self._folder, link.stem) for link in self._folder.glob("*.link"))
        return [fault for ours in found if (fault := names.fault_of(ours))]

    def _of(self, name: str) -> Segments:
        found = self._segments.get(name)
        if found is None:
            found = self._segments[name] = Segments(self._folder, name)
        return found

    def _not_written(self, name: str, error: OSError) -> ResourceError:
        words = refusal(error, self._folder / f"{name}.jsonl")
        return ResourceError(f"The journal cannot be written: {words}")

    def _not_read(self, name: str, error: OSError) -> ResourceError:
        words = refusal(error, self._folder / f"{name}.jsonl")
        return ResourceError(f"The journal cannot be read: {words}")

    def _lose(self, name: str, why: str) -> None:
        """No sync to come can tell of what is not synced by now; `_lock` is held."""
        if self._sync and self._synced[name] < self._written[name]:
            self._lost[name].append((self._synced[name] + 1, self._written[name]))
            logger.error("the last lines of journal/%s may be lost: %s", name, why)
