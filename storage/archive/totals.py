"""What is held: entities and bytes, by modality, by sender and by month of arrival."""

import shutil
from dataclasses import dataclass, field

from storage.archive.archive import Archive
from storage.dicom.values import Level
from storage.index import Index
from storage.index import counts as row_counts
from storage.journal import time_told

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
    """What is held, and when and from whom it came: by sums that the index keeps.

    What has no receipt, as a file that was put into the tree by hand, has no sender and no month:
    both are empty. Raises ResourceError.
    """
    index = archive.index
    with index.engine.reading(), index.engine.at_one_time():
        found = Statistics(
            {_PLURALS[level]: row_counts.entities(index, level) for level in Level},
            row_counts.data_set_bytes(index),
            shutil.disk_usage(archive.tree.data).free,
            _by_modality(index),
        )
        _add_arrivals(index, found)
    return found


def counts(archive: Archive) -> dict[str, int]:
    """How many entities of each level are held."""
    return {level.name.lower(): row_counts.entities(archive.index, level) for level in Level}


def held_bytes(archive: Archive) -> int:
    """The bytes of all data sets, by the index."""
    return row_counts.data_set_bytes(archive.index)


def _by_modality(index: Index) -> dict[str, dict[str, int]]:
    names = ("studies", "series", "instances", "bytes")
    rows = row_counts.by_modality(index)
    return {modality: dict(zip(names, counts, strict=True)) for modality, *counts in rows}


def _add_arrivals(index: Index, found: Statistics) -> None:
    for sender, month, instances, size in row_counts.by_receipt(index):
        for share in (found.by_sender.setdefault(sender, HeldShare()),
                      found.by_month.setdefault(month, HeldShare())):  # fmt: skip
            share.instances += instances
            share.bytes += size
    for sender, share in found.by_sender.items():
        share.last = time_told(row_counts.last_from(index, sender))
    found.by_sender = dict(sorted(found.by_sender.items(), key=lambda pair: -pair[1].bytes))
    found.by_month = dict(sorted(found.by_month.items()))
