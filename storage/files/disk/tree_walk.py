"""What lies in tree/: the files that may be instances, and whatever does not belong there."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids, are_uids

# A store makes a folder and then puts the file into it: who looks between sees an empty one.
_SETTLED_SECONDS = 5
_DEPTH = 2  # of the folders: study and series


@dataclass(frozen=True)
class Stray:
    """What lies in the tree and is no file of an instance, and what is strange about it.

    `kind`: an "empty" folder, a folder that is "unreadable", or "strange" of its kind or name.
    """

    path: Path
    kind: Literal["strange", "unreadable", "empty"]
    words: str = ""


def relative_path(uids: Uids) -> Path:
    """Where the file of an instance lies, below the folder of all."""
    study, series, instance = uids
    return Path(study, series, f"{instance}.dcm")


def named_by(root: Path, path: Path) -> Uids:
    """What the path of a file below the folder of all says of its UIDs, which may be none."""
    study, series, name = path.relative_to(root).parts
    return study, series, name.removesuffix(".dcm")


def instances(root: Path, *above: str) -> Iterator[Uids]:
    """Each file that lies where instances do, whatever it is; a folder is never listed as a whole.

    Raises OSError.
    """
    try:
        with os.scandir(root.joinpath(*above)) as found:
            for entry in found:
                if len(above) < _DEPTH:
                    if entry.is_dir():
                        yield from instances(root, *above, entry.name)
                elif entry.name.endswith(".dcm"):
                    yield above[0], above[1], entry.name.removesuffix(".dcm")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # pruned since; or `check` tells of it


def entries(root: Path) -> Iterator[Uids | Stray]:
    """Each file that lies where instances do; and what is strange. Raises ResourceError."""
    empty: list[Path] = []
    for entry in _walk(root, 0, empty):
        yield entry if isinstance(entry, Stray) else named_by(root, entry)
    yield from _empty(empty)


def _walk(folder: Path, depth: int, empty: list[Path]) -> Iterator[Path | Stray]:
    is_empty = True
    try:
        # Not as a whole: what is known of each file of a series takes 350 bytes.
        with os.scandir(folder) as entries:
            for entry in entries:
                is_empty = False
                yield from _seen(entry, depth, empty)
    except FileNotFoundError:  # pruned since
        return
    except OSError as error:
        if depth == 0:
            raise ResourceError(f"{folder}: {error.strerror}") from error
        yield Stray(folder, "unreadable", str(error.strerror))
        return
    if is_empty and depth:
        empty.append(folder)


def _seen(entry: "os.DirEntry[str]", depth: int, empty: list[Path]) -> Iterator[Path | Stray]:
    path = Path(entry.path)
    if strange := _strange(entry, depth):
        yield Stray(path, "strange", strange)
    elif depth == _DEPTH:
        yield path
    else:
        yield from _walk(path, depth + 1, empty)


def _strange(entry: "os.DirEntry[str]", depth: int) -> str:
    """What is strange about it, if anything."""
    if entry.is_symlink():
        return "a symbolic link"
    is_folder = entry.is_dir(follow_symlinks=False)
    if depth < _DEPTH:
        if not is_folder:
            return "a file outside of a series' folder"
        return "" if are_uids((entry.name,)) else "a folder whose name is not a UID"
    if is_folder:
        return "a folder inside of a series' folder"
    if not entry.is_file(follow_symlinks=False):
        return "neither a file nor a folder"
    return "" if entry.name.endswith(".dcm") else "not a .dcm file"


def _empty(folders: list[Path]) -> Iterator[Stray]:
    """The folders that stay empty."""
    for folder in folders:
        for last in (False, True):
            try:
                age = time.time() - folder.stat().st_mtime
                if any(os.scandir(folder)):
                    break
            except FileNotFoundError:
                break
            except OSError as error:
                raise ResourceError(f"{folder}: {error.strerror}") from error
            if last or not 0 <= age < _SETTLED_SECONDS:
                yield Stray(folder, "empty")
                break
            time.sleep(_SETTLED_SECONDS - age)
