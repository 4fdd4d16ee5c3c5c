"""How many associations are open, and whose, counted over all workers."""

import heapq
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from storage.locks import lock, unlock

_TITLE_BYTES = 16  # PS3.8 table 9-11
_FREE = bytes(_TITLE_BYTES)
# Of one worker: more associations than its process could serve, a thread each.
_PLACES = 4096
_TAKEN = struct.Struct("=I")  # how many of a worker's places are taken, before them
_WORKER_BYTES = _TAKEN.size + _PLACES * _TITLE_BYTES
# Longer than a worker that hangs is let live, so that who holds the lock then is gone.
_LOCK_SECONDS = 90.0


class Slots:
    """A limit shared by processes: each worker writes down the callers that it serves.

    The memory for that is made before the workers are forked.
    """

    def __init__(self, limit: int, workers: int) -> None:
        self.limit = limit
        self.workers = workers
        self._file = os.memfd_create("minipacs-slots")
        os.ftruncate(self._file, _WORKER_BYTES * workers)
        self._memory = mmap.mmap(self._file, _WORKER_BYTES * workers)
        self._lock = threading.Lock()
        self.adopt(0)

    def adopt(self, worker: int) -> None:
        """Count for `worker` from now on, from nothing."""
        self.own = worker  # the number of the worker that counts here
        # Opened anew: a lock is of an open file, which a fork would share.
        self._descriptor = os.open(f"/proc/self/fd/{self._file}", os.O_RDWR | os.O_CLOEXEC)
        self._free = list(range(_PLACES))  # a heap: taken from the front, to be found soon
        self.clear(worker)

    def clear(self, worker: int) -> None:
        """Forget what a worker wrote down that has ended."""
        start = worker * _WORKER_BYTES
        self._memory[start : start + _WORKER_BYTES] = bytes(_WORKER_BYTES)

    def take(self, title: str, most: int = 0) -> int | None:
        """Take a slot for a caller, who may have `most` (0: as many as there are).

        Returns the slot, or None where none is left.
        """
        with self._alone():
            full = not self._free or self.taken() >= self.limit
            if full or (most and self.taken_by(title) >= most):
                return None
            slot = heapq.heappop(self._free)
            self._write(slot, _name(title), 1)
            return slot

    def give_back(self, slot: int) -> None:
        """Give back a slot that was taken."""
        with self._alone():
            self._write(slot, _FREE, -1)
            heapq.heappush(self._free, slot)

    def taken(self) -> int:
        """How many slots are taken, over all workers."""
        return sum(self._count(worker) for worker in range(self.workers))

    def taken_by(self, title: str) -> int:
        """How many slots a caller has, over all workers."""
        name, found = _name(title), 0
        for worker in range(self.workers):
            left, at = self._count(worker), worker * _WORKER_BYTES + _TAKEN.size
            while left and at < (worker + 1) * _WORKER_BYTES:
                held = self._memory[at : at + _TITLE_BYTES]
                left -= held != _FREE
                found += held == name
                at += _TITLE_BYTES
        return found

    def callers(self, worker: int) -> list[str]:
        """Whose slots a worker has."""
        start = worker * _WORKER_BYTES + _TAKEN.size
        places = (start + place * _TITLE_BYTES for place in range(_PLACES))
        held = (self._memory[at : at + _TITLE_BYTES] for at in places)
        return [name.decode("utf-8", "replace").rstrip() for name in held if name != _FREE]

    def _count(self, worker: int) -> int:
        count: int = _TAKEN.unpack_from(self._memory, worker * _WORKER_BYTES)[0]
        return count

    def _write(self, slot: int, name: bytes, more: int) -> None:
        start = self.own * _WORKER_BYTES
        at = start + _TAKEN.size + slot * _TITLE_BYTES
        self._memory[at : at + _TITLE_BYTES] = name
        _TAKEN.pack_into(self._memory, start, self._count(self.own) + more)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off the other threads and processes: of two, one gets the last slot."""
        with self._lock:
            lock(self._descriptor, 0, time.monotonic() + _LOCK_SECONDS)
            try:
                yield
            finally:
                unlock(self._descriptor, 0)


def _name(title: str) -> bytes:
    # Never free: an AE title is not only spaces.
    return title.strip().encode("utf-8", "replace")[:_TITLE_BYTES].ljust(_TITLE_BYTES)
