"""The journal compacted by the node itself, once a day."""

import logging
import os
import signal
import time

from scp.config import Settings
from scp.node.acts.opening import opened
from scp.node.upkeep.index_keeper import IndexKeeper
from scp.runtime import child
from storage.diagnostics import Event
from storage.maintenance.compaction import compact, is_worth_a_look

logger = logging.getLogger(__name__)

# How soon after a start, and how often from then on.
_FIRST_SECONDS = 3600.0
_EVERY_SECONDS = 86400.0


class Compactor:
    """Has a process of its own do it; the supervisor calls `tend` every few seconds."""

    def __init__(self, keeper: IndexKeeper) -> None:
        self._keeper = keeper
        self._process = 0
        self._due = time.monotonic() + _FIRST_SECONDS

    def tend(self, settings: Settings) -> None:
        """Do what is due."""
        if self._process and os.waitpid(self._process, os.WNOHANG)[0]:
            self._process = 0
        now = time.monotonic()
        if self._process or self._due > now or not self._keeper.is_whole:
            return
        self._due = now + _EVERY_SECONDS
        if is_worth_a_look(settings.storage.path):
            self._process = child.fork("journal not compacted", lambda: _compact(settings))

    def end(self) -> None:
        """Have it end at once: each segment is as it was, or done."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _compact(settings: Settings) -> None:
    child.be_nice()
    with opened(settings) as archive:
        done = compact(archive)
    if done.segments:
        words = "journal compacted"
        logger.info(Event(words, segments=done.segments, lines=done.lines, bytes=done.bytes))
    if done.stopped:
        logger.info("journal: %s", done.stopped)
