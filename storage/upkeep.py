"""The index from the tree: made where there is none, or where its tables have changed."""

import logging
import os
from pathlib import Path

from peewee import PeeweeException

from storage import extract, part10
from storage.database import connect
from storage.errors import ArchiveError, DataSetError, FolderError
from storage.indexing import FileFacts, record
from storage.journal import RECEIPTS, Journal
from storage.models import Index, build, signature
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
            return
        held = rebuild(tree, path, charset)
    except (PeeweeException, OSError) as error:
        raise FolderError(f"{path}: {error}") from error
    if held:
        logger.info("index rebuilt instances=%d", held)


def rebuild(tree: Tree, path: Path, charset: str) -> int:
    """A new index from the tree, swapped in when it is whole; returns how many instances.

    Files go in by the time of their arrival, so that the same values answer as before.
    """
    fresh = path.with_suffix(".new")
    _remove(fresh)
    database = connect(fresh, sync=False)
    index = build(database)
    index.create()
    held, receipts = 0, _receipts(tree, Journal(tree.data, sync=False))
    with database.atomic():
        for file in sorted(tree.walk(), key=lambda file: file.stat().st_mtime_ns):
            try:
                held += _record_file(tree, file, index, charset, receipts.get(file))
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
    return held


def _receipts(tree: Tree, journal: Journal) -> dict[Path, tuple[int, str, str]]:
    """The bytes, digest and assumed character set of each instance, as it was received last."""
    found: dict[Path, tuple[int, str, str]] = {}
    displaced: dict[Path, tuple[int, str, str]] = {}  # by the one that may yet be withdrawn
    for receipt in journal.read(RECEIPTS):
        study, series, instance = receipt["uids"]
        path = tree.path((study, series, instance))
        earlier = found.pop(path, None)
        if receipt.get("withdrawn"):
            if path in displaced:
                found[path] = displaced.pop(path)
            continue
        if earlier:
            displaced[path] = earlier
        found[path] = int(receipt["bytes"]), str(receipt["digest"]), str(receipt["charset"])
    return found


def _record_file(
    tree: Tree, file: Path, index: Index, charset: str, receipt: tuple[int, str, str] | None
) -> int:
    """Enter one file of the tree into a new index. Raises ArchiveError."""
    charset = receipt[2] if receipt else charset
    try:
        with file.open("rb") as source:
            meta = part10.read(source)
            header = extract.header(source, meta.transfer_syntax_uid, charset)
            file_bytes = os.fstat(source.fileno()).st_size - meta.data_set_offset
    except OSError as error:
        raise DataSetError(f"cannot be read: {error.strerror}") from error
    if tree.path(header.uids) != file:
        raise DataSetError("its UIDs belong to another path")
    # A file that was put into the tree by hand has no receipt, and so no digest to hold it to.
    digest = receipt[1] if receipt and receipt[0] == file_bytes else ""
    record(index, header, FileFacts(meta.transfer_syntax_uid, file_bytes, digest, charset))
    return 1


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
