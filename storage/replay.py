"""After an unclean end: the index is brought up to what the journal says was received.

The index may lose its last transactions to a power cut; files, folders and journal do not. How
much of the journal is surely in the index is written beside it.
"""

import logging
import os
from pathlib import Path

from storage.database import connect, execute, reading
from storage.errors import ArchiveError
from storage.indexing import digest_in, forget
from storage.journal import RECEIPTS, Journal
from storage.models import build
from storage.receipts import last_receipts, record_file
from storage.tree import Tree

logger = logging.getLogger(__name__)

_APPLIED = "applied"


def replay(tree: Tree, index_path: Path, charset: str) -> int:
    """Enter what the index lacks of the journal's last part; returns how many rows that changed."""
    journal = Journal(tree.data, sync=False)
    start, end = _applied(tree.data), journal.size(RECEIPTS)
    if start == end:
        return 0
    start = start if start < end else 0  # of a journal that is not there any more
    index = build(connect(index_path, sync=True))
    changed = 0
    try:
        for path, receipt in last_receipts(tree, journal, start).items():
            with reading():
                held = digest_in(index, receipt.uids)
            try:
                if not path.exists():
                    changed += held is not None
                    forget(index, receipt.uids)
                elif held != receipt.digest:
                    changed += record_file(tree, path, index, charset, receipt)
            except ArchiveError as error:
                logger.error("not indexed file=%s: %s", path, error)
    finally:
        index.database.close()
    return changed


def settle(data: Path) -> None:
    """Have SQLite bring all its transactions to the disk, and write down that it has.

    Does nothing where nothing was received since the last time. Raises OSError, sqlite3.Error.
    """
    end = Journal(data, sync=False).size(RECEIPTS)
    if end == _applied(data):
        return
    database = connect(data / "index.sqlite", sync=True)
    try:
        busy, frames, moved = execute(database, "PRAGMA wal_checkpoint(PASSIVE)", ())[0]
    finally:
        database.close()
    # Readers may hold back the last part; then it is tried again another time.
    if not busy and frames == moved:
        write_applied(data, end)


def write_applied(data: Path, end: int) -> None:
    """Write down that the index surely holds the first `end` bytes of the journal's receipts."""
    path = data / "journal" / _APPLIED
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(f"{end}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def _applied(data: Path) -> int:
    try:
        return int((data / "journal" / _APPLIED).read_text())
    except (FileNotFoundError, ValueError):
        return 0
