"""Instances that the journal says were received, without file and row; objects without either."""

from collections.abc import Iterator, Set
from functools import partial

from storage.archive import Archive
from storage.dicom.values import Uids
from storage.index import digest_in
from storage.journal import RECEIPTS, receipts_of, withdraw_all
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.repair import Mended, mending

# Younger objects may be about to be entered: who stores does so within an hour, or not at all.
_ON_THEIR_WAY_SECONDS = 7200.0


class LostInstances:
    """Those of one check: seen without a row in between, and without a file at its end."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._absent: set[Uids] = set()

    def see(self, uids: Uids) -> None:
        """There is a receipt, and no row."""
        if not self._archive.tree.holds(uids):
            self._absent.add(uids)

    def faults(self, repair: bool, given_up: Set[Uids]) -> Iterator[Fault]:
        """Those that are still not there, nor withdrawn, beyond the ones that were `given_up`.

        Raises ResourceError.
        """
        if not self._absent:
            return
        files, end = self._archive.tree, self._archive.journal.size(RECEIPTS)
        held = receipts_of(self._archive.journal, self._absent, end=end)
        for uids in sorted(uids for uids, receipts in held.items() if receipts):
            with files.locked(uids):
                if files.holds(uids) or digest_in(self._archive.index, uids) is not None:
                    continue
                lost = Fault(FaultKind.LOST, files.name(uids), uids)
                mended = mending(lost, repair, partial(self._mend, uids))
            if uids not in given_up:
                yield mended

    def _mend(self, uids: Uids) -> Mended:
        withdraw_all(self._archive.journal, uids)
        return Mended("given up: send it again")


def objects_without_row(archive: Archive, repair: bool) -> Iterator[Fault]:
    """Objects of a shared archive that no row names, but for what may be on its way.

    Mended as the sweeper would. Raises ResourceError.
    """
    from storage.sharing.opened import shared_of
    from storage.sharing.sweeping import Decided, Unnamed, decide, unnamed

    shared = shared_of(archive.tree.data)
    for some in unnamed(shared, _ON_THEIR_WAY_SECONDS):
        for one in some:
            detail = f"of {one.facts.file_bytes} bytes, from {one.facts.sender or 'nobody known'}"
            path = shared.tree.name(one.uids, one.key)
            fault = Fault(FaultKind.WITHOUT_ROW, path, one.uids, detail)

            def mend(one: Unnamed = one) -> Mended:
                done = Decided()
                decide(shared, [one], done)
                return Mended(done.words)

            yield mending(fault, repair, mend)
