"""Keys of objects: the UIDs of the instance, and what no two objects have in common."""

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from uuid import UUID

from storage.dicom.values import Uids, are_uids

# Below which all objects lie, as files do in a folder tree.
TREE = "tree"
# Tells whose they are.
MARK = "archive"
_LAST_MILLISECOND = (1 << 48) - 1
_UUID = "-".join(f"[0-9a-f]{{{digits}}}" for digits in (8, 4, 4, 4, 12))
_KEY = re.compile(rf"{TREE}/([0-9.]+)/([0-9.]+)/([0-9.]+)\.({_UUID})\.dcm", re.ASCII)

# Of a place: bytes of a digest of the study, of the series in it, of the instance in that.
_PARTS = (4, 4, 8)


def new_key(uids: Uids, arrived: int = 0) -> str:
    """A key for an object of an instance; nobody ever had it, nobody else ever has it.

    Later ones sort behind; `arrived`, in nanoseconds since 1970, for one that did not come now.
    """
    return key_of(uids, uuid7(arrived))


def key_of(uids: Uids, number: UUID) -> str:
    """The key of an object of an instance that has this number, of `number_of`."""
    study, series, instance = uids
    return f"{TREE}/{study}/{series}/{instance}.{number}.dcm"


def uids_of(key: str) -> Uids | None:
    """The instance that a key is of; None: it is none of ours."""
    found = _KEY.fullmatch(key)
    uids = found and (found[1], found[2], found[3])
    return uids if uids and are_uids(uids) else None


def number_of(key: str) -> UUID:
    """What tells the object of a key from others of its instance. Raises ValueError."""
    found = _KEY.fullmatch(key)
    if not found:
        raise ValueError(f"{key}: is no key of an object")
    return UUID(found[4])


def place_of(uids: Uids) -> UUID:
    """A number for an instance, short enough to be looked up by among any of them.

    Those of a study lie side by side, and there those of a series. Two instances of a series
    have the same with a chance of one in 2^64: who looks one up compares its UIDs, too.
    """
    return UUID(bytes=_place(uids))


def places_below(*above: str) -> tuple[UUID, UUID]:
    """The first and the last number of a study, a series, an instance, or of all."""
    found = _place(above)
    missing = sum(_PARTS) - len(found)
    return UUID(bytes=found + bytes(missing)), UUID(bytes=found + b"\xff" * missing)


def _place(uids: Sequence[str]) -> bytes:
    names = ("/".join(uids[: number + 1]).encode() for number in range(len(uids)))
    digests = (hashlib.sha256(name).digest() for name in names)
    return b"".join(digest[:part] for digest, part in zip(digests, _PARTS, strict=False))


def uuid7(at: int = 0) -> UUID:
    """A UUID by the time and at random (RFC 9562 5.7): later ones sort behind, to a millisecond.

    `at`: of then, in nanoseconds since 1970, instead of now.
    """
    milliseconds = min(max(at or time.time_ns(), 0) // 1_000_000, _LAST_MILLISECOND)
    number = milliseconds << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76  # version
    return UUID(int=number & ~(0x3 << 62) | 2 << 62)  # variant
