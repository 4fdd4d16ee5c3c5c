"""Answers that are asked for again: their bodies, by entity tags, as long as there is room."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

# Of a process; and of one answer, beyond which it is as quickly made as it is sent.
_MOST_BYTES, _MOST_OF_ONE = 32 << 20, 8 << 20


class KeptAnswers:
    """The bodies that were asked for last. Safe to use from many threads.

    An entity tag tells all that a body depends on, so that nothing need be forgotten in time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: OrderedDict[str, list[bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, tag: str) -> list[bytes] | None:
        """The pieces of a body; None where it is not kept."""
        with self._lock:
            if tag in self._bodies:
                self._bodies.move_to_end(tag)
            return self._bodies.get(tag)

    def keeping(self, tag: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, which are kept once the last one was taken."""
        held: list[bytes] = []
        size = 0
        for piece in pieces:
            yield piece
            size += len(piece)
            if size <= _MOST_OF_ONE:
                held.append(piece)
        if size <= _MOST_OF_ONE:
            self._keep(tag, held, size)

    def _keep(self, tag: str, held: list[bytes], size: int) -> None:
        with self._lock:
            if tag in self._bodies:
                return
            self._bodies[tag] = held
            self._bytes += size
            while self._bytes > _MOST_BYTES:
                _, gone = self._bodies.popitem(last=False)
                self._bytes -= sum(map(len, gone))
