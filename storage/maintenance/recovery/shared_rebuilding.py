"""The index of a shared archive made anew from its objects, while others store.

Which object each instance has the ledger tells; where that is lost too, the store's list does, with
what travels with the objects. The header of each is read with one request.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from storage.archive.finding import added_keys, added_tags
from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom import Header, header_values, instance_header, part10
from storage.dicom.values import Level, Uids
from storage.index import counts, digest_in, forget, record, signature
from storage.journal import RECEIPTS, in_journal
from storage.journal.corrections import in_force
from storage.maintenance.changes import catch_up_corrections
from storage.maintenance.recovery.filling import Progress
from storage.sharing.ledger import ObjectRow
from storage.sharing.opened import Shared, shared_of
from storage.sharing.renewing import NewIndex, drop_replaced
from storage.sharing.sweeping import enter_lost

logger = logging.getLogger(__name__)

_READERS = 8
# Entered in one transaction, for which others wait that write: some 0.1 s.
_PIECE = 50
# What may be left to be followed when the places are changed.
_FEW = 100


@dataclass(frozen=True)
class _Read:
    """An object, and its header; None: it cannot be read."""

    row: ObjectRow
    header: Header | None


def rebuild_shared(data: Path, charset: str, progress: Progress) -> int:
    """Make the index anew; returns how many instances it holds.

    `charset` is for what names none, and came by other hands. Raises ResourceError, also where
    another node is at it.
    """
    shared = shared_of(data)
    with shared.engine.alone("rebuild"):
        enter_lost(shared)
        with closing(NewIndex(shared)) as fresh, ThreadPoolExecutor(_READERS, "headers") as readers:
            _Filling(shared, fresh, charset, progress, readers).run()
        try:
            drop_replaced(shared)
        except ResourceError as error:  # as where it is read for long: the next one drops it
            logger.warning(Event("the index that was replaced stays for now", error))
    catch_up_corrections(data)
    return counts.entities(shared.index, Level.IMAGE)


class _Filling:
    """One run."""

    def __init__(
        self, shared: Shared, fresh: NewIndex, charset: str, progress: Progress,
        readers: ThreadPoolExecutor,
    ) -> None:  # fmt: skip
        self._shared, self._fresh, self._charset = shared, fresh, charset
        self._progress, self._readers = progress, readers
        self._done = self._unread = 0

    def run(self) -> None:
        """Enter what is held, follow what others do meanwhile, and have it take its place."""
        fresh, shared = self._fresh, self._shared
        added_keys.bring_up(fresh.index, fresh.journal)
        position = shared.journal.size(RECEIPTS)
        of = counts.entities(shared.index, Level.IMAGE) or 1
        rows = shared.objects.all_held()
        while some := list(islice(rows, _PIECE)):
            self._enter(self._read(some))
            self._done += len(some)
            self._progress(min(self._done, of), of)
        while True:
            end = shared.journal.size(RECEIPTS)
            changed = self._changed(position, end)
            self._follow(changed)
            position = end
            if len(changed) <= _FEW:
                break
        with fresh.taking_place(signature()):
            self._follow(self._changed(position, fresh.journal.size(RECEIPTS)))
        self._progress(of, of)

    def _changed(self, start: int, end: int) -> list[Uids]:
        """The instances of which the journal tells between two positions."""
        return list({uids: None for uids, _ in in_journal(self._fresh.journal, start, end)})

    def _follow(self, changed: list[Uids]) -> None:
        """Have the rows of some instances be as these are by now."""
        left = iter(changed)
        while some := list(islice(left, _PIECE)):
            held = {uids: self._fresh.objects.held(uids) for uids in some}
            self._enter(self._read(one for one in held.values() if one))
            for uids, one in held.items():
                if one is None:
                    forget(self._fresh.index, uids)

    def _read(self, rows: Iterable[ObjectRow]) -> list[_Read]:
        return list(self._readers.map(self._one, rows))

    def _one(self, row: ObjectRow) -> _Read:
        """Raises ResourceError where the store fails."""
        charset = row.facts.charset or self._charset
        try:
            with self._shared.tree.open(row.uids, row.key) as file:
                meta = part10.read(file)
                header = instance_header.header(file, meta.transfer_syntax_uid, charset)
                if tags := added_tags(self._shared.data):
                    file.seek(meta.data_set_offset)
                    added = header_values(file, meta.transfer_syntax_uid, charset, tags)
                    header = replace(header, added=added)
        except FileNotFoundError:
            return self._unreadable(row, "it is not there")
        except ResourceError:
            raise
        except (ArchiveError, OSError) as error:
            return self._unreadable(row, str(error))
        return _Read(row, header)

    def _unreadable(self, row: ObjectRow, words: str) -> _Read:
        logger.error(Event("not indexed", words, file=self._shared.tree.name(row.uids, row.key)))
        return _Read(row, None)

    def _enter(self, found: list[_Read]) -> None:
        """Have the rows of what was read, unless it was replaced or deleted since."""
        index, corrections = self._fresh.index, in_force(self._shared.data)
        with self._fresh.engine.writing():
            for one in _still_held(self._fresh, found):
                if one.header and digest_in(index, one.row.uids) != one.row.facts.digest:
                    record(index, corrections.corrected(one.header), one.row.facts)


def _still_held(fresh: NewIndex, found: list[_Read]) -> Iterator[_Read]:
    held = fresh.objects.still_held([one.row.key for one in found])
    return (one for one in found if one.row.key in held)
