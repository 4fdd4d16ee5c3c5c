"""The course of a retrieve: outcomes counted and reported, and an end (PS3.4 C.4.2, C.4.3)."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydicom.uid import ImplicitVRLittleEndian

from scp.network.association import Request
from scp.network.dimse import Field, Status, identifier
from scp.network.scu import FEW, Originator, Result, SubOperationOutcome
from scp.runtime import MANY
from storage import Query
from storage.archive import Selected
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# Counts are US in the command set (PS3.7 E.1).
_MAX_COUNT = 0xFFFF
# A UI element in explicit VR has a length of 16 bits (PS3.5 7.1.2).
_MAX_LIST_BYTES = 0xFFFE
# A pending response comes every second too, less what may pass before that is looked at.
_SECONDS = 0.8


class OutcomeSource(Protocol):
    """Where the outcomes of sub-operations come from; None when there is none for a while."""

    def __iter__(self) -> Iterator[SubOperationOutcome | None]: ...

    def stop(self) -> None:
        """Begin no further sub-operation."""


def originator_of(request: Request) -> Originator:
    """Who asked for the sub-operations of a request."""
    command = request.command
    moved = command.field is Field.C_MOVE_RQ
    return Originator(request.peer, command.message_id or 0, command.priority or 0, moved)


@dataclass
class Tally:
    """The state of a retrieve's sub-operations; the four counts always add up to the total."""

    total: int
    completed: int = 0
    warned: int = 0
    failed: list[str] = field(default_factory=list)
    unnamed: int = 0  # that failed too, and of which nobody knows the instance
    last_failure: str = ""
    sent_bytes: int = 0  # of the data sets that arrived

    @property
    def remaining(self) -> int:
        """The sub-operations that have not ended."""
        return self.total - self.completed - self.warned - self.failures

    @property
    def failures(self) -> int:
        """Those that have failed."""
        return len(self.failed) + self.unnamed

    def add(self, outcome: SubOperationOutcome) -> None:
        """Count a sub-operation that has ended."""
        if outcome.result is not Result.FAILED:
            self.sent_bytes += outcome.location.file_bytes
        if outcome.result is Result.COMPLETED:
            self.completed += 1
        elif outcome.result is Result.WARNED:
            self.warned += 1
        else:
            self.failed.append(outcome.location.uids[2])
            self.last_failure = outcome.words

    def end(self) -> None:
        """What has no outcome by now was not sent, whatever went wrong."""
        if self.remaining:
            self.last_failure = "not sent, see the log"
            self.unnamed = self.remaining

    def counts(self, with_remaining: bool) -> dict[str, int]:
        """The numbers, by the attributes of Command."""
        counts = {
            "completed": self.completed,
            "failed": self.failures,
            "warning": self.warned,
        }
        if with_remaining:
            counts["remaining"] = self.remaining
        return {name: min(count, _MAX_COUNT) for name, count in counts.items()}

    @property
    def audited(self) -> dict[str, Any]:
        """What the audit trail says of the sub-operations."""
        return {
            "sent": self.completed + self.warned,
            "failed": self.failures,
            "warned": self.warned,
            "bytes": self.sent_bytes,
        }

    @property
    def final_status(self) -> Status:
        """PS3.4 C.4.2.3.1, of a retrieve that was not cancelled."""
        if self.total and self.failures == self.total:
            return Status.UNABLE_TO_PERFORM_SUB_OPERATIONS
        if self.failures or self.warned:
            return Status.SUB_OPERATIONS_WITH_FAILURES
        return Status.SUCCESS


def run(request: Request, query: Query, locations: Selected, source: OutcomeSource) -> Tally:
    """Report the outcomes of the sub-operations for `locations`, and give the final response."""
    request.audit |= {
        "level": query.level.name,
        **query.named,
        "instances": len(locations),
        "studies": locations.studies[:MANY],
    }
    total = len(locations)
    tally, cancelled = Tally(total), False
    reported, counted = time.monotonic(), 0
    try:
        for outcome in source:
            if outcome:
                tally.add(outcome)
                if outcome.result is not Result.FAILED:
                    request.count_sent(outcome.location.file_bytes)
                _log(request, outcome)
            # Asked always: it also tells that there is nobody left to answer.
            if request.is_cancelled() and not cancelled:
                cancelled = True
                source.stop()
            ended = total - tally.remaining
            # The first one comes at once: who waits sees that it has begun, and how much it is.
            due = ended - counted >= (1 if total <= FEW or not counted else FEW)
            late = time.monotonic() - reported >= _SECONDS
            if tally.remaining and not cancelled and (due or late):
                request.respond(Status.PENDING, counts=tally.counts(with_remaining=True))
                reported, counted = time.monotonic(), ended
        if not cancelled:
            tally.end()
    finally:
        source.stop()
        request.audit |= tally.audited
    _finish(request, tally, Status.CANCEL if cancelled else tally.final_status)
    return tally


def _finish(request: Request, tally: Tally, status: Status) -> None:
    data, comment = None, ""  # no list without failures (PS3.4 C.4.2.1.4.2)
    if tally.failed:
        data = _failed_list(tally.failed, request.transfer_syntax)
    if tally.failures:
        comment = f"{tally.failures} failed, last: {tally.last_failure}"
        if tally.failures == tally.total:
            comment = tally.last_failure
    request.respond(
        status,
        comment,
        identifier=data,
        counts=tally.counts(with_remaining=status is Status.CANCEL),
    )


def _failed_list(failed: list[str], transfer_syntax: str) -> bytes:
    """The Failed SOP Instance UID List; of more than fit, the first (the log has all)."""
    text = "\\".join(failed)
    # Implicit VR has a length of 32 bits for each element (PS3.5 7.1.3).
    if len(text) > _MAX_LIST_BYTES and transfer_syntax != ImplicitVRLittleEndian:
        text = text[: text.rindex("\\", 0, _MAX_LIST_BYTES + 1)]
    held = identifier.from_texts({identifier.FAILED_SOP_INSTANCE_UID_LIST: text})
    return identifier.encode(held, transfer_syntax)


def _log(request: Request, outcome: SubOperationOutcome) -> None:
    if outcome.result is not Result.COMPLETED:
        logger.warning(
            Event(
                f"sub-operation {outcome.result.name.lower()}",
                outcome.words,
                **request.who,
                instance=outcome.location.uids[2],
            ),
        )
