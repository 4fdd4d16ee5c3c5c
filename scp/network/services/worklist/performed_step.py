"""N-CREATE, N-SET and N-GET of performed procedure steps (PS3.4 F.7, F.8)."""

import logging
import uuid
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.tag import Tag

from scp.network.association import Request
from scp.network.dimse import (
    PERFORMED_STEP,
    PERFORMED_STEP_RETRIEVE,
    Status,
    identifier,
)
from scp.network.services.worklist.listing import settings_of
from storage.diagnostics import ArchiveError, BudgetError, Event, MismatchError, ResourceError
from storage.dicom.data_sets import (
    CHARACTER_SET,
    MESSAGE,
    Element,
    Elements,
    ReadBudget,
    elements,
    reader,
)
from storage.dicom.values import check_uid
from storage.worklist import StepError, StepFault, instances, is_final, step_status, studies_of

logger = logging.getLogger(__name__)

_STATUSES = {
    StepFault.DUPLICATE: Status.DUPLICATE_SOP_INSTANCE,
    StepFault.UNKNOWN: Status.NO_SUCH_SOP_INSTANCE,
    StepFault.ENDED: Status.PROCESSING_FAILURE,
    StepFault.VALUE: Status.INVALID_ATTRIBUTE_VALUE,
    StepFault.MISSING: Status.MISSING_ATTRIBUTE,
    StepFault.EMPTY: Status.MISSING_ATTRIBUTE_VALUE,
}
# PS3.4 table F.7.2-2.
_MAY_NO_LONGER_BE_UPDATED = 0xA710
_FIRST_GROUP = 0x0008  # of what a data set holds


def create(request: Request) -> None:
    """Begin a step (PS3.4 F.7.2.1); without a UID in the command it gets one (PS3.7 10.1.5.1.3)."""
    if request.sop_class != PERFORMED_STEP:
        refuse(request)
        return
    uid = request.sop_instance or f"2.25.{uuid.uuid4().int}"
    request.audit["step"] = uid
    try:
        check_uid("SOPInstanceUID", uid)
        held = _data_set(request)
        request.audit["studies"] = studies_of(held)
        wanting = request.node.worklist.create(
            uid, request.peer, held, settings_of(request).lenient
        )
    except ArchiveError as error:
        _refuse(request, error)
        return
    status = Status.ATTRIBUTE_LIST_ERROR if wanting else Status.SUCCESS
    words = f"Wanting: {', '.join(map(keyword_for_tag, wanting))}" if wanting else ""
    request.respond(status, words, sop_instance=uid, attributes=tuple(map(int, wanting)))
    logger.info(
        Event(
            "performed step begun",
            **request.who,
            step=uid,
            study=",".join(studies_of(held)),
            wanting=",".join(map(str, wanting)) or None,
        )
    )


def set_attributes(request: Request) -> None:
    """Set what a step says of itself, and in the end its end (PS3.4 F.7.2.2)."""
    if request.sop_class != PERFORMED_STEP:
        refuse(request)
        return
    uid = request.sop_instance
    request.audit["step"] = uid
    try:
        changes = _data_set(request)
        lenient = settings_of(request).lenient
        done = request.node.worklist.set(uid, request.peer, changes, lenient)
    except ArchiveError as error:
        _refuse(request, error)
        return
    state = step_status(done.after.elements)
    request.audit |= {"state": state, "studies": studies_of(done.after.elements)}
    if done.repeated:
        named = tuple(map(int, done.repeated))
        request.respond(Status.ATTRIBUTE_LIST_ERROR, attributes=named)
    else:
        request.respond(Status.SUCCESS)
    made = instances(done.after.elements)
    is_wanting = is_final(done.after.elements) and not made
    words = "it ended, and names no instance" if is_wanting else None
    log = logger.warning if is_wanting else logger.info
    log(Event("performed step set", words, **request.who, step=uid, state=state,
              instances=len(made)))  # fmt: skip


def get(request: Request) -> None:
    """Answer what a step is by now, or what of it is asked for (PS3.4 F.8.2.1)."""
    if request.sop_class != PERFORMED_STEP_RETRIEVE:
        refuse(request)
        return
    uid = request.sop_instance
    request.audit["step"] = uid
    try:
        step = request.node.worklist.step(uid)
    except ArchiveError as error:
        _refuse(request, error)
        return
    held = {tag: element for tag, element in step.elements.items() if tag != CHARACTER_SET}
    asked = [Tag(number) for number in request.command.attributes]
    if asked:
        held = {tag: held.get(tag) or _absent(tag) for tag in asked if tag != CHARACTER_SET}
    data = identifier.encode(held, request.transfer_syntax, step.character_set)
    request.traffic.bytes_out += len(data)
    request.respond(Status.SUCCESS, identifier=data)
    logger.info(Event("performed step told", **request.who, step=uid))


def refuse(request: Request) -> None:
    """Answer a request that the SOP class does not have."""
    words = f"This SOP class has no {request.command.field.service}"
    request.audit["reason"] = words
    request.respond(Status.UNRECOGNIZED_OPERATION, words)


def _absent(tag: int) -> Element:
    try:
        vr = dictionary_VR(tag).split(" ")[0]
    except KeyError:
        vr = "LO"
    return Element("SQ", items=()) if vr == "SQ" else Element(vr)


def _data_set(request: Request) -> Elements:
    """What the request says. Raises DataSetError, BudgetError where it is too much."""
    budget = ReadBudget(MESSAGE)
    read = reader.read_whole(request.data, request.transfer_syntax, budget)
    held = elements.read(read, None, request.charset, budget=budget)
    request.traffic.bytes_in += len(request.data)
    return {t: e for t, e in held.items() if t.group >= _FIRST_GROUP and t.element != 0}


def _refuse(request: Request, error: ArchiveError) -> None:
    """Answer with the failure that `error` is, and say so in log and audit trail."""
    request.audit["reason"] = str(error)
    logger.error(Event("performed step refused", error, **request.who, step=request.sop_instance))
    if isinstance(error, StepError):
        further: dict[str, Any] = {"attributes": tuple(map(int, error.tags))}
        if error.fault is StepFault.ENDED:
            further = {"error_id": _MAY_NO_LONGER_BE_UPDATED}
        request.respond(_STATUSES[error.fault], str(error), **further)
        return
    is_limit = isinstance(error, ResourceError | BudgetError)
    is_uid = isinstance(error, MismatchError)
    status = Status.RESOURCE_LIMITATION if is_limit else Status.INVALID_ARGUMENT_VALUE
    request.respond(status, f"SOP Instance UID: {error}" if is_uid else str(error))
