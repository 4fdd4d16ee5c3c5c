"""The messages that were done last: one that comes again is not done again.

Who sends a message and gets no answer, as from a node that was just started anew, sends it again,
perhaps behind others: an order that was taken back meanwhile must not stand again. So their digests
lie in the journal.
"""

import hashlib
import threading

from storage.journal import ORDERS, Journal

MOST = 10_000
# Of the end of the journal's lines this is read at a start: more than so many take.
_READ_BYTES = 4 << 20
_MARK_BYTES = 16


class DoneMessages:
    """Messages that were accepted, by a digest of their bytes; safe to use from many threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._marks: dict[str, None] | None = None  # in the order in which they came

    def has(self, message: bytes) -> bool:
        """Whether it was done before. Raises ResourceError."""
        with self._lock:
            return _mark(message) in self._read()

    def add(self, message: bytes) -> None:
        """Note that it was done: that is on the disk then. Raises ResourceError."""
        with self._lock:
            marks = self._read()
            self._journal.append(ORDERS, message=_mark(message))
            _add(marks, _mark(message))

    def _read(self) -> dict[str, None]:
        if self._marks is None:
            marks: dict[str, None] = {}
            start = max(0, self._journal.size(ORDERS) - _READ_BYTES)
            for line in self._journal.read(ORDERS, start):
                if isinstance(mark := line.get("message"), str):
                    _add(marks, mark)
            self._marks = marks
        return self._marks


def _mark(message: bytes) -> str:
    return hashlib.sha256(message).digest()[:_MARK_BYTES].hex()


def _add(marks: dict[str, None], mark: str) -> None:
    marks[mark] = None
    if len(marks) > MOST:
        del marks[next(iter(marks))]
