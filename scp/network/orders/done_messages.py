"""The messages that were done last: one that comes again is not done again.

Who sends a message and gets no answer, as from a node that was just started anew, sends it again,
perhaps behind others: an order that was taken back meanwhile must not stand again. So their digests
lie in the journal.
"""

import hashlib
import threading

from storage.journal import ORDERS, Journal

MOST = 10_000
# Of the end of the journal's lines this is read at a start, and more until there are so many: lines
# of others may lie between.
_READ_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20
_MARK_BYTES = 16


class DoneMessages:
    """Messages that were accepted, by a digest of their bytes; safe to use from many threads.

    Those that other nodes have accepted, where several have the archive, are among them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._marks: dict[str, None] = {}  # in the order in which they came
        self._position = -1  # up to which they are read; -1: nothing is

    def has(self, message: bytes) -> bool:
        """Whether it was done before. Raises ResourceError."""
        with self._lock:
            end = self._journal.size(ORDERS)
            if self._position < 0:
                self._begin(end)
            self._read(self._position, end)
            return _mark(message) in self._marks

    def add(self, message: bytes) -> None:
        """Note that it was done: that is on the disk then. Raises ResourceError."""
        self._journal.append(ORDERS, message=_mark(message))

    def _begin(self, end: int) -> None:
        width = _READ_BYTES
        while True:
            self._marks = {}
            self._read(max(0, end - width), end)
            if len(self._marks) >= MOST or width >= end:
                return
            width *= 4

    def _read(self, start: int, end: int) -> None:
        """Read on from a position, which may lie amid a line."""
        self._position = start
        for begin, stop in self._journal.pieces(ORDERS, start, end, _PIECE_BYTES):
            for line in self._journal.read(ORDERS, begin, stop):
                if isinstance(mark := line.get("message"), str):
                    self._marks[mark] = None
            while len(self._marks) > MOST:
                del self._marks[next(iter(self._marks))]
            self._position = stop


def _mark(message: bytes) -> str:
    return hashlib.sha256(message).digest()[:_MARK_BYTES].hex()
