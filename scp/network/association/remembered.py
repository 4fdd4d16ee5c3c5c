"""Negotiations remembered: the same request from the same address is answered by the same bytes.

Many modalities open an association for each instance, and say the same each time. What decides an
answer beside the request and the address are the settings, so that with these a new memory begins.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

# Of A-ASSOCIATE-RQ PDUs, in all; the objects that they are decoded to take some 30 times as much.
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Negotiation:
    """A request that was accepted, and the answer. Associations share it: nobody changes it."""

    request: A_ASSOCIATE
    acceptance: A_ASSOCIATE
    calling_title: str
    oddities: str  # of the request, for the log
    accepted: Mapping[int, PresentationContext]
    rejected: Sequence[PresentationContext]

    @cached_property
    def answer(self) -> bytes:
        """The A-ASSOCIATE-AC PDU."""
        return A_ASSOCIATE_AC(self.acceptance).encode()


class Negotiations:
    """Those of one worker under one configuration, by the request's bytes and the address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[bytes, str], Negotiation] = OrderedDict()
        self._bytes = 0

    def find(self, request: bytes, address: str) -> Negotiation | None:
        """What became of the same request from the same address, if that is known."""
        key = request, address
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def remember(self, request: bytes, address: str, negotiation: Negotiation) -> None:
        """Keep one; those that were not asked for the longest make room."""
        if len(request) > _MOST_BYTES // 4:
            return
        with self._lock:
            if (request, address) in self._held:
                return
            self._held[request, address] = negotiation
            self._bytes += len(request)
            while self._bytes > _MOST_BYTES:
                (oldest, _), _ = self._held.popitem(last=False)
                self._bytes -= len(oldest)
