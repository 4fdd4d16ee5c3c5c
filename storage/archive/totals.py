"""What is held: entities and bytes, by modality, by sender and by month of arrival."""

import shutil
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field

from storage.archive.archive import Archive
from storage.dicom.values import Level
from storage.index import counts as row_counts
from storage.journal import RECEIPTS

# So many hexadecimal digits of a digest tell one instance from another.
_DIGITS = 16
_PLURALS = dict(zip(Level, ("patients", "studies", "series", "instances"), strict=True))


@dataclass
class HeldShare:
    """A part of what is held, `bytes` being those of the data sets."""

    instances: int = 0
    bytes: int = 0
    last: str = ""  # when the last one came, where that is known


@dataclass
class Statistics:
    """All of it; `by_modality` -> studies, series, instances and bytes."""

    entities: dict[str, int]
    bytes: int
    free_bytes: int
    by_modality: dict[str, dict[str, int]]
    by_sender: dict[str, HeldShare] = field(default_factory=dict)
    by_month: dict[str, HeldShare] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The same for a machine."""
        senders = {name: vars(share) for name, share in self.by_sender.items()}
        months = {
            month: {"instances": share.instances, "bytes": share.bytes}
            for month, share in self.by_month.items()
        }
        held = {**self.entities, "bytes": self.bytes, "free_bytes": self.free_bytes}
        return {
            "held": held, "by_modality": self.by_modality, "by_sender": senders, "by_month": months,
        }  # fmt: skip


def statistics(archive: Archive) -> Statistics:
    """Count what is held: by the index, and when and from whom it came by the journal.

    What has no receipt, as a file that was put into the tree by hand, has no sender and no month:
    both are empty. Raises ResourceError.
    """
    index = archive.index
    with index.engine.reading():
        entities = {_PLURALS[level]: row_counts.entities(index, level) for level in Level}
        total = row_counts.data_set_bytes(index)
        rows = row_counts.by_modality(index)
    free = shutil.disk_usage(archive.tree.data).free
    names = ("studies", "series", "instances", "bytes")
    by_modality = {m: dict(zip(names, counts, strict=True)) for m, *counts in rows}
    found = Statistics(entities, total, free, by_modality)
    _add_arrivals(archive, found)
    return found


def counts(archive: Archive) -> dict[str, int]:
    """How many entities of each level are held."""
    return {level.name.lower(): row_counts.entities(archive.index, level) for level in Level}


def held_bytes(archive: Archive) -> int:
    """The bytes of all data sets, by the index."""
    return row_counts.data_set_bytes(archive.index)


def _add_arrivals(archive: Archive, found: Statistics) -> None:
    with archive.index.engine.reading():
        held = _Held(archive)
    for line in archive.journal.read(RECEIPTS):
        size = None if line.get("withdrawn") else held.take(str(line.get("digest", "")))
        if size is None:
            continue
        at = str(line.get("at", ""))
        _add(found.by_sender.setdefault(str(line.get("sender", "")), HeldShare()), size, at)
        _add(found.by_month.setdefault(at[:7], HeldShare()), size, at)
    rest = held.rest()
    if rest.instances:
        for shares in (found.by_sender, found.by_month):
            share = shares.setdefault("", HeldShare())
            share.instances += rest.instances
            share.bytes += rest.bytes
    found.by_sender = dict(sorted(found.by_sender.items(), key=lambda pair: -pair[1].bytes))
    found.by_month = dict(sorted(found.by_month.items()))


def _add(share: HeldShare, size: int, at: str) -> None:
    share.instances += 1
    share.bytes += size
    share.last = max(share.last, at)


class _Held:
    """The digests of what is held, each to be taken once: 16 bytes an instance."""

    def __init__(self, archive: Archive) -> None:
        self._keys, self._sizes = array("Q"), array("q")
        for digest, size in row_counts.digests(archive.index):
            self._keys.append(int(str(digest)[:_DIGITS] or "0", 16))
            self._sizes.append(int(size))

    def take(self, digest: str) -> int | None:
        """The bytes of the instance with that digest; None where it is not held, or was taken."""
        if len(digest) < _DIGITS:
            return None
        key = int(digest[:_DIGITS], 16)
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key or self._sizes[at] < 0:
            return None
        size, self._sizes[at] = self._sizes[at], -1
        return size

    def rest(self) -> HeldShare:
        """Those that were not taken."""
        sizes = [size for size in self._sizes if size >= 0]
        return HeldShare(len(sizes), sum(sizes))
