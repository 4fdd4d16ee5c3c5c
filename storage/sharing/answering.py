"""Whether the engines of a shared archive answer."""

import threading
import time
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


def faults_of(data: Path, seconds: float | None = None) -> dict[SharedEngine, str]:
    """The same of each engine, looked at at one time, and for so long at most, where that is said.

    What has not answered by then is told of as that.
    """
    found: dict[SharedEngine, str] = {}

    def look(engine: SharedEngine) -> None:
        found[engine] = fault_of(data, engine)

    lookers = [
        threading.Thread(target=look, args=[engine], name=f"look at {engine}", daemon=True)
        for engine in SharedEngine
    ]
    for one in lookers:
        one.start()
    end = None if seconds is None else time.monotonic() + seconds
    for one in lookers:
        one.join(None if end is None else max(end - time.monotonic(), 0.0))
    words = f"has not answered for {seconds} s"
    return {engine: found.get(engine, words) for engine in SharedEngine}
