"""Whether others store beside one: then a larger data set goes past the log.

By the log its bytes are written twice. One sender leaves the disk idle while it waits, and waits
once instead of three times; several keep it busy, and each waits for what all write: 500 CT of
512 KB by four took a third less time past the log than by it, with 0.35 GB written for 0.6 GB.
"""

import threading

from storage.journal import RECEIPTS, FolderJournal

# Of a data set: of a larger one a copy costs more than a wait for the disk.
MOST_BYTES = 1 << 20


class Company:
    """Those who have a larger data set on its way in this process, and whoever stores in others."""

    def __init__(self, journal: FolderJournal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._larger = 0

    def begin(self) -> int:
        """Count one more, until its `end`; how many bytes of it are to be held for the log."""
        with self._lock:
            self._larger += 1
            is_only = self._larger == 1
        is_alone = is_only and not self._journal.has_lines_of_others(RECEIPTS)
        return MOST_BYTES if is_alone else 0

    def end(self) -> None:
        """Count one less."""
        with self._lock:
            self._larger -= 1
