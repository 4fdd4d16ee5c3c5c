"""Whether the engines of a shared archive answer."""

from enum import StrEnum
from pathlib import Path

from storage.diagnostics import ArchiveError
from storage.sharing.opened import shared_of


class SharedEngine(StrEnum):
    """What an archive that several nodes have lies in."""

    DATABASE = "database"
    STORE = "store"


def fault_of(data: Path, engine: SharedEngine) -> str:
    """Why an engine of a data folder's archive does not do what a node needs; empty: it does.

    Looked at through and through, which may take as long as an engine that is gone is waited for.
    """
    try:
        shared = shared_of(data)
        if engine is SharedEngine.DATABASE:
            with shared.engine.reading():
                shared.engine.execute("SELECT 1", ())
        else:
            shared.store().probe()
    except ArchiveError as error:
        return str(error)
    return ""
