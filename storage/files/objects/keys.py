"""Keys of objects: the UIDs of the instance, and what no two objects have in common."""

import re
import secrets
import time
from uuid import UUID

from storage.dicom.values import Uids, are_uids

# Below which all objects lie, as files do in a folder tree.
TREE = "tree"
# Tells whose they are.
MARK = "archive"
_LAST_MILLISECOND = (1 << 48) - 1
_KEY = re.compile(rf"{TREE}/([0-9.]+)/([0-9.]+)/([0-9.]+)\.[0-9a-f-]{{36}}\.dcm", re.ASCII)


def new_key(uids: Uids, arrived: int = 0) -> str:
    """A key for an object of an instance; nobody ever had it, nobody else ever has it.

    Later ones sort behind; `arrived`, in nanoseconds since 1970, for one that did not come now.
    """
    study, series, instance = uids
    return f"{TREE}/{study}/{series}/{instance}.{uuid7(arrived)}.dcm"


def uids_of(key: str) -> Uids | None:
    """The instance that a key is of; None: it is none of ours."""
    found = _KEY.fullmatch(key)
    uids = found and (found[1], found[2], found[3])
    return uids if uids and are_uids(uids) else None


def uuid7(at: int = 0) -> UUID:
    """A UUID by the time and at random (RFC 9562 5.7): later ones sort behind, to a millisecond.

    `at`: of then, in nanoseconds since 1970, instead of now.
    """
    milliseconds = min(max(at or time.time_ns(), 0) // 1_000_000, _LAST_MILLISECOND)
    number = milliseconds << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76  # version
    return UUID(int=number & ~(0x3 << 62) | 2 << 62)  # variant
