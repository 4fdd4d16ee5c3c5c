"""What a data folder holds, to be compared with its backup."""

from collections import Counter
from pathlib import Path

from storage import Archive, prepare
from storage.maintenance.recovery import rebuilding
from support.checks.faults import damage

CHARSET = "ISO_IR 100"


def contents(data: Path) -> Counter[tuple[str, bytes]]:
    folders = ("tree", "superseded")
    return Counter(
        (path.relative_to(data).as_posix(), path.read_bytes())
        for folder in folders for path in (data / folder).glob("*/*/*.dcm")
    )  # fmt: skip


def whole(data: Path) -> int:
    """Make an index of a copy, and see that all in it agrees; how many instances it has."""
    if not prepare(data, sync=False, charset=CHARSET):
        rebuilding.rebuild(data, CHARSET)
    archive = Archive(data, sync=False)
    try:
        assert damage(archive) == []
        return len(list(archive.tree.walk()))
    finally:
        archive.index.database.close_all()
