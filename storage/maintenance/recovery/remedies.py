"""What a person is told to do about an index that does not answer."""

from pathlib import Path

from storage.files import is_free
from storage.maintenance.recovery.rebuilding import is_under_way
from storage.maintenance.recovery.startup import UNFINISHED

_WAIT = "it is being made anew; ask again later"
_RESTART = "a node has it open: restart that node"
_REBUILD = "`minipacs rebuild` makes it anew"


def with_remedy(data: Path, fault: str) -> str:
    """A fault of the index of a data folder, and what to do about it: no rebuild beside another."""
    return f"index {fault}; {_remedy(data, fault)}"


def _remedy(data: Path, fault: str) -> str:
    try:
        is_served = not is_free(data)
        if fault == UNFINISHED and (is_served or is_under_way(data)):
            return _WAIT
    except OSError:  # it may not be written
        return _REBUILD
    return _RESTART if is_served else _REBUILD
