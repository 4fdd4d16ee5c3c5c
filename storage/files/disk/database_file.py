"""SQLite's errors told apart: a file that is damaged, and a disk or a system that fails."""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# The primary part of an extended result code (sqlite.org/rescode.html).
_PRIMARY = 0xFF
# All others are of the disk, the system, or of who else has the file.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# How a quick_check names a page that could not be read.
_CODE = re.compile(r"error code[ =](\d+)")
_BLOCK_BYTES = 1 << 20
_DESCRIPTORS = "/proc/self/fd"


def code_of(error: BaseException | None) -> int:
    """The primary result code of an error of SQLite's, also as peewee raises it; 0: none."""
    while error and not hasattr(error, "sqlite_errorcode"):
        error = error.__cause__ or error.__context__
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that a file is damaged: it takes one for that which gives EIO, too."""
    return code_of(error) in _DAMAGE


def sqlite_words(error: BaseException) -> str:
    """What is wrong, where nobody looks which of the two it is: SQLite says "malformed" of both.

    Its statements turn SQLITE_IOERR_CORRUPTFS, which is EIO, into SQLITE_CORRUPT (its vdbe.c).
    """
    is_either = code_of(error) == sqlite3.SQLITE_CORRUPT
    return "it is damaged, or its disk fails" if is_either else str(error)


def require_sound(found: str) -> None:
    """Take what a quick_check has found; raises sqlite3.Error unless that is nothing."""
    if found == "ok":
        return
    told = " ".join(found.split())
    code = _CODE.search(told)
    number = int(code[1]) if code else sqlite3.SQLITE_CORRUPT
    error = sqlite3.DatabaseError(told)
    if number & _PRIMARY not in _DAMAGE:
        error = sqlite3.OperationalError(f"disk I/O error: {told}")
    error.sqlite_errorcode = number
    raise error


def require_readable(path: Path) -> None:
    """Read a database and its write-ahead log. Raises OSError where the disk does not give them.

    This process may not have it open otherwise: to close a file drops the locks of SQLite's own.
    """
    for one in (path, path.with_name(f"{path.name}-wal")):
        if one.exists():
            with one.open("rb", buffering=0) as file:
                while file.read(_BLOCK_BYTES):
                    pass


def another_descriptor(inode: tuple[int, int]) -> int | None:
    """A further one of a file that this process has open, also where no name leads to it any more.

    None where there is none. It drops the locks of SQLite's own when it is closed, as above.
    """
    with suppress(OSError):  # who has no /proc goes without
        for number in os.listdir(_DESCRIPTORS):
            with suppress(OSError):  # closed meanwhile, or that of the folder itself
                held = os.stat(f"{_DESCRIPTORS}/{number}")
                if (held.st_dev, held.st_ino) == inode:
                    return os.open(f"{_DESCRIPTORS}/{number}", os.O_RDONLY | os.O_CLOEXEC)
    return None


def damage_found(path: Path, look: Callable[[], str]) -> str:
    """What a look at a database finds, or how that is damaged.

    Raises OSError, or what the look raises, where the disk or the system is at fault.
    """
    try:
        return look()
    except Exception as error:  # SQLite's, or peewee's
        if not is_damage(error):
            raise
    require_readable(path)
    try:
        return look()  # a disk that failed once need not do so again
    except Exception as error:
        if not is_damage(error):
            raise
        return f"damaged: {error}"
