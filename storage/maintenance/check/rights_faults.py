"""What the user of this process cannot use of a data folder, as faults of a check."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from storage.files import MissingRight, of_tree, unusable
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.repair import Mended, mending

_FOLDERS = ("tree", "superseded")


def above(data: Path, repair: bool) -> list[Fault]:
    """Those that keep a node from its journal, its index and its folders."""
    return [_fault(one, repair) for one in unusable(data)]


def below(data: Path, repair: bool) -> Iterator[Fault]:
    """Those of files and folders of instances."""
    for name in _FOLDERS:
        found = ((one, of_tree(data, one)) for one in _paths(data / name))
        # What this process cannot read either is told of when it is to be read.
        yield from (
            _fault(fault, repair)
            for one, fault in found
            if fault and (one.is_dir() or os.access(one, os.R_OK, effective_ids=True))
        )


def _paths(folder: Path) -> Iterator[Path]:
    """A folder and all that lies in it, none of which is listed as a whole."""
    with suppress(OSError), os.scandir(folder) as found:
        yield folder
        for entry in found:
            path = Path(entry.path)
            if entry.is_symlink():
                yield from () if path.is_dir() else (path,)
            elif entry.is_dir():
                yield from _paths(path)
            else:
                yield path


def _fault(found: MissingRight, repair: bool) -> Fault:
    fault = Fault(FaultKind.RIGHTS, str(found.path), detail=f"{found.words}: {found.remedy}")
    return mending(fault, repair, lambda: Mended("left alone", well=False))
