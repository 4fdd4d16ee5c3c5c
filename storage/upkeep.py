"""The index from the tree: made where there is none, or where its tables have changed."""

import logging
import os
import sqlite3
from pathlib import Path

from peewee import PeeweeException

from storage.database import connect
from storage.errors import ArchiveError, FolderError, ResourceError
from storage.journal import RECEIPTS, Journal
from storage.models import build, signature
from storage.receipts import last_receipts, record_file
from storage.replay import catch_up, settle, write_applied
from storage.tree import Tree

logger = logging.getLogger(__name__)

_PROGRESS_EVERY = 1000


def prepare(data: Path, sync: bool, charset: str) -> None:
    """Make a data folder ready to be served, by this process and its children alone.

    Clears leftovers and makes or remakes the index. Raises FolderError.
    """
    tree = Tree(data, sync)
    leftovers = tree.prepare()
    if leftovers:
        logger.warning("cleared incoming files=%d: left by an unclean end", leftovers)
    path = data / "index.sqlite"
    try:
        Journal(data, sync).prepare()
        if is_current(path):
            _bring_up(data, charset)
            return
        held = rebuild(tree, path, charset)
    except (ArchiveError, PeeweeException, sqlite3.Error, OSError) as error:
        raise FolderError(f"{path}: {error}") from error
    if held:
        logger.info("index rebuilt instances=%d", held)


def _bring_up(data: Path, charset: str) -> None:
    """Catch the index up; on a full disk that is done later, so that queries go on meanwhile."""
    try:
        catch_up(data, charset)
        settle(data)
    except (ResourceError, OSError) as error:
        logger.warning("index not caught up yet: %s", error)


def rebuild(tree: Tree, path: Path, charset: str) -> int:
    """A new index from the tree, swapped in when it is whole; returns how many instances.

    Files go in by the time of their arrival, so that the same values answer as before.
    """
    fresh = path.with_suffix(".new")
    _remove(fresh)
    database = connect(fresh, sync=False)
    index = build(database)
    index.create()
    held, journal = 0, Journal(tree.data, sync=False)
    end, receipts = journal.size(RECEIPTS), last_receipts(tree, journal)
    with database.atomic():
        for file in sorted(tree.walk(), key=lambda file: file.stat().st_mtime_ns):
            try:
                held += record_file(tree, file, index, charset, receipts.get(file))
            except ArchiveError as error:
                logger.error("not indexed file=%s: %s", file, error)
            if held and held % _PROGRESS_EVERY == 0:
                logger.info("rebuilding the index instances=%d", held)
    database.pragma("user_version", signature())
    database.pragma("wal_checkpoint(TRUNCATE)")
    database.close()
    _sync(fresh)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    os.replace(fresh, path)
    _sync(path.parent)
    write_applied(tree.data, end)
    return held


def is_current(path: Path) -> bool:
    """Whether there is an index at `path`, with the tables of today."""
    if not path.exists():
        return False
    database = connect(path, sync=True)
    with database.connection_context():
        return int(database.pragma("user_version")) == signature()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
