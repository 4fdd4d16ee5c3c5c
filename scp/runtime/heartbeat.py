"""Signs of life: each worker counts up, and the supervisor sees whether it still does."""

import mmap
import struct
import time
from collections import Counter

# How often a worker that serves counts up, and the supervisor looks.
BEAT_SECONDS = 5.0
# After so many looks at the same count a worker hangs; one that is starting has longer.
LOOKS, START_LOOKS = 6, 60

_COUNT = struct.Struct("=I")
_MILLISECOND = 1_000_000


class Heartbeats:
    """Memory shared by processes, made before they are forked: a place for each worker."""

    def __init__(self, workers: int) -> None:
        self._counts = mmap.mmap(-1, _COUNT.size * workers)
        self._own = 0

    def adopt(self, worker: int) -> None:
        """Count for `worker` from now on."""
        self._own = worker

    def beat(self) -> None:
        """Show that this worker is alive."""
        # 0 is for one that does not serve yet. One that was started anew begins elsewhere: who has
        # seen the one before, and not that it ended, sees that another count is there.
        count = self.of(self._own) or time.monotonic_ns() // _MILLISECOND
        self._write(self._own, count % 0xFFFF_FFFF + 1)

    def clear(self, worker: int) -> None:
        """Begin again, for a worker that was started anew."""
        self._write(worker, 0)

    def of(self, worker: int) -> int:
        """The count of a worker; 0 until it serves."""
        count: int = _COUNT.unpack_from(self._counts, worker * _COUNT.size)[0]
        return count

    def _write(self, worker: int, count: int) -> None:
        _COUNT.pack_into(self._counts, worker * _COUNT.size, count)


class HangDetector:
    """What the supervisor has seen of the workers' counts.

    Looks are counted, not seconds: where the whole machine was paused, or the whole node, no
    worker is to blame.
    """

    def __init__(self, beats: Heartbeats) -> None:
        self._beats = beats
        self._seen: dict[int, int] = {}
        self._same: Counter[int] = Counter()

    def forget(self, worker: int) -> None:
        """Begin again, for a worker that ended."""
        self._beats.clear(worker)
        self._seen.pop(worker, None)
        self._same.pop(worker, None)

    def hangs(self, worker: int) -> bool:
        """Look once; whether the count was the same for too long."""
        count = self._beats.of(worker)
        self._same[worker] = self._same[worker] + 1 if self._seen.get(worker) == count else 0
        self._seen[worker] = count
        return self._same[worker] >= (LOOKS if count else START_LOOKS)
