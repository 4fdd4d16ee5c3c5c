"""Storage commitments: what is promised, and what can be (PS3.4 annex J)."""

from enum import IntEnum

from storage.archive.archive import Archive
from storage.archive.recorded_files import fault_of
from storage.diagnostics import ResourceError
from storage.dicom.values import Level
from storage.index import search
from storage.journal import Commitment, Reference, commitments


class FailureReason(IntEnum):
    """Why an instance is not committed to: Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION = 0x0131


def request(archive: Archive, commitment: Commitment) -> Commitment:
    """Write a request down; marked as duplicate where the peer has used its transaction UID.

    Raises ResourceError.
    """
    if (free := archive.tree.free_bytes()) < archive.free_bytes:
        raise ResourceError(f"Disk full: {free} bytes are left")
    return commitments.request(archive.journal, commitment)


def failure_of(archive: Archive, commitment: Commitment, reference: Reference) -> int | None:
    """Why an instance cannot be committed to; None where it is held, whole and as received.

    Raises ResourceError, also while the index is made anew.
    """
    if commitment.duplicate:
        return FailureReason.DUPLICATE_TRANSACTION
    archive.require_whole()
    sop_class, sop_instance = reference
    with archive.index.engine.reading():
        held = search.by_uid(archive.index, Level.IMAGE, sop_instance)
    if not held:
        return FailureReason.NO_SUCH_INSTANCE
    of_class = [location for location in held if location.sop_class_uid == sop_class]
    if not of_class:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    if any(fault_of(archive.tree, one) for one in of_class):
        return FailureReason.PROCESSING_FAILURE
    return None


def make_lasting(archive: Archive) -> None:
    """See that what was found to be held outlasts a crash, before a peer is told so.

    Raises ResourceError.
    """
    archive.index.engine.make_lasting()
