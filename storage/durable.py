"""Names that a power cut does not take, and those that nothing needs any more."""

import os
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(path: Path) -> None:
    """Remove the series' and the study's folder of a file that is gone, where nothing is left."""
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # never made, or not empty: others lie there
            folder.rmdir()
