"""Bytes that processes share: memory, or space on the disk; no more are taken than there are."""

import mmap
import os
import struct
import time
from collections.abc import Callable

from scp.runtime import SharedLock

# Of a process: its id, what it has taken, and since when it waits for more (0: it does not).
_ROW = struct.Struct("=qqd")
# The sum over all rows, before them.
_SUM = struct.Struct("=q")
# More than there are workers (256), with the forwarder.
_ROWS = 320
_BYTES = _SUM.size + _ROW.size * _ROWS
# What is kept for those that take little: a part of all, so that no large one takes it all.
_KEPT = 16
_LOOK_SECONDS = 0.01
# Holding the lock takes microseconds; it is gone with who is killed.
_LOCK_SECONDS = 30.0


class Shares:
    """An amount that processes take from, each written down by who has it.

    Made before the processes are forked; what one had that is no more, is free again.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = SharedLock("shares", _LOCK_SECONDS)
        # Of no file: a process whose files may not grow has memory all the same.
        self._memory = mmap.mmap(-1, _BYTES)
        self._row: int | None = None
        self._taken = 0
        self._claims: set[float] = set()
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    @property
    def most(self) -> int:
        """What one that is not small may have."""
        return self.limit - self.limit // _KEPT

    def take(self, amount: int, small: bool, check: Callable[[], None]) -> None:
        """Take so much, after those who have waited longer; a small one need not wait for them.

        `check` is called while it waits, and ends that by raising.
        """
        claim = time.monotonic()
        try:
            while not self._try(amount, self.limit if small else self.most, 0 if small else claim):
                check()
                time.sleep(_LOOK_SECONDS)
        finally:
            if claim in self._claims:
                with self._lock.held():
                    self._claims.discard(claim)
                    self._write(0)

    def take_at_once(self, amount: int) -> bool:
        """Take so much, as a small one; False where that is not to be had now."""
        return self._try(amount, self.limit, 0)

    def give_back(self, amount: int) -> None:
        """Give back what was taken."""
        with self._lock.held():
            self._write(-amount)

    def taken(self) -> int:
        """How much is taken, over all processes that there are."""
        with self._lock.held():
            self._clear_dead()
            return self._sum

    def _try(self, amount: int, most: int, claim: float) -> bool:
        """`claim` is since when a large one waits, 0 of a small one."""
        with self._lock.held():
            fits = self._sum + amount <= most
            # Only where it is not clear that it may have it, the rows of others are looked at.
            if not fits or claim:
                self._clear_dead()
                waiting = [since for _, _, since in self._rows() if since]
                first = not claim or claim <= min([*waiting, *self._claims, claim])
                fits = first and self._sum + amount <= most
            if fits:
                self._claims.discard(claim)
                self._write(amount)
            elif claim and claim not in self._claims:
                self._claims.add(claim)
                self._write(0)
            return fits

    @property
    def _sum(self) -> int:
        total: int = _SUM.unpack_from(self._memory)[0]
        return total

    def _rows(self) -> list[tuple[int, int, float]]:
        return list(_ROW.iter_unpack(self._memory[_SUM.size :]))

    def _clear_dead(self) -> None:
        """Clear the rows of processes that have ended, and sum up anew."""
        total = 0
        for number, (process, taken, _) in enumerate(self._rows()):
            if process and not os.path.exists(f"/proc/{process}"):
                _ROW.pack_into(self._memory, _SUM.size + number * _ROW.size, 0, 0, 0.0)
            else:
                total += taken
        _SUM.pack_into(self._memory, 0, total)

    def _write(self, more: int) -> None:
        """Bring the row of this process up to date; it is found where it has none yet."""
        if self._row is None:
            self._clear_dead()
            self._row = next(number for number, row in enumerate(self._rows()) if not row[0])
        self._taken += more
        since = min(self._claims, default=0.0)
        at = _SUM.size + self._row * _ROW.size
        _ROW.pack_into(self._memory, at, os.getpid(), self._taken, since)
        _SUM.pack_into(self._memory, 0, self._sum + more)

    def _begin(self) -> None:
        """Count for this process from now on, from nothing."""
        self._row, self._taken, self._claims = None, 0, set()
