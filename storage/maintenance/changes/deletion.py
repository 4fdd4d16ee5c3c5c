"""What is deleted goes to superseded/, comes back from there, and leaves it after a time."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from storage.archive import Archive, record_file
from storage.diagnostics import ArchiveError, DataSetError, ResourceError
from storage.dicom import header, part10
from storage.dicom.values import Level, Uids, are_uids
from storage.files import Kept, digest_of_rest, status_of
from storage.index import Location, forget
from storage.journal import (
    RECEIPTS,
    Receipt,
    Receipts,
    milliseconds,
    receipts_by_digest,
    record_deletion,
    time_told,
)
from storage.maintenance.changes.kept_files import KeptFiles
from storage.maintenance.changes.selections import AnyUid, Everything, Named, Selection

# Instances whose receipts are looked up together: of all they would take twice the memory of the
# files' names, of fewer the journal would be read more often.
_BATCH = 4096


def delete(
    archive: Archive, instances: Iterable[Location], may: Callable[[], bool] = lambda: True
) -> Iterator[Uids]:
    """Move the files of instances to superseded/, and drop their rows; each as it is done.

    `may` is asked while nobody can store the instance; one that it denies stays.
    A kill leaves an instance held or deleted, with what is left to do for the next start. Raises
    ResourceError.
    """
    for one in instances:
        with archive.tree.locked(one.uids):
            if not may():
                continue
            # First: a start after a kill then does not take it for lost.
            record_deletion(archive.journal, one.uids)
            if archive.tree.holds(one.uids):
                archive.tree.superseded.take(one.uids)
            forget(archive.index, one.uids)
            archive.documents.forget(*one.uids[:2])
        yield one.uids


def all_superseded(archive: Archive) -> Iterator[Kept]:
    """All that is under superseded/. Raises ResourceError."""
    return archive.tree.superseded.all()


def restorable(archive: Archive, named: Named, charset: str) -> KeptFiles:
    """Of a selection the last file of each instance that is not held. Raises ResourceError.

    None of what is described by conditions: what was deleted is in no index.
    """
    found = (
        one
        for one in archive.tree.superseded.all(*_folder_of(named))
        if _is_of(archive, one, named, charset) and not archive.tree.holds(one.uids)
    )
    return KeptFiles(found, only_last=True)


def restore(archive: Archive, files: Iterable[Kept], charset: str) -> Iterator[Uids]:
    """Put files back into the tree and the index, with what the journal knows of their receipt.

    Raises ArchiveError: of what was done until then nothing is taken back.
    """
    left = iter(files)
    while some := list(islice(left, _BATCH)):
        receipts = receipts_by_digest(archive.journal, {one.uids for one in some})
        for one in some:
            with archive.tree.locked(one.uids):
                if archive.tree.holds(one.uids):
                    raise ResourceError(f"{archive.tree.name(one.uids)}: is held again, by now")
                _place(archive, one, receipts.get(one.uids, {}), charset)
            yield one.uids


def purge(files: Iterable[Kept], archive: Archive) -> Iterator[Kept]:
    """Delete files under superseded/ for good; each as it is done. Raises ResourceError."""
    for one in files:
        archive.tree.superseded.remove(one.path)
        yield one


def older(files: Iterable[Kept], seconds: float) -> Iterator[Kept]:
    """Those that have been under superseded/ for so long."""
    limit = time.time() - seconds
    return (one for one in files if one.since <= limit)


def _folder_of(named: Named) -> tuple[str, ...]:
    """The folders below superseded/ in which alone there can be files of a selection."""
    if not isinstance(named, Selection) or named.level is not Level.STUDY:
        return ()
    return (named.uid,) if are_uids((named.uid,)) else ()


def _is_of(archive: Archive, one: Kept, named: Named, charset: str) -> bool:
    if isinstance(named, Everything):
        return True
    if isinstance(named, AnyUid):
        return named.uid in one.uids
    if not isinstance(named, Selection):
        return False
    if named.level is not Level.PATIENT:
        return one.uids[named.level - 1] == named.uid
    try:
        with archive.tree.superseded.open(one) as file:
            meta = part10.read(file)
            return header(file, meta.transfer_syntax_uid, charset)["PatientID"] == named.uid
    except (ArchiveError, OSError):
        return False


def _place(archive: Archive, one: Kept, known: dict[str, Receipt], charset: str) -> None:
    try:
        receipt = _receipt_of(archive, one, charset)
    except (OSError, DataSetError) as error:
        raise ResourceError(f"{one.path}: {error}") from error
    # One that was put into the tree by hand never had any; from now on it is held to its bytes,
    # and an index that does not know of it is seen to be behind.
    receipt = known.get(receipt.digest, receipt)
    if not receipt.received:
        receipt = replace(receipt, received=milliseconds(archive.journal.now()))
    archive.journal.append(
        RECEIPTS, uids=one.uids, syntax=receipt.transfer_syntax_uid, bytes=receipt.file_bytes,
        digest=receipt.digest, sender=receipt.sender, charset=receipt.charset,
        received=time_told(receipt.received),
    )  # fmt: skip
    archive.tree.put_back(one)
    receipts = Receipts(one.uids, {receipt.digest: receipt})
    record_file(archive.tree, one.uids, archive.index, charset, receipts)


def _receipt_of(archive: Archive, one: Kept, charset: str) -> Receipt:
    """What a file itself tells of its receipt. Raises OSError, DataSetError."""
    with archive.tree.superseded.open(one) as file:
        meta = part10.read(file)
        held = status_of(file).bytes - meta.data_set_offset
        digest = digest_of_rest(file)
    return Receipt(one.uids, held, digest, charset, meta.transfer_syntax_uid)
