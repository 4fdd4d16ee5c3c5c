"""The index and the journal's catalogue, kept close to the journal while the workers serve.

The index is settled every minute, caught up where a process left something half-done, and made
anew where it is not whole. What takes long is done by a process of its own.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from scp.node.upkeep.key_filler import KeyFiller
from scp.runtime import REFUSALS, Attempts, child, log
from storage import catch_up, is_settled, settle_index
from storage import received as received_bytes
from storage.diagnostics import Event
from storage.index import index_path, is_loose, shrink
from storage.journal import journal_of, keep_near
from storage.maintenance.changes import catch_up_corrections, correction
from storage.maintenance.recovery import is_left_behind, rebuild

logger = logging.getLogger(__name__)

CATALOGUE = "catalogue"  # the name of the process that reads for it
# Between two parts that are read: others get their turn to write the catalogue.
_PAUSE_SECONDS = 0.02

# How often the index is brought to the disk, where anything was received.
_SETTLE_SECONDS = 60.0
# How soon what failed is tried again.
_RETRY_SECONDS = 30.0
_RETRY_CATALOGUE_SECONDS = 600.0
# How long the making of an index is waited for; larger ones are made while the workers serve.
_WAIT_SECONDS = 5.0
# So many bytes of receipts that are not in their catalogue yet are read at once, fewer in time.
_MANY_BYTES = 256 * 1024


class IndexKeeper:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(self, data: Path, is_whole: bool) -> None:
        self._data = data
        self._attempts = Attempts()
        try:
            self._received, is_behind = received_bytes(data), not is_settled(data)
        except REFUSALS:  # told with the first look
            self._received, is_behind = 0, True
        # How often a process left something half-done, and how much of that was caught up.
        self._left, self._caught_up = int(is_behind), 0
        self._is_whole = is_whole
        self._process, self._will_have = 0, 0  # that does it, and how much it will be then
        self._next_try = 0.0
        self._next_settle = time.monotonic() + _SETTLE_SECONDS
        self._catalogue = CatalogueReader(data)
        self._keys = KeyFiller(data)

    def begin(self, charset: str) -> None:
        """Begin to make an index anew that is not whole; small ones are waited for.

        SIGCHLD must be blocked.
        """
        if not self._is_whole:
            self.tend(charset)
            child.awaited((signal.SIGCHLD,), _WAIT_SECONDS)

    @property
    def is_whole(self) -> bool:
        """Whether the index answers: it is not being made anew."""
        return self._is_whole

    def left_behind(self) -> None:
        """Note that a worker was killed: the index may lack what it had in hand."""
        self._left += 1
        self._next_try = 0.0

    def tend(self, charset: str) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._process:
            self._reap()
        if not self._process and self._next_try <= now:
            if not self._is_whole:
                self._start("index not made anew", lambda: _make_anew(self._data, charset))
            elif self._is_behind:
                self._start("index not caught up yet", lambda: catch_up(self._data, charset))
            elif self._is_corrected_behind():
                self._start("index not corrected yet", lambda: catch_up_corrections(self._data))
        if self._next_settle <= now:
            self._next_settle = now + _SETTLE_SECONDS
            # Whose receipt was there a minute ago has its row by now.
            before = self._received
            self._received = self._attempts.attempt(
                "the journal cannot be read", lambda: received_bytes(self._data), before
            )
            self._settle(before)
            if self._is_loose():
                self._start("index file not made smaller", lambda: _shrink(self._data))
        if self._is_whole:  # what is needed more is done first
            self._attempts.attempt(
                "the journal's catalogue is behind",
                lambda: self._catalogue.tend(self._received),
                None,
            )
            self._attempts.attempt("the keys of the index are behind", self._keys.tend, None)

    def end(self) -> None:
        """Settle the index for good, once nobody stores any more."""
        self._catalogue.end()
        self._keys.end()
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._settle()

    @property
    def _is_behind(self) -> bool:
        if self._left != self._caught_up:
            return True
        return self._attempts.attempt(
            "the data folder cannot be looked at", lambda: is_left_behind(self._data), False
        )

    def _is_corrected_behind(self) -> bool:
        """Whether a command that was killed left corrections that the index lacks."""
        return self._attempts.attempt(
            "the corrections cannot be read", lambda: correction.is_behind(self._data), False
        )

    def _is_loose(self) -> bool:
        """Whether much of the file holds nothing, and there is nothing else to be done to it."""
        if self._process or self._is_behind or not self._is_whole:
            return False
        return self._attempts.attempt(
            "the index cannot be looked at", lambda: is_loose(index_path(self._data)), False
        )

    def _start(self, fault: str, work: Callable[[], None]) -> None:
        self._next_try, self._will_have = time.monotonic() + _RETRY_SECONDS, self._left
        self._process = child.fork(fault, work)

    def _reap(self) -> None:
        found, status = os.waitpid(self._process, os.WNOHANG)
        if found:
            self._process = 0
            if not status:
                self._is_whole, self._caught_up = True, self._will_have

    def _settle(self, end: int | None = None) -> None:
        """Have a start after an unclean end read as little of the journal as can be."""
        if self._is_behind or not self._is_whole:
            return  # else that start would not look at what is left to do
        self._attempts.attempt(
            "the index is not settled", lambda: settle_index(self._data, end), None
        )


class CatalogueReader:
    """Has the receipts entered in the journal's catalogue, so that who asks it waits for little.

    A process of its own reads what there is; after years that may take minutes the first time.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process = 0
        self._read_to = self._reads_to = 0
        self._next_try = 0.0

    def tend(self, settled: int) -> None:
        """Begin where much has come since, or less a minute ago: up to byte `settled`.

        Raises ResourceError.
        """
        if self._process:
            self._reap()
        size = received_bytes(self._data)
        is_due = size - self._read_to >= _MANY_BYTES or self._read_to != settled == size
        if is_due and not self._process and self._next_try <= time.monotonic():
            self._reads_to = size
            self._process = child.fork(CATALOGUE, self._read)

    def end(self) -> None:
        """End what is under way: what was read is kept."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def _reap(self) -> None:
        found, status = os.waitpid(self._process, os.WNOHANG)
        if found:
            self._process = 0
            if not status:
                self._read_to = self._reads_to
            else:  # it has said why, unless it was killed; nobody waits for it
                if os.WIFSIGNALED(status):
                    logger.error("%s: killed by signal %d", CATALOGUE, os.WTERMSIG(status))
                self._next_try = time.monotonic() + _RETRY_CATALOGUE_SECONDS

    def _read(self) -> None:
        child.be_nice()
        journal = journal_of(self._data, sync=False)
        while keep_near(journal):
            time.sleep(_PAUSE_SECONDS)


def _shrink(data: Path) -> None:
    child.be_nice()
    logger.info(Event("index file made smaller", bytes=shrink(index_path(data))))


def _make_anew(data: Path, charset: str) -> None:
    child.be_nice()
    start = time.monotonic()
    told = log.LoggedProgress("rebuilding the index")
    held = rebuild(data, charset, told, child.readers)
    logger.info(Event("index rebuilt", instances=held, seconds=time.monotonic() - start))
