"""Whether a data folder can be stored into and asked, as can be seen from beside who serves it."""

import shutil
from pathlib import Path

from storage.files import why_not
from storage.index import index_path
from storage.journal import journal_of
from storage.maintenance.recovery.startup import fault_of_version
from storage.sharing.place import shared_place


def why_not_usable(data: Path, least: int) -> str:
    """What keeps it from that, where `least` bytes must stay free on the disk; empty: nothing."""
    if fault := why_not(data) or _fault_of_what_is_in_it(data):
        return fault
    try:
        free = shutil.disk_usage(data).free
    except OSError as error:
        return f"the disk cannot be asked for its free bytes: {error.strerror}"
    return f"the disk is full: {free} bytes free, free_bytes = {least}" if free < least else ""


def _fault_of_what_is_in_it(data: Path) -> str:
    """Of an archive that lies elsewhere nothing: who asks how that is waits for it."""
    if shared_place(data):
        return ""
    if fault := fault_of_version(index_path(data)):
        return f"the index is {fault}"
    faults = journal_of(data, sync=False).faults()
    return faults[0] if faults else ""


def index_bytes(data: Path) -> int | None:
    """What the index takes on the disk; None: it lies elsewhere. Raises OSError."""
    if shared_place(data):
        return None
    path = index_path(data).resolve()
    beside = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
