"""Documents of what came, made once it is quiet: who asks first then waits for none.

A store does nothing for them. A process of its own, at low priority, reads in the journal of which
series something came, and has their documents tell of it.
"""

import logging
import os
import signal
import time

from scp.config import Settings
from scp.copies.corrected import AsCorrected
from scp.copies.documents import Documents
from scp.node.acts.opening import opened
from scp.node.upkeep.index_keeper import IndexKeeper
from scp.runtime import MANY, child, log, memory
from storage import Archive
from storage import received as received_bytes
from storage.diagnostics import ArchiveError, Event
from storage.files import SeriesDocuments
from storage.journal import in_journal

logger = logging.getLogger(__name__)

NAME = "metadata"  # of the process
# Nothing came for so long: what was sent is whole, most likely.
QUIET_SECONDS = 10.0
# How long they are put off where it is never quiet, and how soon after a fault.
_MOST_SECONDS = 300.0
_RETRY_SECONDS = 30.0
# How often it is looked whether they take too much room, or were left of what is gone.
_TIDY_SECONDS = 3600.0


class DocumentMaker:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(self, keeper: IndexKeeper) -> None:
        self._keeper = keeper
        self._process = 0
        self._made: int | None = None  # up to which byte of the receipts
        self._size, self._grew = 0, 0.0  # how far these went, and when they were seen to grow
        self._since = 0.0  # when something came that is not in a document
        self._makes_to = 0
        self._next_try, self._next_tidy = 0.0, time.monotonic() + QUIET_SECONDS
        self._tidies = False

    def tend(self, settings: Settings) -> None:
        """Begin where something came, and it is quiet. Raises ResourceError."""
        now = time.monotonic()
        if self._process:
            self._reap(now)
        self._look(settings, now)
        if self._process or self._next_try > now or not self._keeper.is_whole:
            return
        tidies = self._next_tidy <= now and self._are_any(settings, now)
        start, end = self._made or 0, self._size if self._is_due(now) else self._made or 0
        if tidies or start < end:
            self._tidies, self._makes_to = tidies, end
            self._process = child.fork(NAME, lambda: _make(settings, start, end, tidies))

    def end(self) -> None:
        """End what is under way: what is not made now is made when it is asked for."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def _look(self, settings: Settings, now: float) -> None:
        """See how far the journal goes. Raises ResourceError."""
        size = received_bytes(settings.storage.path)
        # What came before the node started, or before anybody could ask, is made when it is.
        if self._made is None or not _is_wanted(settings) or size < self._made:
            self._made = self._size = size
        if size > self._size:
            if self._size == self._made:
                self._since = now
            self._size, self._grew = size, now

    def _are_any(self, settings: Settings, now: float) -> bool:
        """Whether documents are kept; else it is looked again later. Raises ResourceError."""
        if next(SeriesDocuments(settings.storage.path).studies(), None):
            return True
        self._next_tidy = now + _TIDY_SECONDS
        return False

    def _is_due(self, now: float) -> bool:
        is_quiet = now - self._grew >= QUIET_SECONDS
        return self._size != self._made and (is_quiet or now - self._since >= _MOST_SECONDS)

    def _reap(self, now: float) -> None:
        found, status = os.waitpid(self._process, os.WNOHANG)
        if not found:
            return
        self._process = 0
        if status:  # it has said why, unless it was killed
            if os.WIFSIGNALED(status):
                logger.error("%s: killed by signal %d", NAME, os.WTERMSIG(status))
            self._next_try = now + _RETRY_SECONDS
        # Once is enough: what could not be made is made when it is asked for.
        self._made, self._since = self._makes_to, now
        if self._tidies:
            self._next_tidy = now + _TIDY_SECONDS


def _is_wanted(settings: Settings) -> bool:
    asks = settings.web or any(peer.fhir for peer in settings.peers.values())
    return bool(settings.storage.metadata_bytes and asks)


def _make(settings: Settings, start: int, end: int, tidies: bool) -> None:
    child.be_nice()
    memory.bound()
    with opened(settings) as archive:
        most = settings.storage.metadata_bytes
        if start < end:
            _describe(archive, Documents(archive, _copies(settings, archive), most), start, end)
        if tidies:
            tidy(archive, most)


def _copies(settings: Settings, archive: Archive) -> AsCorrected:
    return AsCorrected(archive.tree, settings.node.ae_title)


def _describe(archive: Archive, documents: Documents, start: int, end: int) -> None:
    began = time.monotonic()
    came = dict.fromkeys(uids[:2] for uids, _ in in_journal(archive.journal, start, end))
    failed = 0
    for study, series in came:
        try:
            documents.document(study, series)
        except (ArchiveError, OSError) as error:  # whoever asks for it is told
            failed += 1
            if failed <= MANY:
                words = log.one_line(error)
                logger.warning(Event("metadata not made", words, study=study, series=series))
    seconds = time.monotonic() - began
    logger.info(Event("metadata made", series=len(came) - failed, failed=failed, seconds=seconds))


def tidy(archive: Archive, most: int) -> None:
    """Have documents take no more than they may, and none be left of a study that is gone.

    Raises ArchiveError, OSError.
    """
    for study in archive.documents.studies():
        with archive.locate_below(study) as found:
            if not len(found):
                archive.documents.forget(study)
    if gone := archive.documents.bound(most, time.time()):
        logger.info(Event("metadata made room", series=gone, bytes=most))
