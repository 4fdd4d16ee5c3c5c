"""What is held: entities and bytes, by modality, by sender and by month of arrival."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from storage.archive.archive import Archive
from storage.dicom.values import Level
from storage.index import counts as row_counts
from storage.journal import RECEIPTS, record_of

# So many hexadecimal digits of a digest tell one instance from another.
_DIGITS = 16
_ROWS = 10_000  # of the index, read at a time
# A receipt as it is usually written: read like this in a third of the time that JSON takes, which
# whatever is unusual is left to.
_TEXT = r"[ !#-\[\]-~]*"
_RECEIPT = re.compile(
    rf'\n{{"at":"({_TEXT})","uids":\["[0-9".,]*"\],"syntax":"{_TEXT}","bytes":[0-9]+,'
    rf'"digest":"([0-9a-f]{{{_DIGITS}}})[0-9a-f]*","sender":"({_TEXT})",'
    r'"charset":"[ !#-~]*"}(?=\n)'
)
_WITHDRAWN = ',"withdrawn":true'
# When an instance came, the first digits of its digest, and who sent it.
_Arrival = tuple[str, str, str]
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
    shares: dict[tuple[str, str], HeldShare] = {}  # by sender and month
    for block in archive.journal.blocks(RECEIPTS):
        arrivals = list(_arrivals(block))
        for (at, _, sender), size in zip(arrivals, held.take(arrivals), strict=True):
            if size >= 0:
                key = sender, at[:7]
                share = shares.get(key) or shares.setdefault(key, HeldShare())
                share.instances += 1
                share.bytes += size
                if at > share.last:
                    share.last = at
    rest = held.rest()
    if rest.instances:
        shares["", ""] = _sum(shares.get(("", ""), HeldShare()), rest)
    for (sender, month), share in shares.items():
        found.by_sender[sender] = _sum(found.by_sender.get(sender, HeldShare()), share)
        found.by_month[month] = _sum(found.by_month.get(month, HeldShare()), share)
    found.by_sender = dict(sorted(found.by_sender.items(), key=lambda pair: -pair[1].bytes))
    found.by_month = dict(sorted(found.by_month.items()))


def _sum(one: HeldShare, other: HeldShare) -> HeldShare:
    last = max(one.last, other.last)
    return HeldShare(one.instances + other.instances, one.bytes + other.bytes, last)


def _arrivals(block: bytes) -> Iterator[_Arrival]:
    """What the lines of a block say, in their order; withdrawals left out."""
    text = "\n" + block.decode(errors="surrogateescape")
    parts = _RECEIPT.split(text)
    usual = zip(parts[1::4], parts[2::4], parts[3::4], strict=True)
    for between, arrival in zip(parts[::4], usual, strict=False):
        if len(between) > 1:
            yield from _unusual(between)
        yield arrival
    yield from _unusual(parts[-1])


def _unusual(text: str) -> Iterator[_Arrival]:
    """The same of lines that the pattern does not tell."""
    for line in text.split("\n"):
        if not line or line[0] == "\0" or _WITHDRAWN in line:
            continue
        record = record_of(line.encode(errors="surrogateescape")) or {}
        digest = str(record.get("digest", ""))[:_DIGITS]
        if not record.get("withdrawn") and re.fullmatch(f"[0-9a-f]{{{_DIGITS}}}", digest):
            yield str(record.get("at", "")), digest, str(record.get("sender", ""))


class _Held:
    """The digests of what is held, each to be taken once: 16 bytes an instance."""

    def __init__(self, archive: Archive) -> None:
        rows = row_counts.digests(archive.index, _DIGITS)
        keys, sizes = [_keys([])], [np.array([], np.int64)]
        while page := list(islice(rows, _ROWS)):
            digests, lengths = zip(*page, strict=True)
            keys.append(_keys(digests))
            sizes.append(np.array(lengths, np.int64))
        self._keys, self._sizes = np.concatenate(keys), np.concatenate(sizes)
        order = np.argsort(self._keys, kind="stable")
        self._keys, self._sizes = self._keys[order], self._sizes[order]

    def take(self, arrivals: Sequence[_Arrival]) -> list[int]:
        """The bytes of each instance that arrived; -1 where it is not held, or was taken."""
        sizes = np.full(len(arrivals), -1, np.int64)
        keys, first = np.unique(_keys([one[1] for one in arrivals]), return_index=True)
        places = np.searchsorted(self._keys, keys)
        is_there = places < len(self._keys)
        places, keys, first = places[is_there], keys[is_there], first[is_there]
        is_held = self._keys[places] == keys
        places, first = places[is_held], first[is_held]
        sizes[first], self._sizes[places] = self._sizes[places], -1
        taken: list[int] = sizes.tolist()
        return taken

    def rest(self) -> HeldShare:
        """Those that were not taken."""
        sizes = self._sizes[self._sizes >= 0]
        return HeldShare(len(sizes), int(sizes.sum()))


def _keys(digests: Sequence[str]) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex("".join(digests)), ">u8").astype(np.uint64)
