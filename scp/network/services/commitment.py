"""N-ACTION of the Storage Commitment Push Model (PS3.4 J.3.2): answered at once, reported later."""

import logging

from scp.network.association import Request
from scp.network.dimse import REQUEST_STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE, Status, decode_action
from storage.archive import commitments
from storage.diagnostics import ArchiveError, BudgetError, DataSetError, Event
from storage.journal import Commitment

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Write the request down, answer it, and hand it on to be looked into."""
    if request.sop_instance != WELL_KNOWN_INSTANCE:
        _refuse(request, Status.NO_SUCH_SOP_INSTANCE, "Not the well-known SOP Instance")
        return
    if request.command.action_type != REQUEST_STORAGE_COMMITMENT:
        _refuse(request, Status.NO_SUCH_ACTION, f"Action Type {request.command.action_type}")
        return
    try:
        asked = _asked(request)
    except BudgetError as error:
        _refuse(request, Status.RESOURCE_LIMITATION, str(error))
        return
    except DataSetError as error:
        _refuse(request, Status.INVALID_ARGUMENT_VALUE, str(error))
        return
    try:
        commitment = commitments.request(request.node.archive, asked)
    except ArchiveError as error:
        _refuse(request, Status.RESOURCE_LIMITATION, str(error))
        return
    request.audit |= {
        "transaction": commitment.transaction_uid,
        "instances": len(commitment.references),
    }
    request.respond(Status.SUCCESS)
    logger.info(
        Event(
            "commitment requested",
            **request.who,
            transaction=commitment.transaction_uid,
            instances=len(commitment.references),
        )
    )
    request.node.reporter.report(commitment, request)


def _asked(request: Request) -> Commitment:
    """The request's Action Information. Raises DataSetError where it lacks something."""
    uid, references = decode_action(request.data, request.transfer_syntax)
    return Commitment(uid, request.peer, references, request.node.reporter.worker)


def _refuse(request: Request, status: Status, words: str) -> None:
    request.audit["reason"] = words
    request.respond(status, words)
    logger.error(Event("commitment refused", words, **request.who))
