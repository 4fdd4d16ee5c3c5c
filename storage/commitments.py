"""Storage commitments: what is promised, and which promises are still to be told (PS3.4 annex J).

They lie in the journal: a request is written down before it is answered, and its end when the
requestor has taken the report.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from storage import checking, finding
from storage.archive import Archive
from storage.attributes import Level
from storage.database import reading
from storage.event import Event
from storage.journal import COMMITMENTS

logger = logging.getLogger(__name__)

# SOP Class UID, SOP Instance UID.
Reference = tuple[str, str]


class FailureReason(IntEnum):
    """Why an instance is not committed to: Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION = 0x0131


@dataclass(frozen=True)
class Commitment:
    """A request for commitment, and who is to be told."""

    transaction_uid: str
    peer: str
    references: tuple[Reference, ...]
    worker: int
    duplicate: bool = False


def request(archive: Archive, commitment: Commitment) -> Commitment:
    """Write a request down; marked as duplicate where the peer has used its transaction UID.

    Raises ResourceError.
    """
    known = (
        record
        for record in archive.journal.read(COMMITMENTS)
        if record.get("transaction") == commitment.transaction_uid
        and record.get("peer") == commitment.peer
    )
    duplicate = next(known, None) is not None
    archive.journal.append(
        COMMITMENTS, kind="requested", transaction=commitment.transaction_uid,
        peer=commitment.peer, references=commitment.references, worker=commitment.worker,
        duplicate=duplicate,
    )  # fmt: skip
    return Commitment(
        commitment.transaction_uid,
        commitment.peer,
        commitment.references,
        commitment.worker,
        duplicate,
    )


def reported(archive: Archive, commitment: Commitment, end: str) -> None:
    """Write down that a request has ended, and how. Raises ResourceError."""
    archive.journal.append(
        COMMITMENTS, kind="ended", transaction=commitment.transaction_uid,
        peer=commitment.peer, duplicate=commitment.duplicate, end=end,
    )  # fmt: skip


def unfinished(archive: Archive, worker: int, workers: int) -> list[Commitment]:
    """The requests of a worker that have not ended; the first has those of workers no more."""
    found: dict[tuple[str, str, bool], Commitment] = {}
    for record in archive.journal.read(COMMITMENTS):
        try:
            key = str(record["transaction"]), str(record["peer"]), bool(record["duplicate"])
            if record["kind"] == "ended":
                found.pop(key, None)
            elif record["kind"] == "requested":
                one = _requested(key, record, workers)
                if one.worker == worker:
                    found[key] = one
        except (KeyError, TypeError, ValueError):
            words = "a line of the journal is damaged, and passed over"
            logger.error(Event(words, f"{record!s:.200}"))
    return list(found.values())


def _requested(key: tuple[str, str, bool], record: Mapping[str, Any], workers: int) -> Commitment:
    references = tuple((str(c), str(i)) for c, i in record["references"])
    number = int(record["worker"]) if int(record["worker"]) < workers else 0
    return Commitment(key[0], key[1], references, number, key[2])


def failure_of(archive: Archive, commitment: Commitment, reference: Reference) -> int | None:
    """Why an instance cannot be committed to; None where it is held, whole and as received.

    Raises ResourceError, also while the index is made anew.
    """
    if commitment.duplicate:
        return FailureReason.DUPLICATE_TRANSACTION
    archive.require_whole()
    sop_class, sop_instance = reference
    with reading():
        held = finding.by_uid(archive.index, Level.IMAGE, sop_instance)
    if not held:
        return FailureReason.NO_SUCH_INSTANCE
    of_class = [location for location in held if location.sop_class_uid == sop_class]
    if not of_class:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    if any(checking.fault_of(archive.tree.path(one.uids), one) for one in of_class):
        return FailureReason.PROCESSING_FAILURE
    return None
