"""How many associations are open, counted over all workers."""

import mmap
import struct
import threading

_COUNT = struct.Struct("=I")


class Slots:
    """A limit shared by processes: each worker counts in a place of its own.

    Made before the workers are forked. Only its worker writes a place, so there is nothing to
    lock between processes; two that take the last slot at the same moment may both get one.
    """

    def __init__(self, limit: int, workers: int) -> None:
        self.limit = limit
        self.workers = workers
        self._counts = mmap.mmap(-1, _COUNT.size * workers)
        self._own = 0
        self._lock = threading.Lock()

    def adopt(self, worker: int) -> None:
        """Count for `worker` from now on, from nothing."""
        self._own = worker
        self._write(0)

    @property
    def own(self) -> int:
        """The number of the worker that counts here."""
        return self._own

    def clear(self, worker: int) -> None:
        """Forget what a worker counted that has ended."""
        _COUNT.pack_into(self._counts, worker * _COUNT.size, 0)

    def take(self) -> bool:
        """Take a slot; False where none is free."""
        with self._lock:
            if self.taken() >= self.limit:
                return False
            self._write(self._read(self._own) + 1)
            return True

    def give_back(self) -> None:
        """Give back a slot that was taken."""
        with self._lock:
            self._write(self._read(self._own) - 1)

    def taken(self) -> int:
        """How many slots are taken, over all workers."""
        return sum(self._read(worker) for worker in range(self.workers))

    def _read(self, worker: int) -> int:
        count: int = _COUNT.unpack_from(self._counts, worker * _COUNT.size)[0]
        return count

    def _write(self, count: int) -> None:
        _COUNT.pack_into(self._counts, self._own * _COUNT.size, count)
