"""Whose a data folder is, and what of it the user of this process cannot read or write."""

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What the node writes of the data folder itself; other files there are nobody's concern.
_FILES = ("lock", "*.lock", "index.sqlite*")
_FOLDERS = ("tree", "incoming", "superseded", "log")
# Nobody waits for these: where something else lies in their place a node serves without them.
_BESIDE = ("forward.sqlite*", "audit", "audit/audit.jsonl")
_JOURNAL, _LINES = "journal", ".jsonl"  # with all that is in it
_ROOT = 0
_RIGHTS = ((os.R_OK, "read"), (os.W_OK, "written"))


@dataclass(frozen=True)
class MissingRight:
    """What the user of this process cannot use, in words, and what can be done about it."""

    path: Path
    words: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}: {self.remedy}"


def owners_of(data: Path) -> list[int]:
    """The ids of the users that a data folder belongs to, or will once it is made.

    First who made `tree/`: that is who serves it, also where the folder is a volume of root's.
    Raises OSError.
    """
    there = next(one for one in (data, *data.parents) if is_there(one))
    return [one.stat().st_uid for one in (data / "tree", there) if _exists(one)]


def has_tree(data: Path) -> bool:
    """Whether something was ever kept in a data folder, as far as this process's user can see."""
    try:
        return (data / "tree").exists()
    except OSError:  # in a folder that it cannot enter
        return True


def name_of(user: int) -> str:
    """A user by name, or by number where there is no account."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def account_of(user: int) -> str:
    """The same, as sudo(8) takes it."""
    name = name_of(user)
    return f"#{user}" if name == f"uid {user}" else name


def is_there(path: Path) -> bool:
    """Whether a path leads to something. Raises PermissionError where that cannot be seen."""
    return path.exists()


def words_of(error: OSError) -> str:
    """What an error says, and whose rights were not enough."""
    words = error.strerror or str(error)
    return f"{words} for {name_of(os.getuid())}" if isinstance(error, PermissionError) else words


def refusal(error: OSError, path: Path) -> str:
    """What an error says of a file, and whose that is where rights are missing."""
    words = error.strerror or str(error)
    if not isinstance(error, PermissionError):
        return words
    for there in (path, path.parent):  # where it is not there, its folder
        with suppress(OSError):
            return f"{there.name}: {words}, owner {name_of(there.stat().st_uid)}"
    return f"{path.name}: {words}"


def why_not(data: Path) -> str:
    """What this process's user cannot use of a data folder, and what helps; else nothing."""
    try:
        return str(next(unusable(data), ""))
    except OSError as error:  # one that goes while it is looked at, say
        return f"{error.filename or data}: {error.strerror}"


def why_not_made(data: Path) -> str:
    """Why this process's user cannot make a data folder that is not there; else nothing."""
    if _exists(data):
        return ""
    there = next(one for one in data.parents if _exists(one))
    found = _of_file(there, there, ((os.X_OK, "entered"), (os.W_OK, "written")))
    return str(found or "") if there.is_dir() else ""


def unusable(data: Path) -> Iterator[MissingRight]:
    """What this process's user cannot use of a data folder, but for what lies in its tree.

    By the rights of the user alone, whatever other capabilities the process has (access(2)).
    """
    if _is_dangling(data):
        yield _dangling(data)
    if not _exists(data):
        return
    if found := _of_folder(data, data):
        yield found
        return
    for name in _FOLDERS:
        if _exists(data / name) and (found := _of_folder(data, data / name)):
            yield found
    for pattern in _FILES:
        for path in sorted(data.glob(pattern)):
            if found := _of_regular(data, path):
                yield found
    if _exists(data / _JOURNAL):
        yield from _all(data, data / _JOURNAL)
    for pattern in _BESIDE:
        for path in sorted(data.glob(pattern)):
            if found := (_of_folder if path.is_dir() else _of_file)(data, path):
                yield found


def of_tree(data: Path, path: Path) -> MissingRight | None:
    """What is the matter with a file or folder of the tree: files there are never written."""
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except OSError:  # gone; or in a folder that cannot be entered, which is told of
        return None
    if is_folder:
        return _of_folder(data, path)
    return None if os.access(path, os.R_OK) else _unusable(data, path, "read")


def _all(data: Path, folder: Path) -> Iterator[MissingRight]:
    """Of a folder and what is in it."""
    if found := _of_folder(data, folder):
        yield found
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.suffix != _LINES:
            yield from _all(data, path)
        elif found := _of_regular(data, path):
            yield found


def _of_folder(data: Path, path: Path) -> MissingRight | None:
    if not path.is_dir():
        return MissingRight(path, "not a folder", "move it away")
    return _of_file(data, path, ((os.X_OK, "entered"), *_RIGHTS))


def _of_regular(data: Path, path: Path) -> MissingRight | None:
    if _is_dangling(path):
        return _dangling(path)
    if _exists(path) and not path.is_file():
        return MissingRight(path, "not a file", "move it away")
    return _of_file(data, path)


def _of_file(
    data: Path, path: Path, rights: tuple[tuple[int, str], ...] = _RIGHTS
) -> MissingRight | None:
    for right, done in rights:
        if not os.access(path, right) and _exists(path):
            return _unusable(data, path, done)
    return None


def _unusable(data: Path, path: Path, done: str) -> MissingRight:
    """Whose it is, and what helps."""
    user, words = os.getuid(), f"cannot be {done} by {name_of(os.getuid())}"
    if os.access(path, os.F_OK) and os.statvfs(path).f_flag & os.ST_RDONLY:
        return MissingRight(path, f"{words}, on a file system that is mounted read-only",
                        "mount it to be written")  # fmt: skip
    try:
        held = path.lstat()
    except OSError:
        return MissingRight(path, words, f"see who may enter {path.parent}")
    rights = f"{name_of(held.st_uid)}'s with the rights {stat.filemode(held.st_mode)}"
    if held.st_uid == user:
        return MissingRight(
            path, f"{words}, {rights}", f"`chmod -R u+rwX {shlex.quote(str(data))}`"
        )
    try:
        owner = f"{pwd.getpwuid(user).pw_name}:"  # and the group of that account
    except KeyError:
        owner = f"{user}:{os.getgid()}"
    return MissingRight(path, f"{words}, {rights}", f"`chown -R {owner} {shlex.quote(str(data))}`")


def _is_dangling(path: Path) -> bool:
    return path.is_symlink() and not _exists(path)


def _dangling(path: Path) -> MissingRight:
    return MissingRight(path, "a symbolic link that leads nowhere", "make what it leads to")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that cannot be entered
        return False
