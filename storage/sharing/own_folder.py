"""The data folder of a node whose archive lies elsewhere, told from one that holds an archive."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from storage.diagnostics import Event, FolderError
from storage.files import StagingFolder, Tree
from storage.files.locks import claim_folder, claimed

logger = logging.getLogger(__name__)

# Is there once the folder is a node's of a shared archive.
_MARK = "shared"
_TEXT = "The archive of this node lies in PostgreSQL and an object store, see its configuration.\n"


def take_for_shared(data: Path) -> None:
    """Have a data folder be this node's, of an archive that lies elsewhere, and of nobody else.

    Until this process and those that it forks have ended. Clears what an earlier run left of what
    arrived. Raises FolderError, also where it holds an archive.
    """
    with _told(data):
        _make(data)
        claim_folder(data)
        _take(data)


@contextmanager
def taken_for_shared(data: Path) -> Iterator[None]:
    """The same for the block alone. Raises FolderError."""
    with ExitStack() as claims:
        with _told(data):
            _make(data)
            claims.enter_context(claimed(data))
            _take(data)
        yield


@contextmanager
def _told(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"{error.filename or data}: {error.strerror}") from error


def _make(data: Path) -> None:
    (data / "incoming").mkdir(parents=True, exist_ok=True)


def _take(data: Path) -> None:
    if next(Tree(data, sync=False).instances(), None):
        raise FolderError(
            f"{data}: holds an archive of its own, and [index] and [store] name another; have "
            "[storage] path name another folder"
        )
    (data / _MARK).write_text(_TEXT)
    if leftovers := StagingFolder(data, sync=False).clear():
        words = "left by an unclean end"
        logger.warning(Event("cleared incoming", words, files=leftovers))


def require_own(data: Path) -> None:
    """Raise FolderError where the archive of a folder lies elsewhere, and none is to be begun."""
    if (data / _MARK).exists():
        raise FolderError(
            f"{data}: is of a node whose archive lies in PostgreSQL and an object store, and "
            f"[index] and [store] are left out; if that is no more so, remove {data / _MARK}"
        )
