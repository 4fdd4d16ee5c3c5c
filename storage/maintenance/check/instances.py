"""An instance looked at, and looked at again while nobody can store it, before it has a fault."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from storage.archive import Archive
from storage.diagnostics import ResourceError
from storage.dicom.values import Uids, are_uids
from storage.index import Chain, pages, which
from storage.journal import Receipt, add_receipts
from storage.journal.corrections import in_force
from storage.maintenance.check import instance_faults
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.file_reader import Examined, UnusableFile, examine
from storage.maintenance.check.instance_faults import Observation
from storage.maintenance.check.repair import Misplaced, mend_instance, mending

# Mended, they leave no file in its place.
_WITHOUT_FILE = (FaultKind.MISSING, FaultKind.NOT_PART10, FaultKind.HEADER)


@dataclass
class InstanceCheck:
    """The second look, and the mending; `passed` is told how many bytes were read.

    `doubtful` are the instances for whose bytes the journal has to be asked, `misplaced` the
    files that were set aside, to be placed when all others are. `given_up` have no file any more.
    """

    archive: Archive
    charset: str
    repair: bool
    passed: Callable[[int], None]
    doubtful: set[Uids] = field(default_factory=set)
    misplaced: list[Misplaced] = field(default_factory=list)
    given_up: set[Uids] = field(default_factory=set)
    _left: set[Fault] = field(default_factory=set)  # told, and so not to be told again

    def __post_init__(self) -> None:
        self._index = which(self.archive.tree.data)

    def look(
        self, uids: Uids, chain: Chain | None, receipts: list[Receipt] | None = None
    ) -> Observation:
        """Read the file of an instance, with the character set that it was received with."""
        charset = self.charset
        if chain:
            charset = str(chain[-1].values["charset"]) or charset
        elif receipts:
            charset = receipts[-1].charset
        if chain and not are_uids(uids):  # a path made of them might lie anywhere
            found: Examined | UnusableFile = UnusableFile(FaultKind.MISSING)
        else:
            found = examine(self.archive.tree, uids, charset, self.passed)
        if isinstance(found, Examined):
            shown = in_force(self.archive.tree.data).corrected(found.header)
            found = replace(found, header=shown)
        return Observation(
            uids, chain, found, charset, None if receipts is None else tuple(receipts)
        )

    def look_again(
        self, uids: Uids, receipts: list[Receipt] | None = None, end: int = 0
    ) -> list[Fault]:
        """What is wrong with an instance while nobody stores it, mended where that is asked for.

        `receipts` are those of the journal up to byte `end`.
        """
        self.see_the_same_index()
        # While objects are read others would wait for the lock of all nodes: what is read of one
        # stays true as long as its row does.
        before = self._looked(uids, receipts, end) if self.archive.is_shared else None
        with self.archive.tree.locked(uids):
            known = before or self._looked(uids, receipts, end)
            if before and before.chain != pages.chain(self.archive.index, uids):
                return []  # it came or went since
            if receipts is None and instance_faults.is_doubtful(known):
                self.doubtful.add(uids)
                return []
            found = instance_faults.faults(known, self.archive.tree)
            found = [fault for fault in found if fault not in self._left]
            settled = [self._mended(known, fault) for fault in found]
        pairs = zip(found, settled, strict=True)
        self._left |= {fault for fault, done in pairs if done and not done.mended}
        return [fault for fault in settled if fault]

    def _looked(self, uids: Uids, receipts: list[Receipt] | None, end: int) -> Observation:
        """Read the file, and what else is known of it: receipts also behind byte `end`."""
        if receipts is not None:
            known_receipts = {uids: list(receipts)}
            add_receipts(known_receipts, self.archive.journal, {uids}, end)
            receipts = known_receipts[uids]
        return self.look(uids, pages.chain(self.archive.index, uids), receipts)

    def see_the_same_index(self) -> None:
        """Raise ResourceError where another index lies in the place of the one that is read."""
        if which(self.archive.tree.data) != self._index:
            raise ResourceError("The index was replaced meanwhile: check once more")

    def _mended(self, known: Observation, fault: Fault) -> Fault | None:
        """The fault, mended; None where that comes later."""
        mended = mending(fault, self.repair, lambda: mend_instance(self.archive, known, fault))
        if fault.kind in _WITHOUT_FILE and mended.mended:
            self.given_up.add(known.uids)
        if (
            fault.kind is FaultKind.MISPLACED
            and mended.mended
            and isinstance(known.found, Examined)
        ):
            kept = Path(mended.done)
            self.misplaced.append(Misplaced(fault, known.found, kept, known.charset))
            return None
        return mended
