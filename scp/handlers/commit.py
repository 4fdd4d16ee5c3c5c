"""N-ACTION of the Storage Commitment Push Model (PS3.4 J.3.2): answered at once, reported later."""

import logging
from io import BytesIO

from pydicom.tag import BaseTag, Tag

from scp.commitment import WELL_KNOWN_INSTANCE
from scp.request import Request
from scp.status import Status
from storage import commitments, extract
from storage.commitments import Commitment, Reference
from storage.elements import Element, Elements, read
from storage.errors import ArchiveError, DataSetError
from storage.event import Event

logger = logging.getLogger(__name__)

_REQUEST_STORAGE_COMMITMENT = 1  # PS3.4 table J.3-1
_TRANSACTION_UID = Tag("TransactionUID")
_REFERENCED_SOP_SEQUENCE = Tag("ReferencedSOPSequence")
_CLASS, _INSTANCE = Tag("ReferencedSOPClassUID"), Tag("ReferencedSOPInstanceUID")


def handle(request: Request) -> None:
    """Write the request down, answer it, and hand it on to be looked into."""
    if request.sop_instance != WELL_KNOWN_INSTANCE:
        _refuse(request, Status.NO_SUCH_SOP_INSTANCE, "Not the well-known SOP Instance")
        return
    if request.command.action_type != _REQUEST_STORAGE_COMMITMENT:
        _refuse(request, Status.NO_SUCH_ACTION, f"Action Type {request.command.action_type}")
        return
    try:
        asked = _asked(request)
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
    data_set = extract.read_data_set(BytesIO(request.data), request.transfer_syntax)
    found = read(data_set, (_TRANSACTION_UID, _REFERENCED_SOP_SEQUENCE), request.charset)
    transaction = found.get(_TRANSACTION_UID, Element("UI")).text
    if not transaction:
        raise DataSetError("No Transaction UID")
    items = found.get(_REFERENCED_SOP_SEQUENCE, Element("SQ")).items or ()
    references = tuple(_reference(item) for item in items)
    if not references:
        raise DataSetError("No item in the Referenced SOP Sequence")
    return Commitment(transaction, request.peer, references, request.node.slots.own)


def _reference(item: Elements) -> Reference:
    return _text(item, _CLASS), _text(item, _INSTANCE)


def _text(item: Elements, tag: BaseTag) -> str:
    text = item[tag].text if tag in item else ""
    if not text:
        raise DataSetError("An item of the Referenced SOP Sequence lacks a UID")
    return text


def _refuse(request: Request, status: Status, words: str) -> None:
    request.audit["reason"] = words
    request.respond(status, words)
    logger.error(Event("commitment refused", words, **request.who))
