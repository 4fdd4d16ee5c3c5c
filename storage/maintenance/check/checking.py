"""Tree against index, journal and headers: each fault found, and mended where that is asked for.

Whatever looks wrong is looked at again while nobody can store it: a node may serve meanwhile.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

from storage.archive import Archive, held_bytes
from storage.dicom.values import Level, Uids, are_uids
from storage.files import Stray
from storage.index import Chain, Row, digest_in, pages
from storage.index.consistency import disagreements
from storage.journal import RECEIPTS, Receipt, in_journal, receipts_of
from storage.journal.segments import unchanged
from storage.maintenance.check import instance_faults, orphans, rights_faults
from storage.maintenance.check.entity_rows import persons_in_one
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.file_reader import Share
from storage.maintenance.check.instances import InstanceCheck
from storage.maintenance.check.lost import LostInstances, objects_without_row
from storage.maintenance.check.repair import Mended, mend_row, mend_stray, mending
from storage.worklist import Worklist

# Files without a row that are looked up in the journal together.
_BATCH = 100_000
_LINE_BYTES = 300  # about, of the journal
# Of one patient that are told.
_MOST_TEXTS = 10
_STRAYS = {
    "strange": FaultKind.STRANGE,
    "unreadable": FaultKind.UNREADABLE,
    "empty": FaultKind.EMPTY_FOLDER,
}


class CheckProgress(Protocol):
    """Is told how far a check has come."""

    def begin(self, what: str, total: int) -> None:
        """What comes now, and how much of it there is; 0: nobody knows."""

    def advance(self, count: int) -> None:
        """How much more is done."""


class _Silent:
    def begin(self, what: str, total: int) -> None: ...

    def advance(self, count: int) -> None: ...


def check(
    archive: Archive,
    charset: str,
    repair: bool = False,
    progress: CheckProgress | None = None,
    share: Share | None = None,
    worklist: Path | None = None,
) -> Iterator[Fault]:
    """Find what is wrong, and with `repair` mend it; `charset` is for text that names none.

    Of the files of instances that the index has, those of `share` are read; `worklist`: the folder
    of entries, if there is one. Raises ArchiveError where it cannot go on.
    """
    with unchanged(archive.journal.folder):
        yield from _Check(archive, charset, repair, progress or _Silent(), share or Share()).run()
        if worklist is not None:
            yield from _of_worklist(archive, worklist, charset, repair)


def _of_worklist(archive: Archive, folder: Path, charset: str, repair: bool) -> Iterator[Fault]:
    """The files of entries that are not taken, each with why."""
    worklist = Worklist(archive.tree.data, archive.journal, folder, charset)
    try:
        for one in worklist.faults():
            fault = Fault(FaultKind.WORKLIST, str(folder / one.file), detail=one.words)
            yield mending(fault, repair, _nothing)
    finally:
        worklist.close()


class _Check:
    """One check: from the index to the files, from the journal, and from the tree."""

    def __init__(
        self, archive: Archive, charset: str, repair: bool, progress: CheckProgress, share: Share
    ) -> None:
        self._archive, self._tree, self._index = archive, archive.tree, archive.index
        self._charset = charset
        self._repair = repair
        self._progress, self._share = progress, share
        self._instances = InstanceCheck(archive, charset, repair, progress.advance)
        self._lost = LostInstances(archive)

    def run(self) -> Iterator[Fault]:
        """All faults, each as it is found."""
        for phase in (
            self._rights, self._structure,
            self._rows, self._receipts, self._files, self._objects, self._places,
            self._absent, self._disagreements,
        ):  # fmt: skip
            for fault in phase():
                self._instances.see_the_same_index()
                yield fault

    def _rights(self) -> Iterator[Fault]:
        """What the node cannot read or write, of the tree and superseded/."""
        return rights_faults.below(self._tree.data, self._repair)

    def _structure(self) -> Iterator[Fault]:
        return orphans.check(self._index, self._repair)

    def _rows(self) -> Iterator[Fault]:
        """From the index to the files."""
        whole = held_bytes(self._archive) if self._share.is_whole else 0
        self._progress.begin("reading files", whole)
        for patient in pages.patients(self._index):
            yield from self._below((patient,))
            yield from self._persons(patient)

    def _below(self, above: Chain) -> Iterator[Fault]:
        """What hangs below a row, then the row itself."""
        for row in pages.children(self._index, above[-1]):
            if row.level is Level.IMAGE:
                yield from self._instance((*above, row))
            else:
                yield from self._below((*above, row))
        yield from self._row(above)

    def _instance(self, chain: Chain) -> Iterator[Fault]:
        study, series, instance = (row.uid for row in chain[1:])
        uids, row = (study, series, instance), chain[-1]
        if not self._share.has(uids, int(str(row.values["arrived"]))) and self._is_there(uids):
            return
        known = self._instances.look(uids, chain)
        if instance_faults.is_doubtful(known):
            self._instances.doubtful.add(known.uids)
            return
        if instance_faults.faults(known, self._tree):
            yield from self._instances.look_again(known.uids)

    def _is_there(self, uids: Uids) -> bool:
        try:
            return are_uids(uids) and self._tree.is_file(uids)
        except OSError:  # a look at the file tells what it is
            return False

    def _row(self, above: Chain) -> Iterator[Fault]:
        """A row above the instances, when all of these were looked at."""
        row = above[-1]
        # While nobody writes, where it looked wrong.
        if not pages.inconsistencies(self._index, row):
            return
        wrong = pages.settled_inconsistencies(self._index, row)
        if wrong:
            fault = Fault(FaultKind.ROW, uids=_uids(above), detail="; ".join(wrong.values()))
            yield mending(fault, self._repair, lambda: mend_row(self._archive, row))

    def _persons(self, patient: Row) -> Iterator[Fault]:
        for column, texts in persons_in_one(self._index, patient):
            # All are counted: one more is another fault than the one that a person may know.
            more = f" and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
            told = ", ".join(map(repr, texts[:_MOST_TEXTS])) + more
            detail = f"instances of one patient differ in {column}: {told}"
            fault = Fault(FaultKind.PATIENTS_DISAGREE, uids=_uids((patient,)), detail=detail)
            yield mending(fault, self._repair, _nothing)

    def _receipts(self) -> Iterator[Fault]:
        """From the journal to the index; decides what was doubtful."""
        journal, doubtful = self._archive.journal, self._instances.doubtful
        end = journal.size(RECEIPTS)
        self._progress.begin("reading the journal", end)
        replaced: set[Uids] = set()
        for uids, receipt in in_journal(journal, end=end):
            if isinstance(receipt, Receipt) and uids not in doubtful:
                digest = digest_in(self._index, uids)
                if digest is None:
                    self._lost.see(uids)
                elif digest != receipt.digest:
                    replaced.add(uids)
            self._progress.advance(_LINE_BYTES)
        found = receipts_of(journal, doubtful | replaced, end=end) if doubtful | replaced else {}
        self._progress.begin("reading doubtful files again", 0)
        for uids in sorted(doubtful | replaced):
            receipts, digest = found.get(uids, []), digest_in(self._index, uids)
            known = uids in replaced and any(digest == receipt.digest for receipt in receipts)
            if digest is not None and not known:
                yield from self._instances.look_again(uids, receipts, end)
            if digest_in(self._index, uids) is None:
                self._lost.see(uids)

    def _files(self) -> Iterator[Fault]:
        """From the tree to the index."""
        self._progress.begin("walking the tree", 0)
        entries = self._entries()
        while batch := list(islice(entries, _BATCH)):
            journal = self._archive.journal
            uids = {entry for entry in batch if isinstance(entry, tuple)}
            end = journal.size(RECEIPTS)
            found = receipts_of(journal, uids, end=end) if uids else {}
            for entry in batch:
                if isinstance(entry, Stray):
                    mend = partial(mend_stray, self._archive, entry)
                    yield mending(_strange(entry), self._repair, mend)
                else:
                    yield from self._instances.look_again(entry, found.get(entry, []), end)

    def _objects(self) -> Iterator[Fault]:
        """From the store to the rows, where several nodes have the archive."""
        if self._archive.is_shared:
            yield from objects_without_row(self._archive, self._repair)

    def _entries(self) -> Iterator[Uids | Stray]:
        """What is strange in the tree, and the files without a row."""
        for entry in self._tree.entries():
            if isinstance(entry, Stray) or digest_in(self._index, entry) is None:
                yield entry

    def _places(self) -> Iterator[Fault]:
        """Misplaced files that were set aside, brought to where they belong."""
        for misplaced in self._instances.misplaced:
            yield mending(misplaced.fault, True, partial(misplaced.place, self._archive))

    def _absent(self) -> Iterator[Fault]:
        return self._lost.faults(self._repair, self._instances.given_up)

    def _disagreements(self) -> Iterator[Fault]:
        with self._index.engine.reading():
            found = list(disagreements.everywhere(self._index))
        for uid, text in found:
            fault = Fault(FaultKind.UIDS_DISAGREE, uids=(uid,), detail=text)
            yield mending(fault, self._repair, _nothing)


def _uids(above: Chain) -> tuple[str, ...]:
    """The UIDs of a row and those above it; of a patient its ID."""
    return tuple(row.uid for row in above[1:]) or (above[-1].uid,)


def _strange(stray: Stray) -> Fault:
    return Fault(_STRAYS[stray.kind], str(stray.path), detail=stray.words)


def _nothing() -> Mended:
    return Mended("left alone", well=False)
