"""What the write-ahead log holds of processes that are gone, brought into journal and tree.

An entry was on the disk before Success; its line, its file and its row may be there or not, since
they are synced later. The journal decides: what it tells of the instance behind the entry's line
came later. Whose line is not there was either lost with the power, as was all that was synced
behind it, or written by who died before he wrote the line, and others may have come since.
"""

import logging
from collections.abc import Iterable
from typing import Any

from storage.archive.receiving.log import LeftSegment, LoggedEntry, left_segments
from storage.diagnostics import DataSetError, Event, ResourceError
from storage.dicom.values import Uids
from storage.files import Files, Tree
from storage.journal import RECEIPTS, journal_of, record_of

logger = logging.getLogger(__name__)

# Of a journal that is shorter by more than this something else is wrong.
_MOST_LOST_BYTES = 64 << 20

_Found = tuple[LoggedEntry, LeftSegment]


def bring_in(tree: Files) -> None:
    """Have what the log holds of processes that are gone be in its place; also while others store.

    Rows are made by who replays the journal next. Raises ResourceError: then it all stays.
    """
    try:
        with left_segments(tree.data) as left:
            if left.found:
                changed = _Bringing(Tree(tree.data, sync=True), left.found).run()
                left.remove()
                if changed:
                    words = "what was not synced before an unclean end"
                    logger.warning(Event("log brought in", words, instances=changed))
    except OSError as error:
        words = f"The log cannot be brought in: {error.strerror}"
        raise ResourceError(f"{words}: {error.filename}" if error.filename else words) from error


class _Bringing:
    """The segments that are left, all at once."""

    def __init__(self, tree: Files, segments: Iterable[LeftSegment]) -> None:
        self._tree, self._journal = tree, journal_of(tree.data, sync=True)
        self._last: dict[Uids, _Found] = {}
        for segment in segments:
            for entry in segment.entries():
                self._add(entry, segment)
        positions = [entry.position for entry, _ in self._last.values()]
        self._read_to = min(positions, default=0)
        self._end = max(positions, default=0)
        self._told: dict[Uids, list[tuple[int, bytes]]] = {}
        self._line = 0

    def run(self) -> int:
        """Bring in what is missing; of how many instances something was."""
        found = sorted(self._last.values(), key=lambda one: (one[0].position, one[0].arrived))
        changed = sum(self._bring_in(*one) for one in found)
        self._tree.sync_instances(self._last)
        if self._line:
            self._journal.sync(RECEIPTS, self._line)
        self._journal.sync_lines(RECEIPTS)
        self._journal.close()
        return changed

    def _add(self, entry: LoggedEntry, segment: LeftSegment) -> None:
        """Keep the last entry of an instance: it was new each time, so that no other is needed."""
        known = self._last.get(entry.uids)
        if known is None or _order(known[0]) < _order(entry):
            self._last[entry.uids] = entry, segment

    def _bring_in(self, entry: LoggedEntry, segment: LeftSegment) -> bool:
        with self._tree.locked(entry.uids):
            told, receipt = self._told_since(entry), entry.receipt.strip()
            is_lost = receipt not in told
            if is_lost and self._is_superseded(entry, told):
                return False
            behind = [] if is_lost else told[told.index(receipt) + 1 :]
            if is_lost or (segment.is_unsynced and not behind):
                self._write_line(entry)
            later = [record for text in behind if (record := record_of(text))]
            return self._is_placed(entry, segment, later) or is_lost

    def _is_superseded(self, entry: LoggedEntry, told: list[bytes]) -> bool:
        """Whether an entry whose line is not there was of nobody's, and others came since.

        Where its line was lost with the power, one at most can be there: that which was just being
        synced, of what was not done yet.
        """
        if len(told) != 1:
            return bool(told)
        record = record_of(told[0]) or {}
        return not record.get("withdrawn") and record.get("digest") == self._digest(entry.uids)

    def _told_since(self, entry: LoggedEntry) -> list[bytes]:
        """What the journal tells of an instance since the entry, one line each."""
        end = self._journal.size(RECEIPTS)
        for line in self._journal.lines(RECEIPTS, self._read_to, end):
            record = record_of(line.text)
            uids = _uids(record)
            # A receipt that is withdrawn alone was of no entry: these are erased.
            if uids in self._last and not (record and _is_of_one(record)):
                self._told.setdefault(uids, []).append((line.start, line.text))
        self._read_to = max(self._read_to, end)
        told = self._told.get(entry.uids, [])
        return [text for start, text in told if start >= entry.position]

    def _write_line(self, entry: LoggedEntry) -> None:
        """Have the journal tell of an instance; from the place on that its entry knows."""
        lost = self._end - self._journal.size(RECEIPTS)
        if 0 < lost <= _MOST_LOST_BYTES:
            # Positions that were seen are of nothing else; empty lines are none.
            self._journal.write_line(RECEIPTS, b"\n" * lost)
        self._line = self._journal.write_line(RECEIPTS, entry.receipt)

    def _is_placed(
        self, entry: LoggedEntry, segment: LeftSegment, later: list[dict[str, Any]]
    ) -> bool:
        """Have the file be there, unless it went; whether it was not."""
        is_gone = any(record.get("withdrawn") for record in later)
        may_be = {str(record.get("digest")) for record in later}
        if not segment.is_unsynced:
            may_be.add(entry.digest)
        digest = self._digest(entry.uids)
        if digest in may_be or (is_gone and not self._tree.holds(entry.uids)):
            return False
        self._place(entry, segment)
        return digest != entry.digest

    def _digest(self, uids: Uids) -> str:
        """The digest of the file of an instance; empty where it is not there, or damaged."""
        try:
            return self._tree.digest(uids)
        except (OSError, DataSetError):
            return ""

    def _place(self, entry: LoggedEntry, segment: LeftSegment) -> None:
        parts = entry.file_bytes(segment.file)
        path = self._tree.stage(*parts, arrived=entry.arrived, sync=False)
        self._tree.place(path, entry.uids, sync=False)


def _order(entry: LoggedEntry) -> tuple[int, int]:
    return entry.position, entry.arrived


def _uids(record: dict[str, Any] | None) -> Uids:
    """Of which instance a line is; of none where it is damaged."""
    found = record.get("uids") if record else None
    if not isinstance(found, list) or len(found) != 3:
        return "", "", ""
    return str(found[0]), str(found[1]), str(found[2])


def _is_of_one(record: dict[str, Any]) -> bool:
    """Whether a line withdraws one receipt, and not the instance."""
    return bool(record.get("withdrawn")) and record.get("digest") is not None
