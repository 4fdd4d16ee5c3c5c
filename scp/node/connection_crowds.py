"""Connections that have not become associations yet: bounded for each address."""

import socket
import threading
import weakref
from collections import defaultdict
from contextlib import suppress
from typing import cast

from scp.network.association import NodeACSE, NodeAssociation
from scp.runtime import site

# Of one address, at one worker. One that opens more loses those that it opened first: who calls in
# earnest asks for its association at once, and is not among them.
MOST = 1000
# Addresses after which those that have none any more are forgotten.
_ADDRESSES = 1000


class Crowds:
    """Those of one worker, by the address that they come from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Weakly: an association that has ended is not to be held in memory for its count.
        self._of: defaultdict[str, list[weakref.ref[NodeAssociation]]] = defaultdict(list)

    def add(self, address: str, association: NodeAssociation) -> None:
        """Count one more; where that makes too many, the oldest gives way."""
        with self._lock:
            if len(self._of) > _ADDRESSES:
                self._forget()
            held = self._of[site(address)]
            held.append(weakref.ref(association))
            if len(held) > MOST:
                held[:] = [one for one in held if one() is association or _is_undecided(one())]
            oldest = held.pop(0)() if len(held) > MOST else None
        if oldest:
            _give_way(oldest)

    def _forget(self) -> None:
        for address, held in list(self._of.items()):
            if not any(_is_undecided(one()) for one in held):
                del self._of[address]


def _is_undecided(association: NodeAssociation | None) -> bool:
    """Whether the connection is open, and no association yet."""
    if association is None:
        return False
    accepted = cast(NodeACSE, association.acse).slot is not None
    return association.is_alive() and not accepted and not association.is_rejected


def _give_way(association: NodeAssociation) -> None:
    """Have the connection end, which others from its address take the place of."""
    association.refused("asks for no association, and its address has opened too many others")
    connection = association.dul.socket.socket if association.dul.socket else None
    if connection is not None:
        with suppress(OSError):  # it has just ended
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not by TLS: that would wait
