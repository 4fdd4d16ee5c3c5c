"""The archive opened for a command, to look at or to change, beside a node or without one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scp.config import Settings
from scp.copies.conversion.limits import BUDGET
from scp.node.acts.marked import marked
from scp.runtime import child
from storage import Archive, OnConflict, prepare
from storage.diagnostics import FolderError, InUseError, ResourceError
from storage.files import Bounds, Tree, is_free
from storage.index import index_path
from storage.journal import journal_of, require_migrated
from storage.maintenance.recovery import (
    UNFINISHED,
    bring_in,
    fault_of_index,
    rebuilding,
    with_remedy,
)
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)


def require_index(settings: Settings) -> None:
    """Raise FolderError unless there is a data folder with an index that is whole."""
    data = settings.storage.path
    where = f"{settings.source}: [storage] path"
    try:
        for folder in (data, data / "tree"):
            next(folder.iterdir(), None)
    except OSError as error:
        raise FolderError(f"{where}: {error.filename or data}: {error.strerror}") from error
    # Of a node that serves, the mark may be a minute behind; it has held it to the journal itself.
    if fault := fault_of_index(index_path(data), look_through=False, is_start=_is_free(data)):
        raise FolderError(f"{data}: {with_remedy(data, fault)}")


def _bring_in(data: Path) -> None:
    """Have files and journal hold what was acknowledged, where no node has started since a kill."""
    try:
        bring_in(Tree(data, sync=True))
    except ResourceError as error:  # this user may not, say: a start of the node sees to it
        logger.warning("%s", error)


def _is_free(data: Path) -> bool:
    """Whether no node serves the folder, as far as may be known."""
    try:
        return is_free(data)
    except OSError:  # it may not be written
        return False


def prepare_shared(settings: Settings) -> None:
    """Have an archive that several nodes share be ready to be served. Raises FolderError."""
    storage = settings.storage
    if not prepare(storage.path, storage.sync, storage.charset, storage.any_file_system):
        raise FolderError("the index in PostgreSQL is not whole: `minipacs rebuild` makes it anew")


def require_shared(settings: Settings) -> None:
    """Raise FolderError unless the archive that several nodes have is there, and whole."""
    from storage.sharing.preparing import require_prepared  # what most archives need nothing of

    data = settings.storage.path
    require_prepared(data)
    require_migrated(journal_of(data, sync=False))


@contextmanager
def opened(settings: Settings) -> Iterator[Archive]:
    """The archive, for one command. Raises FolderError unless there is one that is whole."""
    if shared_place(settings.storage.path):
        require_shared(settings)
    else:
        _bring_in(settings.storage.path)
        require_index(settings)
        require_migrated(journal_of(settings.storage.path, sync=False))
    BUDGET.set(settings.storage.path, settings.limits)
    archive = Archive(settings.storage.path, settings.storage.sync)
    try:
        yield archive
    finally:
        archive.close_thread()


@contextmanager
def changing(settings: Settings) -> Iterator[Archive]:
    """The same to change files and rows: what an earlier one left half-done is ended first."""
    with opened(settings) as archive:
        if shared_place(settings.storage.path):  # what is done is done at once, or not at all
            yield archive
            return
        with marked(settings.storage.path, settings.storage.charset):
            yield archive


def open_to_store(settings: Settings, told: Callable[[int, int], None]) -> bool:
    """Have a data folder that can be stored to; whether no node has it.

    `told` of how many files are read of how many while its index is made anew, where that must
    be. Raises FolderError.
    """
    storage = settings.storage
    if shared_place(storage.path):
        require_shared(settings)
        return False
    where = f"{settings.source}: [storage] path: "
    try:
        is_whole = prepare(storage.path, storage.sync, storage.charset, storage.any_file_system)
    except InUseError:
        fault = fault_of_index(index_path(storage.path), look_through=False)
        if fault and fault != UNFINISHED:
            words = with_remedy(storage.path, fault)
            raise FolderError(f"{where}{storage.path}: {words}") from None
        return False
    except FolderError as error:
        raise FolderError(f"{where}{error}") from error
    if not is_whole:
        rebuilding.rebuild(storage.path, storage.charset, told, child.readers)
    return True


def archive_to_store(settings: Settings) -> Archive:
    """The archive as a process stores to it, beside a node or others, once it is open for that."""
    storage = settings.storage
    archive = Archive(
        storage.path, storage.sync, OnConflict(storage.on_conflict), settings.limits.free_bytes,
        Bounds(storage.superseded_copies, storage.superseded_percent),
    )  # fmt: skip
    archive.tree.stay_beside()
    return archive
