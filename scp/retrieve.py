"""The sub-operations of a retrieve: sent one by one, counted, reported (PS3.4 C.4.2, C.4.3)."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pynetdicom import _config
from pynetdicom.association import Association

from scp import identifier
from scp.log import one_line
from scp.request import Request
from scp.status import Status, is_warning
from storage import Location

logger = logging.getLogger(__name__)

# A data set goes out from its file, as it lies.
_config.STORE_SEND_CHUNKED_DATASET = True

# Counts are US in the command set (PS3.7 E.1).
_MAX_COUNT = 0xFFFF
# A UI element in explicit VR has a length of 16 bits (PS3.5 7.1.2).
_MAX_LIST_BYTES = 0xFFFE
_EVERY, _SECONDS = 50, 1.0

Send = Callable[[Location], None]


class SubOperationError(Exception):
    """A sub-operation that failed: says why."""


class SubOperationWarning(Exception):
    """A sub-operation that the receiver took with a warning."""


@dataclass
class Tally:
    """The state of a retrieve's sub-operations; the four counts always add up to the total."""

    remaining: int
    completed: int = 0
    warned: int = 0
    failed: list[str] = field(default_factory=list)
    last_failure: str = ""
    reported: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> int:
        """All sub-operations of the retrieve."""
        return self.remaining + self.completed + self.warned + len(self.failed)

    def counts(self, with_remaining: bool) -> dict[str, int]:
        """The numbers as elements of a response."""
        counts = {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": len(self.failed),
            "NumberOfWarningSuboperations": self.warned,
        }
        if with_remaining:
            counts["NumberOfRemainingSuboperations"] = self.remaining
        return {keyword: min(count, _MAX_COUNT) for keyword, count in counts.items()}


def run(request: Request, locations: list[Location], send: Send) -> Tally:
    """Send each location with `send`, report, and give the final response.

    `send` raises SubOperationError or SubOperationWarning; neither stops the rest.
    """
    tally = Tally(len(locations))
    for location in locations:
        if request.is_cancelled():
            _finish(request, tally, Status.CANCEL)
            return tally
        tally.remaining -= 1
        try:
            send(location)
            tally.completed += 1
        except SubOperationWarning as warning:
            tally.warned += 1
            _log(request, location, warning)
        except SubOperationError as error:
            tally.failed.append(location.uids[2])
            tally.last_failure = str(error)
            _log(request, location, error)
        if tally.remaining and _is_due(tally):
            request.respond(Status.PENDING, counts=tally.counts(with_remaining=True))
            tally.reported = time.monotonic()
    _finish(request, tally, _final_status(tally))
    return tally


def send_instance(
    association: Association, location: Location, path: Path, request: Request, number: int
) -> None:
    """C-STORE one instance; raises SubOperationError or SubOperationWarning."""
    originator = request.peer if hasattr(request.message, "MoveDestination") else None
    try:
        accepted = {
            str(cx.transfer_syntax[0])
            for cx in association.accepted_contexts
            if cx.as_scu and cx.abstract_syntax == location.sop_class_uid
        }
        if not accepted:
            raise SubOperationError("its SOP class was not accepted")
        as_it_lies = location.transfer_syntax_uid in accepted
        response = association.send_c_store(
            str(path) if as_it_lies else dcmread(path),
            msg_id=number % 0xFFFF + 1,
            priority=request.message.Priority or 0,
            originator_aet=originator,
            originator_id=request.message.MessageID if originator else None,
        )
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise SubOperationError(one_line(error)) from error
    if "Status" not in response:
        raise SubOperationError("no response, or the association was aborted")
    if is_warning(response.Status):
        raise SubOperationWarning(f"status {response.Status:04X}")
    if response.Status != Status.SUCCESS:
        comment = response.get("ErrorComment", "")
        raise SubOperationError(f"status {response.Status:04X} {comment}")


def _is_due(tally: Tally) -> bool:
    done = tally.total - tally.remaining
    late = time.monotonic() - tally.reported >= _SECONDS
    return tally.total <= _EVERY or done % _EVERY == 0 or late


def _final_status(tally: Tally) -> Status:
    """PS3.4 C.4.2.3.1."""
    if tally.failed and len(tally.failed) == tally.total:
        return Status.UNABLE_TO_PERFORM_SUB_OPERATIONS
    if tally.failed or tally.warned:
        return Status.SUB_OPERATIONS_WITH_FAILURES
    return Status.SUCCESS


def _finish(request: Request, tally: Tally, status: Status) -> None:
    data, comment = None, ""
    if status is not Status.SUCCESS:
        data = _failed_list(tally.failed, request.transfer_syntax)
    if tally.failed:
        comment = f"{len(tally.failed)} failed, last: {tally.last_failure}"
    request.respond(
        status,
        comment,
        identifier=data,
        counts=tally.counts(with_remaining=status is Status.CANCEL),
    )


def _failed_list(failed: list[str], transfer_syntax: str) -> bytes:
    """The Failed SOP Instance UID List; of more than fit, the first (all are in the log)."""
    text = "\\".join(failed)
    if len(text) > _MAX_LIST_BYTES:
        text = text[: text.rindex("\\", 0, _MAX_LIST_BYTES + 1)]
    held = identifier.from_texts({identifier.FAILED_SOP_INSTANCE_UID_LIST: text})
    return identifier.encode(held, transfer_syntax)


def _log(request: Request, location: Location, error: Exception) -> None:
    logger.warning(
        "sub-operation %s peer=%s address=%s instance=%s: %s",
        "warned" if isinstance(error, SubOperationWarning) else "failed",
        request.peer, request.address, location.uids[2], error,
    )  # fmt: skip
