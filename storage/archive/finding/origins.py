"""When what is held was received, and from whom."""

from functools import lru_cache

from storage.dicom.values import Level, Uids
from storage.index import Index, counts
from storage.journal import Journal, receipts_of, stretches

# Stretches of the journal whose senders are remembered: each has some thousand receipts.
_REMEMBERED = 64


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

    def _read(self, start: int, end: int | None) -> dict[Uids, str]:
        receipts = receipts_of(self._journal, _All(), start, end)
        return {uids: held[-1].sender for uids, held in receipts.items() if held}
