"""How far a file of the journal is surely in the index: a number, written beside it."""

import os
from pathlib import Path


def read_mark(data: Path, name: str) -> int:
    """The number of a data folder's mark; 0 where there is none, or none that can be read."""
    try:
        return int((data / "journal" / name).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def write_mark(data: Path, name: str, number: int) -> None:
    """Write it down, synced, in the place of the one before. Raises OSError."""
    path = data / "journal" / name
    fresh = path.with_suffix(".new")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with fresh.open("w") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
