"""When what is held was received, and from whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from storage.dicom.values import Level, Uids
from storage.index import Index, counts
from storage.journal import RECEIPTS, Journal, receipts_of, record_of, stretches

# Stretches of the journal whose senders are remembered: each has some thousand receipts.
_REMEMBERED = 64
# Of a study's receipts the last ones have its newest instance: read backwards, and not all of many.
_MOST_BYTES = 32 << 20
_STEP_BYTES, _MOST_STEPS, _LINE_BYTES = 64 << 10, 32, 4 << 10


@dataclass
class SenderShare:
    """What came from one sender: instances as often as they came; times of first and last."""

    sender: str
    instances: int = 0
    bytes: int = 0
    first: str = ""
    last: str = ""

    def add(self, receipt: Mapping[str, Any]) -> None:
        """Count a receipt; they come in the order of their writing."""
        self.instances += 1
        self.bytes += int(receipt.get("bytes", 0))
        self.last = str(receipt.get("at", ""))
        self.first = self.first or self.last

    @property
    def rate(self) -> float:
        """Bytes a second from the first receipt to the last; 0 where they are no second apart."""
        try:
            ends = (datetime.fromisoformat(one) for one in (self.first, self.last))
            seconds = -next(ends).timestamp() + next(ends).timestamp()
        except ValueError:
            return 0
        return self.bytes / seconds if seconds >= 1 else 0


class _All:
    """Whatever is asked for is in it."""

    def __contains__(self, uids: object) -> bool:
        return True


class Origins:
    """Looks it up, entity by entity, by their rows of the index. Raises ResourceError."""

    def __init__(self, index: Index, journal: Journal) -> None:
        self._index, self._journal = index, journal
        self._senders_in = lru_cache(_REMEMBERED)(self._read)

    def received(self, level: Level, row_id: int) -> counts.ReceivedShare:
        """How much came, and when."""
        return counts.received(self._index, level, row_id)

    def senders(self, level: Level, row_id: int) -> list[str]:
        """The AE titles that it came from: of an instance that came again, the last one."""
        instances = counts.instances(self._index, level, row_id)
        by_instance: dict[Uids, str] = {}
        for stretch in stretches(self._journal, {uids[0] for uids in instances}):
            by_instance |= self._senders_in(*stretch)
        found = dict.fromkeys(by_instance.get(uids, "") for uids in instances)
        return sorted(sender for sender in found if sender)

    def last_sender(self, uids: Uids) -> str:
        """Whom an instance came from that is the last of its study; empty where that is not found.

        It decodes that one line.
        """
        mark = f'"{uids[2]}"'.encode()
        steps = _MOST_STEPS
        for start, end in reversed(stretches(self._journal, {uids[0]})):
            stop = self._journal.size(RECEIPTS) if end is None else end
            while stop > start and steps:
                first, steps = max(start, stop - _STEP_BYTES), steps - 1
                lines = [one.text for one in self._journal.lines(RECEIPTS, first, stop)
                         if mark in one.text]  # fmt: skip
                told = (record_of(text) or {"withdrawn": True} for text in reversed(lines))
                if found := next((one for one in told if not one.get("withdrawn")), None):
                    return str(found.get("sender", ""))
                stop = first + _LINE_BYTES if first > start else start
        return ""

    def shares(self, study: str) -> tuple[list["SenderShare"], bool]:
        """What came of a study, by sender, the last to begin last; and whether that is all of it.

        Of a large one the journal is read for its first part alone.
        """
        found: dict[str, SenderShare] = {}
        mark, left = f'"uids":["{study}"'.encode(), _MOST_BYTES
        for start, end in stretches(self._journal, {study}):
            for line in self._journal.lines(RECEIPTS, start, end):
                left -= len(line.text)
                if left < 0:
                    return list(found.values()), False
                told = (record_of(line.text) or {}) if mark in line.text else {}
                if told and not told.get("withdrawn"):
                    sender = str(told.get("sender", ""))
                    found.setdefault(sender, SenderShare(sender)).add(told)
        return list(found.values()), True

    def _read(self, start: int, end: int | None) -> dict[Uids, str]:
        receipts = receipts_of(self._journal, _All(), start, end)
        return {uids: held[-1].sender for uids, held in receipts.items() if held}
