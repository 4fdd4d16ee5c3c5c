"""How many associations are open, and whose, counted over all workers."""

import heapq
import mmap
import struct
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from scp.runtime.shared_lock import SharedLock

_TITLE_BYTES = 16  # PS3.8 table 9-11
_ADDRESS_BYTES = 16
_PLACE_BYTES = _TITLE_BYTES + _ADDRESS_BYTES
_FREE = bytes(_TITLE_BYTES)
_NO_ADDRESS = bytes(_ADDRESS_BYTES)
# What one site has of IPv6, at least (RFC 6177): within it addresses are free to choose.
_SITE_BYTES = 8
# Of one worker: more associations than its process could serve, a thread each.
_PLACES = 4096
_TAKEN = struct.Struct("=I")  # how many of a worker's places are taken, before them
_WORKER_BYTES = _TAKEN.size + _PLACES * _PLACE_BYTES
# Longer than a worker that hangs is let live, so that who holds the lock then is gone.
_LOCK_SECONDS = 90.0


class AssociationSlots:
    """A limit shared by processes: each worker writes down the callers that it serves.

    The memory for that is made before the workers are forked.
    """

    def __init__(self, limit: int, workers: int) -> None:
        self.limit = limit
        self.workers = workers
        self._lock = SharedLock("slots", _LOCK_SECONDS)
        self._memory = mmap.mmap(-1, _WORKER_BYTES * workers)
        self.adopt(0)

    def adopt(self, worker: int) -> None:
        """Count for `worker` from now on, from nothing."""
        self.own = worker  # the number of the worker that counts here
        self._free = list(range(_PLACES))  # a heap: taken from the front, to be found soon
        self.clear(worker)

    def clear(self, worker: int) -> None:
        """Forget what a worker wrote down that has ended."""
        start = worker * _WORKER_BYTES
        self._memory[start : start + _WORKER_BYTES] = bytes(_WORKER_BYTES)

    def take(self, title: str, most: int = 0, address: str = "", most_there: int = 0) -> int | None:
        """Take a slot for a caller, who may have `most` (0: as many as there are).

        All that call from its `address` may have `most_there`; without one it is not counted so.
        Returns the slot, or None where none is left.
        """
        with self._lock.held():
            if (
                not self._free
                or self.taken() >= self.limit
                or (most and self.taken_by(title) >= most)
                or (most_there and self.taken_from(address) >= most_there)
            ):
                return None
            slot = heapq.heappop(self._free)
            self._write(slot, _name(title) + _place(address), 1)
            return slot

    def give_back(self, slot: int) -> None:
        """Give back a slot that was taken."""
        with self._lock.held():
            self._write(slot, _FREE + _NO_ADDRESS, -1)
            heapq.heappush(self._free, slot)

    def taken(self) -> int:
        """How many slots are taken, over all workers."""
        return sum(self._count(worker) for worker in range(self.workers))

    def taken_by(self, title: str) -> int:
        """How many slots a caller has, over all workers."""
        return [name for name, _ in self._held()].count(_name(title))

    def taken_from(self, address: str) -> int:
        """How many slots are taken from an address, over all workers."""
        return [place for _, place in self._held()].count(_place(address))

    def callers(self, worker: int) -> list[str]:
        """Whose slots a worker has."""
        return [name.decode("utf-8", "replace").rstrip() for name, _ in self._held_of(worker)]

    def _held(self) -> Iterator[tuple[bytes, bytes]]:
        """Title and address of each slot that is taken."""
        for worker in range(self.workers):
            yield from self._held_of(worker)

    def _held_of(self, worker: int) -> Iterator[tuple[bytes, bytes]]:
        left, at = self._count(worker), worker * _WORKER_BYTES + _TAKEN.size
        while left and at < (worker + 1) * _WORKER_BYTES:
            name = self._memory[at : at + _TITLE_BYTES]
            if name != _FREE:
                left -= 1
                yield name, self._memory[at + _TITLE_BYTES : at + _PLACE_BYTES]
            at += _PLACE_BYTES

    def _count(self, worker: int) -> int:
        count: int = _TAKEN.unpack_from(self._memory, worker * _WORKER_BYTES)[0]
        return count

    def _write(self, slot: int, held: bytes, more: int) -> None:
        start = self.own * _WORKER_BYTES
        at = start + _TAKEN.size + slot * _PLACE_BYTES
        self._memory[at : at + _PLACE_BYTES] = held
        _TAKEN.pack_into(self._memory, start, self._count(self.own) + more)


def _name(title: str) -> bytes:
    # Never free: an AE title is not only spaces.
    return title.strip().encode("utf-8", "replace")[:_TITLE_BYTES].ljust(_TITLE_BYTES)


@lru_cache(maxsize=1000)
def site(address: str) -> str:
    """What addresses are counted as: IPv4 ones as they are, of IPv6 the network of 64 bits."""
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    # An IPv4 caller of an IPv6 socket (RFC 4291 2.5.5.2).
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(parsed.packed[:_SITE_BYTES] + bytes(_SITE_BYTES))}/64"


@lru_cache(maxsize=1000)
def _place(address: str) -> bytes:
    if not address:
        return _NO_ADDRESS
    text = site(address)
    network = ip_address(text.partition("/")[0]).packed
    # Never free, and of four bytes never what is of sixteen.
    return (bytes([len(network)]) + network[:_SITE_BYTES]).ljust(_ADDRESS_BYTES, b"\0")
