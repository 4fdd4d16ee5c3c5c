"""The two names of the journal's file that is written: made, compared, and given back."""

import errno
import logging
import os
import threading
from contextlib import suppress
from pathlib import Path

from storage.files import sync_folder
from storage.journal.segments.reader import Segments, inode, status

logger = logging.getLogger(__name__)


def prepare(ours: Segments, sync: bool) -> None:
    """See that there is a file to be written, under both of its names. Raises OSError."""
    there, link = status(ours.path), status(ours.link)
    if there and link:
        return
    if there:
        closed = ours.closed()
        last = status(closed[-1][1]) if closed else None
        if last and inode(last) == inode(there):
            return
        with suppress(FileExistsError):
            os.link(ours.path, ours.link)
    elif link and link.st_size:
        put_back(ours, sync)
    else:
        make(ours)
        with suppress(FileExistsError):
            os.link(ours.link, ours.path)
    for folder in (ours.path.parent, ours.path.parent.parent) if sync else ():
        sync_folder(folder)


def put_back(ours: Segments, sync: bool) -> bool:
    """Give the file that is written its name again, which somebody has moved away.

    False where there is nothing to be put back. Raises OSError where another has the name.
    """
    there, link = status(ours.path), status(ours.link)
    if not link or (there and inode(there) == inode(link)):
        return there is not None and link is not None
    if there and there.st_size:
        raise _replaced(ours)
    new = fresh(ours)
    with suppress(FileNotFoundError):
        new.unlink()
    os.link(ours.link, new)
    os.replace(new, ours.path)
    if sync:
        sync_folder(ours.path.parent)
    logger.error("%s was moved away or removed: put back, no line is lost", ours.path)
    return True


def adopt(ours: Segments) -> None:
    """Take the file under its first name for the one that is written; nobody may be writing.

    Raises OSError.
    """
    there, link = status(ours.path), status(ours.link)
    if there and link and inode(there) != inode(link) and there.st_size:
        ours.link.unlink()


def fault_of(ours: Segments) -> str:
    """What is wrong with the file that is written; empty where nothing is."""
    there, link = status(ours.path), status(ours.link)
    if link and not there:
        return f"{ours.path} was moved away or removed"
    if link and there and inode(link) != inode(there):
        closed = ours.closed()
        last = status(closed[-1][1]) if closed else None
        if not last or inode(last) != inode(there):
            return f"{ours.path} was replaced"
    return ""


def make(ours: Segments) -> None:
    """An empty file under the second name, unless there is one."""
    new = fresh(ours)
    os.close(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        os.link(new, ours.link)
    except FileExistsError:
        pass
    finally:
        new.unlink()


def fresh(ours: Segments) -> Path:
    """A name that nobody else takes, in the folder of the journal."""
    return ours.path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")


def _replaced(ours: Segments) -> OSError:
    words = f"{ours.path} was replaced while in use; what was written is in {ours.link.name}"
    return OSError(errno.ESTALE, words)
