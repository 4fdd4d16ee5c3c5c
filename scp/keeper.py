"""The index, kept close to the journal while the workers serve.

It is settled every minute, and caught up where a process left something half-done.
"""

import logging
import os
import signal
import time
from pathlib import Path

from scp import child, log
from storage import catch_up, is_settled, settle
from storage import received as received_bytes
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)

# How often the index is brought to the disk, where anything was received.
_SETTLE_SECONDS = 60.0
# How soon it is tried again to catch the index up.
_RETRY_SECONDS = 30.0


class Keeper:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._received = received_bytes(data)
        # How often a process left something half-done, and how much of that was caught up.
        self._left, self._caught_up = int(not is_settled(data)), 0
        self._process, self._will_have = 0, 0  # that does it, and how much it will be then
        self._next_try = 0.0
        self._next_settle = time.monotonic() + _SETTLE_SECONDS

    def left_behind(self) -> None:
        """Note that a worker was killed: the index may lack what it had in hand."""
        self._left += 1
        self._next_try = 0.0

    def tend(self, charset: str) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._process:
            self._reap()
        elif self._is_behind and self._next_try <= now:
            self._next_try, self._will_have = now + _RETRY_SECONDS, self._left
            work = "index not caught up yet"
            self._process = child.fork(work, lambda: catch_up(self._data, charset))
        if self._next_settle <= now:
            self._next_settle = now + _SETTLE_SECONDS
            # Whose receipt was there a minute ago has its row by now.
            before, self._received = self._received, received_bytes(self._data)
            self._settle(before)

    def end(self) -> None:
        """Settle the index for good, once nobody stores any more."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._settle()

    @property
    def _is_behind(self) -> bool:
        return self._left != self._caught_up

    def _reap(self) -> None:
        found, status = os.waitpid(self._process, os.WNOHANG)
        if found:
            self._process = 0
            self._caught_up = self._caught_up if status else self._will_have

    def _settle(self, end: int | None = None) -> None:
        """Have a start after an unclean end read as little of the journal as can be."""
        if self._is_behind:
            return  # else that start would not look at what is left to do
        try:
            settle(self._data, end)
        except (OSError, ArchiveError) as error:
            logger.warning("the index is not settled: %s", log.one_line(error))
