"""A new index from the tree, made beside the one in use and swapped in when it is whole.

How far it is lies in it: one that was cut off is gone on with by the next rebuild.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from storage.archive.finding import added_keys
from storage.diagnostics import ResourceError
from storage.dicom.values import Level
from storage.files import Files, Tree, claim, sqlite_words
from storage.index import (
    ERRORS,
    SqliteIndex,
    counts,
    index_path,
    open_index,
    put_in_place,
    remove_index,
    remove_replaced,
    signature,
    writers_held,
)
from storage.journal import CORRECTIONS, RECEIPTS, Journal, journal_of
from storage.maintenance.changes import swapping
from storage.maintenance.recovery.filling import Filling, Progress
from storage.maintenance.recovery.headers import MakePool, Readers
from storage.maintenance.recovery.logged import bring_in
from storage.maintenance.recovery.replay import received, settle_index
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

# Where the disk has less room, what was made until then does not keep it.
_ROOM_BYTES = 256 << 20
# What may be left of the journal when stores are held up for the swap: some twenty receipts.
_LITTLE_BYTES = 8 << 10
# Where stores bring more in a round than it enters, they are held up for moments of that length,
# and have their turn in between: a store takes longer than what is to be done for it here.
_HELD_SECONDS = 0.05
_PAUSE_SECONDS = 0.02
# So often it lets others go on where it came upon what takes long to tell: instances that are
# replaced or deleted just then.
_ROUNDS = 20


def rebuild(
    data: Path, charset: str, progress: Progress = lambda done, of: None,
    pool: MakePool | None = None,
) -> int:  # fmt: skip
    """Make the index anew from tree and journal; returns how many instances it holds.

    Can run beside a serving node: its stores wait only for the swap, and what they brought
    meanwhile is in. One that was cut off is gone on with. `pool` makes the processes that read
    headers; without it this one does. Raises ResourceError, also where another is under way.
    """
    if shared_place(data):
        from storage.maintenance.recovery.shared_rebuilding import rebuild_shared

        return rebuild_shared(data, charset, progress)
    path = index_path(data)
    try:
        with _alone(data), closing(Readers(pool)) as readers:
            tree, fresh = Tree(data, sync=True), path.with_suffix(".new")
            bring_in(tree)
            remove_replaced(path)
            try:
                return _rebuild(tree, path, fresh, charset, readers, progress)
            except (*ERRORS, ResourceError, OSError):
                if tree.free_bytes() < _ROOM_BYTES:
                    remove_index(fresh)
                raise
    except ERRORS as error:
        raise ResourceError(f"{path}: {sqlite_words(error)}") from error
    except OSError as error:
        raise ResourceError(f"{error.filename or path}: {error.strerror}") from error


def _rebuild(
    tree: Files, path: Path, fresh: Path, charset: str, readers: Readers, progress: Progress
) -> int:
    readers.begin(tree)  # before anything is open that must not be in two processes
    index, journal = open_index(fresh, sync=True), journal_of(tree.data, sync=True)
    if not _is_gone_on_with(index, journal, charset):
        _begin(index, journal, charset)
    with index.engine.connected():
        added_keys.bring_up(index, journal)  # so that their values come with the rows
        held = index.engine.marked(CORRECTIONS)
        corrected = held.position if held else 0
        filling = Filling(tree, index, charset, readers, progress)
        filling.fill()
    for round_ in count():
        if _has_swapped(tree, index, path, filling, corrected, is_last=round_ > _ROUNDS):
            break
    remove_replaced(path)
    settle_index(tree.data, filling.position)
    swapped = open_index(path, sync=True)
    with swapped.engine.connected():
        return counts.entities(swapped, Level.IMAGE)


def _is_gone_on_with(index: SqliteIndex, journal: Journal, charset: str) -> bool:
    """Whether what is there was cut off, and is as this one would be by now."""
    engine = index.engine
    if not engine.path.exists():
        return False
    try:
        with engine.connected():
            engine.require_sound()
            if not engine.making.go_on(signature(), charset):
                return False
            for name in (RECEIPTS, CORRECTIONS):
                mark = engine.marked(name)
                if mark is None or mark.fault(journal, name):
                    return False
    except ERRORS:
        return False
    logger.info("the making of the index is gone on with")
    return True


def _begin(index: SqliteIndex, journal: Journal, charset: str) -> None:
    """Make the file and its tables, and mark that nothing is in them."""
    remove_index(index.engine.path)
    with index.engine.connected(), index.engine.at_one_time():
        index.create()
        index.engine.making.begin(signature(), charset)
        index.engine.mark(journal, RECEIPTS, 0)
        # Headers are read as they are corrected by now, or later.
        index.engine.mark(journal, CORRECTIONS, journal.size(CORRECTIONS))


def _come_near(tree: Files, filling: Filling) -> None:
    """Follow the journal until little of it is left, whatever comes meanwhile."""
    filling.settle()
    left = _left(tree, filling)
    while left > _LITTLE_BYTES:
        filling.follow(received(tree.data))
        filling.settle()
        before, left = left, _left(tree, filling)
        if left > before / 2:  # each round takes half as long as the one before, or there is no end
            _hold_up(tree, filling)
            return


def _hold_up(tree: Files, filling: Filling) -> None:
    """The same against stores that come faster: they wait for moments, with turns in between."""
    while _left(tree, filling) > _LITTLE_BYTES:
        with tree.all_locked():
            until = time.monotonic() + _HELD_SECONDS
            while left := _left(tree, filling):
                filling.follow(filling.position + min(left, _LITTLE_BYTES), locked=False)
                if time.monotonic() >= until:
                    break
        time.sleep(_PAUSE_SECONDS)


def _left(tree: Files, filling: Filling) -> int:
    return received(tree.data) - filling.position


def _has_swapped(
    tree: Files, index: SqliteIndex, path: Path, filling: Filling, corrected: int, is_last: bool
) -> bool:
    """Put `index` in the place of the one at `path`, where little is left to do, or `is_last`."""
    with index.engine.connected():
        _come_near(tree, filling)
        index.engine.empty_log()  # what remains of it takes no time
    with swapping(tree, corrected), tree.all_locked():
        if _left(tree, filling) > 2 * _LITTLE_BYTES:  # so much came before the locks were there
            return False
        with index.engine.connected():
            filling.follow(received(tree.data), locked=False)
            if not filling.is_settled:
                if not is_last:
                    return False  # their receipts are looked for while others store
                filling.settle(locked=False)
            with index.engine.at_one_time():
                index.engine.making.end()
            index.engine.set_version(signature())
            index.engine.empty_log()
        with writers_held(path):
            put_in_place(index.engine.path, path)
    return True


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
