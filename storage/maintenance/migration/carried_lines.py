"""Lines of a journal brought to another as they are, and how far that has come.

How far is told in the journal that is filled, of each name by two positions. Lines behind these,
which a kill has left, are those that come next, or the archive was written by others.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from storage.archive import Archive
from storage.diagnostics import FolderError, ResourceError
from storage.journal import (
    ACCEPTED,
    ENTRIES,
    MIGRATED,
    RECEIPTS,
    Journal,
    last_migration,
    line_of,
    record_of,
)
from storage.journal.segments import Line
from storage.maintenance.migration.carried_entries import BY
from storage.maintenance.migration.targets import is_new

# What is told of these is held against each other, and not brought line by line.
_OTHERWISE = {MIGRATED, ENTRIES}
# Written together, for which others wait that write.
_BATCH = 2000


class CarriedLines:
    """Those of one migration."""

    def __init__(
        self, source: Archive, there: Archive, add_lines: Callable[[str, list[bytes]], None]
    ) -> None:
        """`add_lines` has lines of a name be in the journal of the archive that is there."""
        self._from, self._to = source.journal, there.journal
        self._archive, self._add_lines = there, add_lines
        self._positions: dict[str, tuple[int, int]] = {}
        self._identity = self._from.make_identity()
        self._mapped: dict[int, int] = {}
        self.queues: list[str] = []
        self.brought = 0
        self.damaged: list[str] = []

    def begin(self, ends: dict[str, int]) -> None:
        """Take up what an earlier run has brought; have the archive be one that is being filled.

        Raises FolderError where it is another archive's, or has lines of its own.
        """
        folder = self._to.folder.parent
        last = last_migration(self._to)
        if self._identity == self._to.identity():
            raise FolderError(f"{folder}: is the archive itself")
        if not last and not is_new(self._archive):
            raise FolderError(f"{folder}: holds an archive of its own; name one that is empty")
        if last and last.get("from") != self._identity:
            raise FolderError(f"{folder}: was filled from another archive; name one that is empty")
        self._positions = {name: (one[0], one[1]) for name, one in last.get("lines", {}).items()}
        self.queues = last.get("queues", [])
        for name in sorted({*self._to.names(), *ends} - _OTHERWISE, key=_order):
            self._take_up(name, ends.get(name, 0))
        if any(line.get("by") != BY["by"] for line in self._to.read(ENTRIES)):
            raise FolderError(
                f"{folder}: the worklist of its archive was used by itself; name one that is empty"
            )

    def end_of(self, name: str) -> int:
        """Up to which position of the source they are there."""
        return self._positions.get(name, (0, 0))[0]

    def bring(self, ends: dict[str, int]) -> None:
        """Have all lines up to some positions. Raises ResourceError."""
        for name in sorted(ends, key=_order):
            batch: list[bytes] = []
            position = self.end_of(name)
            for position, text in self._carried(name, ends[name]):
                batch.append(text)
                if len(batch) == _BATCH:
                    self._add(name, batch, position)
                    batch = []
            if batch:
                self._add(name, batch, position)

    def to_come(self, ends: dict[str, int]) -> int:
        """How many lines are still to be brought. Raises ResourceError."""
        return sum(1 for name, end in ends.items() for _ in self._carried(name, end))

    def mark(self, is_complete: bool) -> None:
        """Tell how far it has come. Raises ResourceError."""
        told: dict[str, Any] = {"from": self._identity, "complete": is_complete}
        self._to.append(MIGRATED, **told, lines=self._positions, queues=self.queues)

    def tell_queues(self, digests: list[str]) -> None:
        """Tell what the forwarding queue there may hold by this migration. Raises ResourceError."""
        self.queues = digests
        self.mark(is_complete=False)

    def receipts_there(self, position: int) -> int:
        """Where the target's receipts end of which the source's end at a position.

        Both have the same ones behind it. Raises ResourceError.
        """
        behind = sum(1 for one in self._from.lines(RECEIPTS, position) if _is_text(_text(one)))
        if not behind:
            return self._to.size(RECEIPTS)
        ends = deque((one.end for one in _lines(self._to, None)), maxlen=behind + 1)
        return ends[0] if len(ends) > behind else 0

    def _add(self, name: str, texts: list[bytes], position: int) -> None:
        self._add_lines(name, texts)
        self._positions[name] = position, self._to.size(name)
        self.brought += len(texts)
        self.mark(is_complete=False)

    def _take_up(self, name: str, end: int) -> None:
        """Raises FolderError where there are lines that the source does not have."""
        there, start = self._positions.get(name, (0, 0))
        if there > end:
            raise FolderError(
                f"{self._from.folder}: {name} of this journal go less far than what was brought "
                "already, as of a backup that was put back; name another place, which is empty"
            )
        coming = self._carried(name, end)
        for line in self._to.lines(name, start):
            position, text = next(coming, (0, b""))
            if _text(line) != text:
                raise FolderError(
                    f"{self._to.folder.parent}: {name} of its journal have lines that the other "
                    "archive has not: it was used by itself; name one that is empty"
                )
            self._positions[name] = position, line.end

    def _carried(self, name: str, end: int) -> Iterator[tuple[int, bytes]]:
        """The lines that are still to be brought, with the positions behind them."""
        start = self.end_of(name)
        for line in self._from.lines(name, start, end):
            text = _text(line)
            if not _is_text(text):
                self.damaged.append(f"journal/{name}, at {line.start}: a damaged line is left out")
                continue
            yield line.end, self._acceptance(text) if name == ACCEPTED else text

    def _acceptance(self, text: bytes) -> bytes:
        """A fault that was accepted, with how far the receipts went by positions of the target."""
        record = record_of(text)
        if record is None or not isinstance(record.get("receipts"), int):
            return text
        told = {**record, "receipts": self._receipts_at(record["receipts"])}
        return line_of(told).strip(b"\n")

    def _receipts_at(self, position: int) -> int:
        """Where the target's receipts end of which the source's end at a position.

        Where nobody can tell, as behind a compaction, it is 0: of what was received at all the
        fault is told again.
        """
        if position not in self._mapped:
            self._mapped[position] = self._look_up(position)
        return self._mapped[position]

    def _look_up(self, position: int) -> int:
        found = 0
        pairs = zip_longest(_lines(self._from, position), _lines(self._to, None))
        for ours, theirs in pairs:
            if ours is None or ours.end > position:
                return found
            if theirs is None or _text(ours) != _text(theirs):
                return 0
            found = theirs.end
        return found


def _lines(journal: Journal, end: int | None) -> Iterator[Line]:
    return (one for one in journal.lines(RECEIPTS, 0, end) if _is_text(_text(one)))


def _order(name: str) -> tuple[bool, str]:
    """What is accepted tells of receipts, which are there then."""
    return name == ACCEPTED, name


def _text(line: Line) -> bytes:
    return line.text.strip(b"\0")  # of what was dropped behind it


def _is_text(text: bytes) -> bool:
    """Whether a line is one that any journal takes."""
    try:
        return b"\0" not in text and bool(text.decode())
    except UnicodeDecodeError:
        return False


def ends_of(archive: Archive) -> dict[str, int]:
    """How far the lines of each name go; what they tell of is in its place by then.

    Raises ResourceError.
    """
    try:
        with archive.tree.all_locked():
            return sizes(archive)
    except OSError as error:
        raise ResourceError(f"{error.filename}: {error.strerror}") from error


def sizes(archive: Archive) -> dict[str, int]:
    """The same, for who holds all places. Raises OSError, ResourceError."""
    journal = archive.journal
    return {name: journal.size(name) for name in journal.names() if name not in _OTHERWISE}
