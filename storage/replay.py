"""After an unclean end: the index is brought up to what the journal says was received.

The index may lose its last transactions to a power cut; files, folders and journal do not. How
much of the journal is surely in the index is written beside it.
"""

import logging
import os
from pathlib import Path

from storage import part10
from storage.content import digest_of_rest
from storage.database import connect, execute, reading
from storage.errors import ArchiveError, DataSetError
from storage.indexing import digest_in, forget
from storage.journal import RECEIPTS, Journal
from storage.models import Index, build
from storage.receipts import Receipt, last_receipts, record_file
from storage.tree import Tree

logger = logging.getLogger(__name__)

_APPLIED = "applied"


def replay(tree: Tree, index_path: Path, charset: str) -> int:
    """Enter what the index lacks of the journal's last part; returns how many rows that changed."""
    start, end = _applied(tree.data), received(tree.data)
    if start == end:
        return 0
    start = start if start < end else 0  # of a journal that is not there any more
    index = build(connect(index_path, sync=True))
    with index.database.connection_context():
        return catch_up(tree, index, charset, start)


def catch_up(tree: Tree, index: Index, charset: str, start: int) -> int:
    """Bring an index to what the journal tells from byte `start` on; returns the rows changed."""
    changed = 0
    for path, receipt in last_receipts(tree, Journal(tree.data, sync=False), start).items():
        try:
            held = digest_in(index, receipt.uids)
            if not path.exists():
                changed += held is not None
                forget(index, receipt.uids)
            elif held is None or held != receipt.digest:
                changed += _enter(tree, path, index, charset, receipt, held)
        except ArchiveError as error:
            logger.error("not indexed file=%s: %s", path, error)
    return changed


def _enter(
    tree: Tree, path: Path, index: Index, charset: str, receipt: Receipt, held: str | None
) -> int:
    """Enter a file, unless its row is its own: a receipt may be of what was not kept."""
    try:
        with path.open("rb") as file:
            part10.read(file)
            digest = digest_of_rest(file)
    except OSError as error:
        raise DataSetError(f"cannot be read: {error.strerror}") from error
    if held == digest:
        return 0
    return record_file(tree, path, index, charset, receipt if receipt.digest == digest else None)


def settle(data: Path, end: int | None = None) -> None:
    """Have SQLite bring its transactions to the disk, and write down how much of the journal
    they hold: all of it, which is so where nobody stores, or its first `end` bytes.

    Does nothing where nothing was received since the last time. Raises OSError, ResourceError.
    """
    end = received(data) if end is None else end
    if end == _applied(data):
        return
    with reading():
        database = connect(data / "index.sqlite", sync=True)
        try:
            busy, frames, moved = execute(database, "PRAGMA wal_checkpoint(PASSIVE)", ())[0]
        finally:
            database.close()
    # Readers may hold back the last part; then it is tried again another time.
    if not busy and frames == moved:
        write_applied(data, end)


def is_settled(data: Path) -> bool:
    """Whether the index surely holds all that the journal tells: so it is after a clean end."""
    return _applied(data) == received(data)


def received(data: Path) -> int:
    """The bytes of the journal's receipts; the rows of the last ones may be still to come."""
    return Journal(data, sync=False).size(RECEIPTS)


def write_applied(data: Path, end: int) -> None:
    """Write down that the index surely holds the first `end` bytes of the journal's receipts."""
    path = data / "journal" / _APPLIED
    fresh = path.with_suffix(".new")
    path.parent.mkdir(mode=0o700, exist_ok=True)
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
