"""The log of one process: entries written, and segments brought to the tree's disk and used again.

A thread of its own, which there is once something was stored, makes segments before they are
needed and syncs what the entries of a full one speak of. Where the log takes nothing, for whatever
reason, the caller syncs as for any other instance.
"""

import errno
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from storage.archive.receiving.log.entries import Entry
from storage.archive.receiving.log.segment import FIRST_BYTES, SEGMENT_BYTES, Segment, made_in
from storage.diagnostics import ArchiveError, Event
from storage.files import Files
from storage.journal import RECEIPTS, Journal

logger = logging.getLogger(__name__)

# What is written is synced, and its segment used anew, so many seconds after its first entry.
CHECKPOINT_SECONDS = 5.0
# A process has no more of them: where stores are faster than the disk they wait for it themselves.
_MOST_SEGMENTS = 5
# What has to stay free on the disk beside a new segment, and how soon it is asked again.
_ROOM_BYTES = 64 << 20
_RETRY_SECONDS = 10.0
# How long the end of a process waits for what is under way; the next start sees to the rest.
_END_SECONDS = 4.0


class Place:
    """An entry that is on the disk while its instance is put in place, in a block.

    To be told under which `line` its receipt is in the journal. Taken back where the block fails.
    """

    def __init__(self, log: "WriteAheadLog", entry: Entry, segment: Segment, offset: int) -> None:
        self._log, self.entry, self.segment = log, entry, segment
        self._offset = offset
        self.line = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        try:
            if isinstance(error, ArchiveError):
                self.erase()
        finally:
            self._log.settle(self)

    def erase(self) -> None:
        """Take it back, durably."""
        try:
            self.segment.erase(self._offset)
        except OSError as error:
            logger.error(Event("log entry not taken back", error.strerror))


class WriteAheadLog:
    """Safe to use from many threads; of no use in a process that was forked from its own."""

    def __init__(self, data: Path, journal: Journal, files: Files) -> None:
        self._folder, self._journal, self._files = data / "log", journal, files
        self._process = os.getpid()
        self._changed = threading.Condition()  # holds all below
        self._thread: threading.Thread | None = None
        self._active: Segment | None = None
        self._spares: list[Segment] = []
        self._full: list[Segment] = []
        self._numbers = itertools.count()
        self._lives = 0  # those that this process has made
        self._is_wanted = self._has_failed = self._ends = False
        self._next_try = 0.0
        self.free_bytes = 0  # what has to stay free on the disk

    def close(self) -> None:
        """Have nothing left to be brought in, as far as that takes no long time."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
            thread = self._thread
        if thread:
            thread.join(_END_SECONDS)

    def enter(self, entry: Entry) -> Place | None:
        """Have an entry on the disk; None: it takes none now. The place is to be entered."""
        with self._changed:
            segment = self._segment_for(entry)
            if segment is None:
                return None
            is_first = not segment.is_used
            offset = segment.take(entry)
            if is_first:
                segment.since = time.monotonic()
                self._changed.notify_all()  # from now on something is due
        try:
            segment.write(entry, self._journal.size(RECEIPTS), offset)
        except (ArchiveError, OSError) as error:
            if isinstance(error, OSError):
                self._refuse_more(f"cannot be written: {error.strerror}")
            with self._changed:
                segment.under_way -= 1
                self._changed.notify_all()
            return None
        return Place(self, entry, segment, offset)

    def settle(self, place: Place) -> None:
        """An entry's instance is in its place, or it was taken back."""
        segment = place.segment
        with self._changed:
            if place.line:
                segment.instances.append(place.entry.uids)
                segment.lines.append(place.line)
            segment.under_way -= 1
            if not segment.under_way and segment is not self._active:
                self._changed.notify_all()

    def _segment_for(self, entry: Entry) -> Segment | None:
        """The one to write to; without one it is asked for. The lock is held."""
        if self._ends or self._has_failed or self._process != os.getpid():
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        if self._active and not self._active.has_room(entry):
            self._rotate()
        if self._active is None and self._spares:
            self._active = self._spares.pop()
        self._ask_for_more()
        return self._active

    def _ask_for_more(self) -> None:
        """Have a segment made before it is needed. The lock is held."""
        is_near = self._active is None or self._active.is_nearly_full
        if self._is_wanted or not is_near or self._spares or self._lives >= _MOST_SEGMENTS:
            return
        if time.monotonic() >= self._next_try:
            self._is_wanted = True
            self._changed.notify_all()

    def _rotate(self) -> None:
        """Have what was written be synced, and another segment be written."""
        if self._active and self._active.is_used:
            self._full.append(self._active)
            self._active = None
            self._changed.notify_all()

    def _run(self) -> None:
        """Make segments and sync them, until the end."""
        while True:
            with self._changed:
                while not (work := self._due()):
                    self._changed.wait(self._seconds())
                segment = self._full.pop(0) if work == self._sync else None
            if segment:
                self._sync(segment)
            elif work == self._make:
                self._make()
            else:
                break
        for spare in self._spares:
            spare.remove()
        self._spares.clear()

    def _due(self) -> Callable[..., None] | None:
        """What is to be done now, if anything; the lock is held."""
        is_last = self._ends or self._has_failed
        if self._active and (is_last or self._seconds() == 0):
            self._rotate()
        if self._is_wanted and not is_last:
            return self._make
        if self._full:
            return self._sync
        return self.close if is_last else None

    def _seconds(self) -> float | None:
        """How long nothing is due, unless somebody stores; None: without an end."""
        if self._active is None or not self._active.is_used:
            return None
        return max(self._active.since + CHECKPOINT_SECONDS - time.monotonic(), 0)

    def _make(self) -> None:
        """Make a segment, where there is room."""
        self._is_wanted = False
        try:
            room = self._files.free_bytes() - SEGMENT_BYTES - self.free_bytes
            if room < _ROOM_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            size = SEGMENT_BYTES if self._lives else FIRST_BYTES
            made = made_in(self._folder, next(self._numbers), size)
        except (ArchiveError, OSError) as error:
            logger.debug("no segment of the log: %s", error)
            self._next_try = time.monotonic() + _RETRY_SECONDS
            return
        with self._changed:
            self._lives += 1
            self._spares.append(made)

    def _sync(self, segment: Segment) -> None:
        """Have all that its entries speak of be on the disk, and the segment be free."""
        with self._changed:
            self._changed.wait_for(lambda: not segment.under_way)
        try:
            self._files.sync_instances(segment.instances)
            for line in segment.lines:
                self._journal.sync(RECEIPTS, line)
            segment.begin()
        except (ArchiveError, OSError) as error:
            self._refuse_more(f"what it holds is not on the disk: {error}")
            segment.leave()
            return
        with self._changed:
            self._spares.append(segment)
            self._changed.notify_all()

    def _refuse_more(self, why: str) -> None:
        """A sync that failed may not be believed when it does not fail again (fsync(2))."""
        words = "the log is not used any more, until the process ends"
        logger.error(Event(words, why))
        with self._changed:
            self._has_failed = True
            self._changed.notify_all()
