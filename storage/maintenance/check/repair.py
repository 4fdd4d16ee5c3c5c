"""What --repair does: nothing is deleted, and no stored byte changes in its place."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from storage.archive import Archive
from storage.diagnostics import ArchiveError
from storage.files import Stray
from storage.index import FileFacts, Row, forget, record, refresh
from storage.journal import receipts_of
from storage.journal.corrections import in_force
from storage.maintenance.check.entity_rows import read_header
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.file_reader import Examined
from storage.maintenance.check.instance_faults import Observation, faults


@dataclass(frozen=True)
class Mended:
    """What was done; `well` where the fault is gone."""

    done: str
    well: bool = True


_ALONE = {
    FaultKind.UIDS_DISAGREE: "left alone: which is right cannot be told from here",
    FaultKind.PATIENTS_DISAGREE: "left alone: which is right cannot be told from here",
    FaultKind.PIXEL_DATA: "left alone: it is kept as it came",
    FaultKind.RIGHTS: "left alone: that is for root to do",
    FaultKind.WORKLIST: "left alone: who wrote it knows what it is to say",
    FaultKind.CUT_SHORT: "left alone: what is there is kept",
    FaultKind.CHANGED: "left alone: it may be the only copy",
}


def mending(fault: Fault, repair: bool, mend: Callable[[], Mended]) -> Fault:
    """The fault, mended where that is asked for and can be."""
    if not repair:
        return fault
    if not fault.can_be_mended:
        return replace(fault, done=_ALONE.get(fault.kind, "left alone"))
    try:
        mended = mend()
    except ArchiveError as error:
        return replace(fault, done=f"not mended: {error}")
    return replace(fault, mended=mended.well, done=mended.done)


def mend_instance(archive: Archive, known: Observation, fault: Fault) -> Mended:
    """Mend a fault of an instance whose place is locked."""
    if fault.kind is FaultKind.MISSING:
        forget(archive.index, known.uids)
        if archive.is_shared:  # else what is strange of it is told on its own
            archive.tree.prune(known.uids)
        return Mended("row dropped: send it again")
    if isinstance(known.found, Examined) and fault.kind is not FaultKind.MISPLACED:
        enter(archive, known, known.found)
        return Mended(
            "entered" if fault.kind is FaultKind.NOT_INDEXED else "read again into its row"
        )
    kept = archive.tree.superseded.take(known.uids)
    if fault.kind is FaultKind.MISPLACED:
        if known.chain:
            forget(archive.index, known.uids)
        return Mended(str(kept))
    if known.chain is None:
        return Mended(f"moved to {kept}")
    forget(archive.index, known.uids)
    return Mended(f"moved to {kept}, row dropped: send it again")


def enter(archive: Archive, known: Observation, found: Examined) -> None:
    """Enter a file with the digest that it should have, where one is known."""
    receipt, row = known.receipt or (known.receipts or (None,))[-1], known.row
    digest, charset, told = "", known.charset, ("", 0)
    if receipt:
        charset = receipt.charset
        if receipt.file_bytes == found.file_bytes:
            digest, told = receipt.digest, (receipt.sender, receipt.received)
    elif row and row.values["digest"] == found.digest:
        digest, told = found.digest, (row.values["sender"], row.values["received"])
    header = found.header
    if charset != known.charset:
        again = read_header(archive.tree, known.uids, charset)
        header = in_force(archive.tree.data).corrected(again) if again else header
    syntax = found.transfer_syntax_uid
    facts = FileFacts(syntax, found.file_bytes, digest, charset, found.arrived, *told)
    record(archive.index, header, facts)


def mend_stray(archive: Archive, stray: Stray) -> Mended:
    """Move what is strange out of the tree; an empty folder is nothing to keep."""
    if stray.kind == "empty":
        there = archive.tree.remove_folder(stray.path)
        return Mended("folder removed" if there else "not empty any more")
    return Mended(f"moved to {archive.tree.remove_stray(stray.path)}")


def mend_row(archive: Archive, row: Row) -> Mended:
    """Give a row above the instances what these say."""
    if refresh(archive.index, row.level, row.number):
        return Mended("row made anew from its instances")
    return Mended("row is gone")


@dataclass(frozen=True)
class Misplaced:
    """A file whose UIDs belong to another path, set aside at `kept`."""

    fault: Fault
    found: Examined
    kept: Path
    charset: str  # with which its header was read

    def place(self, archive: Archive) -> Mended:
        """Put it where it belongs if it is whole and that place is free."""
        uids = self.found.header.uids
        moved = f"moved to {self.kept}"
        if self.found.damage.cut_short:
            return Mended(f"{moved}: it is cut short")
        with archive.tree.locked(uids):
            if archive.tree.holds(uids):
                return Mended(f"{moved}: the place where it belongs is taken")
            receipts = receipts_of(archive.journal, {uids}).get(uids, [])
            archive.tree.place(self.kept, uids)
            known = Observation(uids, None, self.found, self.charset, tuple(receipts))
            enter(archive, known, self.found)
            left = [f for f in faults(known, archive.tree) if f.kind is not FaultKind.NOT_INDEXED]
        done = f"moved to {archive.tree.name(uids)}, and entered"
        return Mended(f"{done}; yet: {left[0].sentence}", well=False) if left else Mended(done)
