"""How much is kept under superseded/ of what others have displaced, and what goes first.

Only copies of instances that are held count, and go: what was deleted is the last of its kind.
"""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.diagnostics import DataSetError, Event, Own, ResourceError
from storage.dicom.values import Uids
from storage.files.digests import digest_of_file
from storage.files.superseded import Superseded

logger = logging.getLogger(__name__)

# What was displaced so lately stays, whatever comes: somebody can still see that it was wrong.
_SAFE_SECONDS = 86400.0
# How often all of it is measured, and where it is full looked at again, at most; and so that
# this takes little of the time.
_MEASURE_SECONDS, _FREE_SECONDS, _MEASURE_RATIO = 600.0, 60.0, 50
# When it works again for the same after so long, that is another occasion to say so.
_QUIET_SECONDS = 3600.0
_MOST_TOLD = 1024
_NANOSECONDS = 1_000_000_000
# How far it goes below its share, in sixteenths, so that not each store has to see to it.
_SPARE = 16


@dataclass(frozen=True)
class Bounds:
    """How many copies of one instance are kept, and what percentage of the disk; 0: any."""

    copies: int = 0
    percent: int = 0


@dataclass(frozen=True, order=True)
class _Copy:
    since: float  # in seconds since 1970
    path: Path
    bytes: int


class SupersededLimiter:
    """Keeps the copies of one data folder within bounds; safe to use from many threads."""

    def __init__(self, superseded: Superseded, bounds: Bounds) -> None:
        self.bounds = bounds
        self._superseded = superseded
        self._lock = threading.Lock()
        self._bytes = 0  # of copies, as measured, and what came since
        self._measure_at = self._free_at = 0.0
        self._told: dict[object, float] = {}

    def make_room(self, uids: Uids, may_go: Callable[[str], bool]) -> None:
        """See that the file of an instance may be displaced, and kept.

        `may_go` tells whether copies of a study may. Raises ResourceError where there is no room.
        """
        if self.bounds.copies:
            self._bound_copies(uids, may_go)
        if self.bounds.percent:
            with self._lock:
                self._bound_bytes(uids, may_go)

    def _bound_copies(self, uids: Uids, may_go: Callable[[str], bool]) -> None:
        copies = sorted(map(_copy, self._superseded.copies_of(uids)))
        if len(copies) < self.bounds.copies:
            return
        doubles = _doubles(copies)
        self._remove(doubles, ("doubles", uids[2]), f"all but one of each: instance={uids[2]}")
        copies = [one for one in copies if one not in doubles]
        excess = len(copies) - self.bounds.copies + 1
        if excess <= 0:
            return
        # The first one stays: it is what was there before anybody replaced it.
        due = [one for one in copies[1:] if _is_old(one)][:excess] if may_go(uids[0]) else []
        self._remove(due, uids[2], f"the oldest: instance={uids[2]}")
        if len(due) < excess:
            kept = len(copies) - len(due)
            raise ResourceError(f"{kept} replaced versions of it are kept, and none may go yet")

    def _bound_bytes(self, uids: Uids, may_go: Callable[[str], bool]) -> None:
        try:
            disk = os.statvfs(self._superseded.folder)
            size = self._superseded.bytes_to_keep(uids)
        except OSError as error:
            raise ResourceError(f"Cannot read {uids[2]}.dcm: {error.strerror}") from error
        most = disk.f_blocks * disk.f_frsize * self.bounds.percent // 100
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        if used + size > most:  # else it is within its share, whatever is in it
            now = time.monotonic()
            is_full = self._bytes + size > most
            if now >= self._measure_at or (is_full and now >= self._free_at):
                self._free(most - most // _SPARE - size, may_go)
            if self._bytes + size > most:
                raise ResourceError("superseded/ has its share of the disk, and none may go yet")
        self._bytes += size

    def _free(self, wanted: int, may_go: Callable[[str], bool]) -> None:
        """Measure, and bring it down to what is wanted, as far as may be."""
        started = time.monotonic()
        copies = sorted(self._of_held())
        self._bytes = sum(one.bytes for one in copies)
        if self._bytes > wanted:
            self._bring_down(copies, wanted, may_go)
        now = time.monotonic()
        pause = (now - started) * _MEASURE_RATIO
        # What comes until then is counted.
        self._measure_at = now + max(_MEASURE_SECONDS, pause)
        self._free_at = now + max(_FREE_SECONDS, pause)

    def _bring_down(self, copies: list[_Copy], wanted: int, may_go: Callable[[str], bool]) -> None:
        first: set[tuple[Path, str]] = set()
        due: list[_Copy] = []
        left = self._bytes
        for one in copies:
            instance = one.path.parent, one.path.stem.rpartition(".")[0]
            if instance not in first:
                first.add(instance)
            elif left > wanted and _is_old(one) and may_go(one.path.parent.parent.name):
                due.append(one)
                left -= one.bytes
        self._remove(due, "", f"the oldest: more than {self.bounds.percent} % of the disk")
        self._bytes = left

    def _of_held(self) -> list[_Copy]:
        """The copies of instances that are held."""
        return [_copy(path) for path in self._superseded.walk() if self._superseded.is_held(path)]

    def _remove(self, due: list[_Copy], occasion: object, words: str) -> None:
        if not due:
            return
        for one in due:
            self._superseded.remove(one.path)
        now = time.monotonic()
        if now - self._told.get(occasion, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            logger.warning(Event("superseded copies deleted", Own(words), files=len(due)))
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[occasion] = now


def _copy(path: Path) -> _Copy:
    since = path.stem.rpartition(".")[2]
    try:
        size = path.stat().st_size
    except OSError:  # purged meanwhile
        size = 0
    return _Copy(int(since) / _NANOSECONDS if since.isdigit() else time.time(), path, size)


def _doubles(copies: list[_Copy]) -> list[_Copy]:
    """Those of which an older one has just the same content, as where two senders take turns."""
    found, seen = [], set[tuple[int, str]]()
    sizes = Counter(one.bytes for one in copies)
    for one in copies:
        if sizes[one.bytes] == 1:
            continue
        try:
            content = one.bytes, digest_of_file(one.path)
        except (OSError, DataSetError):  # whatever it is, there is no other of it
            continue
        if content in seen:
            found.append(one)
        seen.add(content)
    return found


def _is_old(one: _Copy) -> bool:
    return time.time() - one.since > _SAFE_SECONDS
