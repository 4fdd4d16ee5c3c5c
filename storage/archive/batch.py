"""Many instances stored at once: each as `Archive.store` would, but synced together.

The steps and their order are the same, so that a kill or a power cut between any two of them leaves
what it leaves there; each step is made for all instances before the next one begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.archive.archive import Archive
from storage.archive.receiving.received import Received, Stored, StoreOutcome, facts_of, receipt
from storage.diagnostics import ArchiveError
from storage.dicom import Header
from storage.dicom.values import Uids
from storage.files import IncomingDataSet
from storage.index import FileFacts, digest_in, record
from storage.journal import RECEIPTS
from storage.journal.corrections import in_force

if TYPE_CHECKING:
    from storage.archive.receiving.shared_stores import Arrived, SharedStores

Result = Stored | ArchiveError


@dataclass(frozen=True)
class _New:
    """An instance of which nothing is held."""

    number: int
    received: Received
    intake: IncomingDataSet
    header: Header

    def facts(self, at: str) -> FileFacts:
        """What the index holds of its file, with the time of its receipt."""
        return facts_of(self.received, self.intake, at)


def store_all(
    archive: Archive, received: Sequence[tuple[Received, IncomingDataSet]]
) -> list[Result]:
    """What became of each instance, or why it was refused; for a whole disk, of all alike."""
    if archive.shared:
        return _store_shared(archive, archive.shared, received)
    results: dict[int, Result] = {}
    new: dict[Uids, _New] = {}
    others: list[int] = []
    for number, (one, intake) in enumerate(received):
        try:
            header = archive.header_of(one, intake)
            if header.uids in new or _is_known(archive, header):
                others.append(number)
            else:
                new[header.uids] = _New(number, one, intake, header)
        except ArchiveError as error:
            results[number] = error
    results |= _store_new(archive, list(new.values()))
    for number in others:
        try:
            results[number] = archive.store(received[number][0])
        except ArchiveError as error:
            results[number] = error
    return [results[number] for number in range(len(received))]


def _store_shared(
    archive: Archive, shared: "SharedStores", received: Sequence[tuple[Received, IncomingDataSet]]
) -> list[Result]:
    """The same where several nodes have the archive."""
    results: dict[int, Result] = {}
    arrived: dict[int, Arrived] = {}
    for number, (one, intake) in enumerate(received):
        try:
            arrived[number] = one, intake, archive.header_of(one, intake)
        except ArchiveError as error:
            results[number] = error
    results |= zip(arrived, shared.store_all(list(arrived.values())), strict=True)
    return [results[number] for number in range(len(received))]


def _is_known(archive: Archive, header: Header) -> bool:
    if archive.tree.holds(header.uids):
        return True
    with archive.index.engine.reading():
        return digest_in(archive.index, header.uids) is not None


def _store_new(archive: Archive, new: list[_New]) -> dict[int, Result]:
    try:
        for one in new:
            one.intake.begin_sync()
        for one in new:
            one.intake.finish()
        with archive.tree.locked(*(one.header.uids for one in new)):
            # Another may have stored it since it was looked for.
            free = [one for one in new if not _is_known(archive, one.header)]
            _commit(archive, free)
    except ArchiveError as error:
        return {one.number: error for one in new}
    results: dict[int, Result] = {}
    for one in new:
        if one in free:
            results[one.number] = Stored(StoreOutcome.STORED, one.header.uids)
        else:
            results |= _store_one(archive, one)
    return results


def _store_one(archive: Archive, one: _New) -> dict[int, Result]:
    try:
        return {one.number: archive.store(one.received)}
    except ArchiveError as error:
        return {one.number: error}


def _commit(archive: Archive, new: list[_New]) -> None:
    """Receipts, files, folders, rows; or nothing of them."""
    tree = archive.tree
    placed, at = [], archive.journal.now()
    try:
        lines = [receipt(one.header, one.facts(at), at) for one in new]
        archive.journal.append_all(RECEIPTS, lines)
        for one in new:
            placed.append(one.header.uids)
            tree.place(one.intake.path, one.header.uids, sync=False)
        tree.sync_places(*placed)
        corrections = in_force(tree.data)
        with archive.index.engine.writing():
            for one in new:
                record(archive.index, corrections.corrected(one.header), one.facts(at))
    except ArchiveError:
        for uids in placed:
            tree.withdraw(uids, None)
        for one in new:
            archive.withdrawals.defer(one.header.uids, one.intake.digest)
        raise
