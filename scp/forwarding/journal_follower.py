"""The journal followed into the queue: what has arrived, and where it is to go."""

import logging
import time
from collections.abc import Iterator

from scp.forwarding.rules import destinations
from scp.forwarding.shared import ForwardingContext
from scp.runtime import Attempts, one_line
from storage.diagnostics import ArchiveError, DataSetError, Event, ResourceError
from storage.journal import RECEIPTS
from storage.outbox import Wanted, arrived, end_of_lines, notice, receipts

logger = logging.getLogger(__name__)

# How often the journal is looked at, while nothing comes.
LOOK_SECONDS = 0.25
# How soon what could not be read is tried again.
_RETRY_SECONDS = 2.0
_TIDY_SECONDS = 3600.0


class JournalFollower:
    """Reads the journal from where the queue is; a store does nothing for it."""

    def __init__(self, post: ForwardingContext) -> None:
        self._post = post
        self._position = post.outbox.position
        self._next_tidy = 0.0
        self._attempts = Attempts()

    def run(self) -> None:
        """Follow, until all is to stop. Raises ResourceError where the queue is broken."""
        while not self._post.stopped.is_set():
            try:
                found = self._read()
            except ArchiveError as error:  # the archive's, which may pass
                self._attempts.tell("forwarding waits for the archive", one_line(error))
                self._post.stopped.wait(_RETRY_SECONDS)
                continue
            self._attempts.tell("forwarding waits for the archive", "")
            if found is None:
                self._post.followed.set()
                self._tidy()
                self._post.stopped.wait(LOOK_SECONDS)
                continue
            self._post.outbox.take(*found)
            self._position = found[2]

    def _read(self) -> tuple[list[Wanted], set[str], int, str] | None:
        """The next part of the journal: what is to go on, the studies, where it ends, and its tail.

        Raises ArchiveError.
        """
        archive, settings = self._post.archive, self._post.settings
        end = end_of_lines(archive, self._position)
        if end == self._position:
            return None
        found = receipts(archive, self._position, end)
        studies = {receipt.uids[0] for receipt in found}
        wanted = [*self._notices(studies, end)]
        for one in arrived(archive, found) if settings.forward else ():
            if isinstance(one, DataSetError):
                logger.error(Event("not forwarded", one))
                continue
            if to := destinations(settings.forward, one.header, one.sender):
                wanted.append(Wanted(one.location, to))
        return wanted, studies, end, self._tail(end)

    def _notices(self, studies: set[str], end: int) -> Iterator[Wanted]:
        """What is to be told of studies of which something came: the last of each study counts."""
        peers = self._post.settings.peers
        told = self._post.settings.notices.items()
        if to := {name: peers[title].notify_quiet for name, (title, _) in told}:
            yield from (Wanted(notice(one, f"{end:032x}"), dict(to)) for one in studies)

    def _tail(self, position: int) -> str:
        """What lies before a position of the journal. Raises ResourceError where nothing does."""
        try:
            # What is written down as followed must not be lost with the power.
            self._post.archive.journal.sync_lines(RECEIPTS)
            tail = self._post.archive.journal.tail(RECEIPTS, position)
        except OSError as error:
            raise ResourceError(f"The journal cannot be read: {error.strerror}") from error
        if not tail:
            raise ResourceError("The journal cannot be read: it ends before what was read of it")
        return tail

    def _tidy(self) -> None:
        if self._next_tidy <= time.monotonic():
            self._next_tidy = time.monotonic() + _TIDY_SECONDS
            self._post.outbox.forget_studies()
