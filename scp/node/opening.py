"""The archive opened for a command, to look at or to change, beside a node or without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scp.config import Settings
from scp.copies.conversion.limits import BUDGET
from storage import Archive, catch_up
from storage.diagnostics import FolderError
from storage.files import is_free
from storage.index import index_path
from storage.journal import changes_cut_off, in_progress
from storage.maintenance.recovery import fault_of_index


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
        raise FolderError(f"{data}: index {fault}; `minipacs rebuild` makes it anew")


def _is_free(data: Path) -> bool:
    """Whether no node serves the folder, as far as may be known."""
    try:
        return is_free(data)
    except OSError:  # it may not be written
        return False


@contextmanager
def opened(settings: Settings) -> Iterator[Archive]:
    """The archive, for one command. Raises FolderError unless there is one that is whole."""
    require_index(settings)
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
        data = settings.storage.path
        if changes_cut_off(data):
            catch_up(data, settings.storage.charset)
        with in_progress(data):
            yield archive
