"""A new index from the tree, made beside the one in use and swapped in when it is whole."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.archive import record_file
from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom.values import Level, Uids
from storage.files import Files, Tree, claim, sqlite_words
from storage.index import ERRORS, Index, SqliteIndex, counts, index_path, open_index, signature
from storage.journal import CORRECTIONS, RECEIPTS, Journal, last_receipts
from storage.maintenance.changes import swapping
from storage.maintenance.recovery.replay import apply, received, settle_index
from storage.maintenance.recovery.startup import remove_index

logger = logging.getLogger(__name__)

# Told now and then: how many files of how many have been read.
Progress = Callable[[int, int], None]

# What may be left of the journal when stores are held up for the swap.
_LITTLE_BYTES = 32 << 10


def rebuild(data: Path, charset: str, progress: Progress = lambda done, of: None) -> int:
    """Make the index anew from tree and journal; returns how many instances it holds.

    Can run beside a serving node: its stores wait only for the swap, and what they brought
    meanwhile is in. Raises ResourceError, also where another rebuild is under way.
    """
    path = index_path(data)
    try:
        with _alone(data):
            fresh = path.with_suffix(".new")
            remove_index(fresh)
            try:
                return _rebuild(Tree(data, sync=True), path, fresh, charset, progress)
            finally:
                remove_index(fresh)
    except ERRORS as error:
        raise ResourceError(f"{path}: {sqlite_words(error)}") from error
    except OSError as error:
        raise ResourceError(f"{error.filename or path}: {error.strerror}") from error


def _rebuild(tree: Files, path: Path, fresh: Path, charset: str, progress: Progress) -> int:
    with tree.all_locked():  # what was received before that has its file and its row
        start = end = received(tree.data)
    corrected = Journal(tree.data, sync=False).size(CORRECTIONS)
    index = open_index(fresh, sync=False)
    with index.engine.connected():
        index.create()
        with index.engine.at_one_time():
            fill(tree, index, charset, progress)
        while (size := received(tree.data)) - end > _LITTLE_BYTES:
            with index.engine.at_one_time():
                apply(tree, index, charset, start, _unguarded)
            end = size
        with swapping(tree, corrected):
            end = _swap(tree, index, path, charset, start, corrected)
        held = counts.entities(index, Level.IMAGE)
    settle_index(tree.data, end)
    return held


def fill(tree: Files, index: Index, charset: str, progress: Progress) -> None:
    """Enter every file; in the order of their arrival, in which that takes the least time."""
    receipts = last_receipts(Journal(tree.data, sync=False))
    files = sorted(tree.arrivals())
    for done, (_, uids) in enumerate(files):
        progress(done, len(files))
        try:
            record_file(tree, uids, index, charset, receipts.get(uids))
        except ArchiveError as error:
            if tree.holds(uids):  # else it was withdrawn meanwhile
                logger.error(Event("not indexed", error, file=tree.name(uids)))
    progress(len(files), len(files))


def _swap(
    tree: Files, index: SqliteIndex, path: Path, charset: str, start: int, corrected: int
) -> int:
    """Put the rows of `index` in the place of those at `path`, in one transaction of its file.

    The file stays, so that who has it open sees the new rows with the next transaction. Returns
    how much of the journal they hold.
    """
    with tree.all_locked(), index.engine.replacing(path) as replacement:
        end = received(tree.data)
        # In one transaction: one of its own, for each row, would wait for the turn.
        with index.engine.at_one_time():
            apply(tree, index, charset, start, _unguarded)
            ends = {RECEIPTS: end, CORRECTIONS: corrected}
            replacement.mark(Journal(tree.data, sync=True), ends)
        index.engine.set_version(signature())
        replacement.make()
    return end


@contextmanager
def _unguarded(uids: Uids) -> Iterator[None]:
    """Who stores an instance holds it while waiting for the turn, and makes its row behind us."""
    yield


def is_under_way(data: Path) -> bool:
    """Whether an index is being made anew, at this moment. Raises OSError."""
    descriptor = _open_lock(data)
    try:
        return not claim(descriptor)
    finally:
        os.close(descriptor)


def _open_lock(data: Path) -> int:
    return os.open(data / "rebuild.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    descriptor = _open_lock(data)
    try:
        if not claim(descriptor):
            raise ResourceError("another rebuild is under way")
        yield
    finally:
        os.close(descriptor)
