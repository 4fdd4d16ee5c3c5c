"""Names that a power cut does not take."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
