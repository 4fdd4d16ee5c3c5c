"""N-EVENT-REPORT of storage commitment, on an association that a destination opens (PS3.4 J.3.3).

Reports are of what the node asked for when it sent instances on.
"""

import logging

from scp.network.association import Request
from scp.network.dimse import WELL_KNOWN_INSTANCE, Status, decode_event
from storage.diagnostics import ArchiveError, DataSetError, Event
from storage.outbox import note_report, opened

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Write down what is reported, and answer."""
    if request.sop_instance != WELL_KNOWN_INSTANCE:
        _refuse(request, Status.NO_SUCH_SOP_INSTANCE, "Not the well-known SOP Instance")
        return
    try:
        said = decode_event(request.data, request.transfer_syntax)
    except DataSetError as error:
        _refuse(request, Status.INVALID_ARGUMENT_VALUE, str(error))
        return
    request.audit |= {
        "transaction": said.uid,
        "committed": len(said.committed),
        "failed": len(said.failures),
    }
    storage = request.node.settings.storage
    try:
        with opened(storage.path, storage.sync) as outbox:
            known = outbox is not None and note_report(outbox, request.peer, said)
    except ArchiveError as error:
        _refuse(request, Status.RESOURCE_LIMITATION, str(error))
        return
    if known:
        request.respond(Status.SUCCESS)
    else:
        _refuse(request, Status.INVALID_ARGUMENT_VALUE, "No such Transaction UID was asked for")


def _refuse(request: Request, status: Status, words: str) -> None:
    request.audit["reason"] = words
    request.respond(status, words)
    logger.error(Event("report refused", words, **request.who))
