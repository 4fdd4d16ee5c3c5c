"""Which receipts nothing needs: of an instance that was withdrawn and is nowhere, and those of
digests that no file of an instance has.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from storage.archive import Archive
from storage.dicom.values import Uids, are_uids
from storage.index import counts, digests_in
from storage.journal import Times, record_of, time_of
from storage.journal.segments import Line, Notes
from storage.maintenance.compaction.unneeded import Unneeded
from storage.outbox import forget_done

_KEY_BYTES = 16
# The state of a digest; that of an absent instance is JSON.
_REPLACED = "replaced"
_STUDIES = 4096
_SERIES = 4


class _Told(NamedTuple):
    """A receipt, or what withdraws one: without a digest all."""

    uids: Uids
    digest: str | None
    is_withdrawn: bool


class _Absent(NamedTuple):
    """Of an instance without row and file: what lies from byte `first` on was followed.

    `digests` are those that were not withdrawn; with some it is lost, and not to be forgotten.
    """

    first: int
    digests: list[str]


class UnneededReceipts(Unneeded):
    """Those of an archive.

    An instance without a row and without a file, in the tree and in superseded/, is absent: looked
    for while nobody stores it. It comes back only with a receipt of its own.
    """

    def __init__(self, notes: Notes, archive: Archive) -> None:
        self._notes, self._archive = notes, archive
        self._is_study_held = lru_cache(_STUDIES)(self._holds_study)
        # Of a series that was deleted; for each instance its folder would be read anew.
        self._kept_in = lru_cache(_SERIES)(archive.tree.superseded.kept_in)

    def see(self, lines: Sequence[Line]) -> bool:
        """Note what the next lines tell; whether any of them may go, as far as can be told."""
        told = [one for line in lines if (one := _told(line))]
        instances = {one.uids for one in told}
        held = digests_in(self._archive.index, sorted(instances))
        looked = {uids: self._look(uids, lines[0].start) for uids in instances - held.keys()}
        absent = {uids: found for uids, found in looked.items() if found}
        replaced = set[_Told]()
        for one in told:
            if one.uids in absent:
                _follow(absent[one.uids].digests, one)
            elif not one.is_withdrawn and held.get(one.uids, "") not in ("", one.digest):
                replaced.add(one)
        gone = [one for one in replaced if self._is_alone(one.uids)]
        self._notes.write((_key(*uids), json.dumps(found)) for uids, found in absent.items())
        self._notes.write((_key(*one.uids, one.digest or ""), _REPLACED) for one in gone)
        return bool(absent or gone)

    def may_go(self, line: Line) -> bool:
        """Whether a line may: what withdraws only where no receipt before it stays."""
        told = _told(line)
        if told is None:
            return False
        if not told.is_withdrawn and self._is_replaced(told):
            return True
        absent = self._absent(told.uids)
        if not absent or absent.digests:
            return False
        if line.start < absent.first:  # it was there when this line was seen
            self.stay(line)
            return False
        return not told.is_withdrawn or not self._notes.stays(_key(*told.uids))

    def stay(self, line: Line) -> None:
        """Note that a line stays which might have gone."""
        told = _told(line)
        if told and not told.is_withdrawn:
            self._notes.stay(_key(*told.uids))

    def times(self, line: Line) -> list[Times]:
        """When it came, and of its study only where that is held: of others nobody asks."""
        told, record = _told(line), record_of(line.text)
        if not told or told.is_withdrawn or not record:
            return []
        try:
            at, study = time_of(record), told.uids[0]
        except ValueError:
            return []
        return [Times(at, at, studies={study: at} if self._is_study_held(study) else {})]

    def forget(self, lines: Sequence[Line]) -> None:
        """Have the forwarding queue forget to whom these were sent. Raises ResourceError."""
        told = {one.uids for line in lines if (one := _told(line)) and not self._is_replaced(one)}
        forget_done(self._archive.tree.data, told)

    def _look(self, uids: Uids, start: int) -> _Absent | None:
        """What is known of an instance without a row; None where there is a file of it."""
        if known := self._absent(uids):
            return known
        with self._archive.tree.locked(uids):
            is_there = self._archive.tree.holds(uids) or not self._is_alone(uids)
        return None if is_there else _Absent(start, [])

    def _absent(self, uids: Uids) -> _Absent | None:
        found = self._notes.state(_key(*uids))
        return _Absent(*json.loads(found)) if found else None

    def _is_alone(self, uids: Uids) -> bool:
        """Whether superseded/ has no file of an instance. Raises OSError, ResourceError."""
        study, series, instance = uids
        if instance in self._kept_in(study, series):  # what went since goes another time
            return False
        return not self._archive.tree.superseded.copies_of(uids)

    def _is_replaced(self, told: _Told) -> bool:
        return self._notes.state(_key(*told.uids, told.digest or "")) == _REPLACED

    def _holds_study(self, study: str) -> bool:
        return counts.holds_study(self._archive.index, study)


def _told(line: Line) -> _Told | None:
    """What a line tells; None of one that is damaged, or of a later version: it stays."""
    record = record_of(line.text) or {}
    uids, digest = record.get("uids"), record.get("digest")
    is_withdrawn = bool(record.get("withdrawn"))
    if not isinstance(uids, list) or len(uids) != 3 or not all(isinstance(u, str) for u in uids):
        return None
    if not (isinstance(digest, str) or (digest is None and is_withdrawn)):
        return None
    study, series, instance = uids
    known = (study, series, instance)
    return _Told(known, digest, is_withdrawn) if are_uids(known) else None


def _follow(digests: list[str], told: _Told) -> None:
    """Bring what was not withdrawn up to a further line, as `receipts_of` does."""
    if not told.is_withdrawn:
        digests.append(told.digest or "")
    elif told.digest is None:
        digests.clear()
    elif told.digest in digests:
        digests.reverse()
        digests.remove(told.digest)
        digests.reverse()


def _key(*texts: str) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=_KEY_BYTES).digest()
