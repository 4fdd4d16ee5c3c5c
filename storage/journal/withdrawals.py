"""Receipts that are to be withdrawn, also where the journal cannot be written just then."""

import logging
import threading
from collections import deque

from storage.diagnostics import Event, ResourceError
from storage.dicom.values import Uids
from storage.journal.journal import Journal
from storage.journal.receipts import withdraw

logger = logging.getLogger(__name__)


class Withdrawals:
    """Those of one process, which a start after its end would make up for."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._owed: deque[tuple[Uids, str]] = deque()
        self._lock = threading.Lock()

    def defer(self, uids: Uids, digest: str) -> None:
        """A file was not put in its place: say so now, or as soon as it can be said."""
        self._owed.append((uids, digest))
        try:
            self.flush()
        except ResourceError as error:
            logger.warning(Event("receipt to be withdrawn later", error, instance=uids[2]))

    def flush(self) -> None:
        """Say what is still to be said. Raises ResourceError."""
        with self._lock:
            while self._owed:
                withdraw(self._journal, *self._owed[0])
                self._owed.popleft()
