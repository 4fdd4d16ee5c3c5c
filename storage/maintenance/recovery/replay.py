"""After an unclean end: the index is brought up to what the journal says was received.

The index may lose its last transactions to a power cut; files, folders and journal do not, once
what the write-ahead log holds is brought in. How much of the journal is surely in the index is
marked in it.
"""

import logging
from pathlib import Path

from storage.archive import record_file
from storage.archive.receiving.log import has_left
from storage.diagnostics import DataSetError, Event
from storage.dicom.values import Uids
from storage.files import Files, Tree
from storage.index import (
    Index,
    applied,
    digest_in,
    forget,
    index_path,
    mark_at,
    open_index,
    read_settled,
    write_settled,
)
from storage.journal import (
    RECEIPTS,
    Journal,
    Receipts,
    changes_cut_off,
    changes_under_way,
    journal_of,
    last_receipts,
    left_open,
    withdraw_all,
)
from storage.maintenance.recovery.logged import bring_in
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

# Of versions that wrote the position beside the journal.
_APPLIED = "applied"


def catch_up(data: Path, charset: str) -> None:
    """Enter what a process that was killed did not, also while others store.

    Raises ResourceError.
    """
    left = changes_cut_off(data)
    if shared_place(data):  # what is committed is whole
        for mark in left:
            mark.unlink(missing_ok=True)
        return
    bring_in(Tree(data, sync=True))
    changed = _replay(Tree(data, sync=False), charset)
    for mark in left:
        mark.unlink(missing_ok=True)
    if changed:
        words = "behind after an unclean end"
        logger.warning(Event("index caught up", words, instances=changed))


def _replay(tree: Files, charset: str) -> int:
    """Enter what the index lacks of the journal's last part; returns how many rows that changed.

    Raises ResourceError.
    """
    start, end = _applied(tree.data), received(tree.data)
    if start == end:
        return 0
    start = start if start < end else 0  # of a journal that is not there any more
    index = open_index(index_path(tree.data), sync=True)
    with index.engine.connected():
        # Others may be storing.
        return _apply(tree, index, charset, start)


def withdraw_unplaced(tree: Files) -> None:
    """Withdraw what an unclean end kept from being put into the tree, where no row can tell.

    Only what came since the index was settled: other files that are missing are lost. Nobody may
    be storing. Raises ResourceError.
    """
    journal = journal_of(tree.data, sync=True)

    def is_held(uids: Uids) -> bool:
        if tree.holds(uids):
            return True
        tree.prune(uids)  # a deletion that was cut off may have left its folders
        return False

    for uids in left_open(journal, _settled(tree.data), is_held):
        withdraw_all(journal, uids)


def _apply(tree: Files, index: Index, charset: str, start: int) -> int:
    """Bring an index to what the journal tells from byte `start` on; returns the rows changed.

    The receipts of what was never put into the tree are withdrawn. Raises ResourceError.
    """
    changed, journal = 0, journal_of(tree.data, sync=True)
    for uids, receipts in last_receipts(journal, start).items():
        try:
            with tree.locked(uids):
                if tree.holds(uids):
                    changed += _enter(tree, index, charset, receipts)
                else:
                    changed += _drop(tree, index, receipts, journal)
        except DataSetError as error:
            logger.error(Event("not indexed", error, file=tree.name(uids)))
    return changed


def _drop(tree: Files, index: Index, receipts: Receipts, journal: Journal) -> bool:
    """Have no row of an instance without a file; whether there was one."""
    has_row = digest_in(index, receipts.uids) is not None
    if has_row:
        if receipts.of_digest and not receipts.is_deleted:
            words = "in the index, not in the tree; its row is dropped"
            logger.error(Event("lost", words, file=tree.name(receipts.uids)))
        forget(index, receipts.uids)
    elif receipts.is_open:
        withdraw_all(journal, receipts.uids)  # a row is made last: nobody was told Success
    if receipts.is_open or receipts.is_deleted:
        tree.prune(receipts.uids)
    return has_row


def _enter(tree: Files, index: Index, charset: str, receipts: Receipts) -> bool:
    """Have the row of an instance be that of its file; whether it was another, or none."""
    held = digest_in(index, receipts.uids)
    # A row is made last, when all else is on the disk.
    if not receipts.withdrawn and held == receipts.last.digest:
        return False
    try:
        tree.superseded.forget_copy(receipts.uids)
        digest = tree.digest(receipts.uids)
    except OSError as error:
        raise DataSetError(f"cannot be read: {error.strerror}") from error
    return held != digest and bool(record_file(tree, receipts.uids, index, charset, receipts))


def settle_index(data: Path, end: int | None = None) -> None:
    """Have SQLite bring its transactions to the disk, and mark how much of the journal they hold:
    all of it, which is so where nobody stores, or what lies before `end`.

    Does nothing where nothing was received since the last time. Raises OSError, ResourceError.
    """
    if shared_place(data):
        return
    end = received(data) if end is None else end
    held = _applied(data)
    if changes_under_way(data):
        return  # where a change is under way, or was cut off, that part is to be replayed
    if end <= held:
        _write_settled(data, held)
        return
    engine = open_index(index_path(data), sync=True).engine
    with engine.reading(), engine.connected():
        is_whole = engine.checkpoint()
    # Readers may hold back the last part; then it is tried again another time.
    if is_whole:
        write_applied(data, end)


def received(data: Path) -> int:
    """The end of the journal's receipts; the rows of the last ones may be still to come."""
    return journal_of(data, sync=False).size(RECEIPTS)


def is_settled(data: Path) -> bool:
    """Whether the index surely holds all of the journal, and that all that was acknowledged."""
    if shared_place(data):
        return True
    return received(data) == _applied(data) and not changes_under_way(data) and not has_left(data)


def is_left_behind(data: Path) -> bool:
    """Whether a process that is gone left something that is to be caught up.

    Raises OSError.
    """
    return bool(changes_cut_off(data)) or has_left(data)


def write_applied(data: Path, end: int) -> None:
    """Mark that the index surely holds the journal's receipts before `end`.

    Raises OSError, ResourceError.
    """
    journal = journal_of(data, sync=True)
    engine = open_index(index_path(data), sync=True).engine
    with engine.connected():
        engine.mark(journal, RECEIPTS, end)
    _write_settled(data, end)


def _write_settled(data: Path, end: int) -> None:
    """Write down beside the index what it is marked with, where that is not there yet."""
    journal, held = journal_of(data, sync=True), read_settled(data)
    if not held or held.position != end or held.fault(journal, RECEIPTS):
        write_settled(data, mark_at(journal, RECEIPTS, end))


def _applied(data: Path) -> int:
    return applied(data, RECEIPTS)


def _settled(data: Path) -> int:
    """From where on an instance without a file may be one that was never placed."""
    journal = journal_of(data, sync=False)
    if settled := read_settled(data):
        # Of a journal that was put back nobody can tell.
        return settled.position if not settled.fault(journal, RECEIPTS) else journal.size(RECEIPTS)
    try:
        return int((data / "journal" / _APPLIED).read_text())
    except (FileNotFoundError, ValueError):
        return 0
