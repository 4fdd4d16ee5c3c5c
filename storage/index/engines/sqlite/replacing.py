"""One file in the place of another that others have open: none of them waits longer than for a row.

What is in its place is a symbolic link then, to a file with a name of its own. SQLite keeps its log
beside the file that it has open, by the name of that, and removes it with its last connection: so
no two files may ever have had the same name. Who has the one before open notices with its next
transaction (`database.connection_of`).
"""

import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from storage.files import sync_folder
from storage.index.engines.sqlite import database as db

_NAME_BYTES = 4
# What SQLite keeps beside a file.
_BESIDE = ("-wal", "-shm", "-journal")
# Behind the name of the link.
_OURS = re.compile(rf"(\.[0-9a-f]{{{2 * _NAME_BYTES}}})?({'|'.join(_BESIDE)})?")


@contextmanager
def writers_held(path: Path) -> Iterator[None]:
    """Hold the turn to write to the index at `path`. Raises OSError, sqlite3.Error."""
    database = db.connect(path, sync=True)
    with database.connection_context(), db.connection_of(database).turn():
        yield


def put_in_place(fresh: Path, path: Path) -> None:
    """Have `fresh`, which nobody has open, be what is found at `path`, at once and for good.

    A kill leaves the one or the other there. Raises OSError.
    """
    target = path.with_name(f"{path.name}.{secrets.token_hex(_NAME_BYTES)}")
    link = path.with_name(f"{path.name}.link")
    _take_rights(fresh, path)
    os.rename(fresh, target)
    sync_folder(path.parent)  # the link must not come to last before what it leads to
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(target.name)
    except OSError:  # a file system that has none: who stores waits for all of it to be copied
        _copy(target, path)
        return
    os.rename(link, path)
    sync_folder(path.parent)


def _copy(target: Path, path: Path) -> None:
    """The same in one transaction of the file that is there."""
    with closing(sqlite3.connect(target)) as source, closing(sqlite3.connect(path)) as held:
        source.backup(held)
    remove_index(target)


def _take_rights(fresh: Path, path: Path) -> None:
    """Have who may read the one before read this one."""
    with suppress(FileNotFoundError):
        held = path.stat()
        fresh.chmod(stat.S_IMODE(held.st_mode))
        with suppress(PermissionError):  # of a group that this user is not in
            os.chown(fresh, -1, held.st_gid)


def remove_index(path: Path) -> None:
    """Remove an index, and all that was kept beside it. Raises OSError."""
    for one in (path, *_files(path)):
        one.unlink(missing_ok=True)


def remove_replaced(path: Path) -> None:
    """Remove what is not of the index that is at `path` now; who has it open keeps it."""
    held = path.resolve().name
    with suppress(OSError):  # tried again with the next one
        for one in _files(path):
            if one.name.removeprefix(held) not in ("", *_BESIDE):
                one.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """What there is beside the file or link at `path`."""
    beside = path.parent.glob(f"{path.name}[.-]*")
    return [one for one in beside if _OURS.fullmatch(one.name.removeprefix(path.name))]
