"""What lies in tree/: the files that may be instances, and whatever does not belong there."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids, are_uids
from storage.maintenance.check.faults import Fault, Kind

# A store makes a folder and then puts the file into it: who looks between sees an empty one.
_SETTLED_SECONDS = 5
_DEPTH = 2  # of the folders: study and series


def walk(root: Path) -> Iterator[Path | Fault]:
    """Each file that lies where instances do; and what is strange. Raises ResourceError."""
    empty: list[Path] = []
    yield from _walk(root, 0, empty)
    yield from _empty(empty)


def uids_of(root: Path, path: Path) -> Uids | None:
    """The UIDs that a path stands for, or None where it stands for none."""
    study, series, name = path.relative_to(root).parts
    uids = (study, series, name.removesuffix(".dcm"))
    return uids if are_uids(uids) else None


def remove_folder(root: Path, folder: Path) -> bool:
    """Remove a folder if it is still empty; `Tree.place` makes it again where it is needed.

    So is a study's folder that held nothing else.
    """
    try:
        folder.rmdir()
    except OSError:
        return False
    if folder.parent != root:
        with suppress(OSError):  # others lie there
            folder.parent.rmdir()
    return True


def _walk(folder: Path, depth: int, empty: list[Path]) -> Iterator[Path | Fault]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # pruned since
        return
    except OSError as error:
        if depth == 0:
            raise ResourceError(f"{folder}: {error.strerror}") from error
        yield Fault(Kind.UNREADABLE, folder, detail=str(error.strerror))
        return
    if not entries and depth:
        empty.append(folder)
    for entry in entries:
        path = Path(entry.path)
        strange = _strange(entry, depth)
        if strange:
            yield Fault(Kind.STRANGE, path, detail=strange)
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


def _empty(folders: list[Path]) -> Iterator[Fault]:
    """Those that stay empty."""
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
                yield Fault(Kind.EMPTY_FOLDER, folder)
                break
            time.sleep(_SETTLED_SECONDS - age)
