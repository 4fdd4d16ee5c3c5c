"""C-FIND of the Modality Worklist (PS3.4 K.4.1): a pending response an entry that matches."""

import logging
import time
from collections.abc import Iterator

from scp.config import Worklist as WorklistSettings
from scp.network.association import Cancelled, Request, access
from scp.network.dimse import Status
from scp.network.services.worklist.answers import AnswerEncoder
from scp.network.services.worklist.rules import rules_of
from storage.diagnostics import ArchiveError, DataSetError, Event, ResourceError
from storage.worklist import Known, Question, WorklistQuery, day_before

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Answer a query, log it, and keep it for who asks what it was not shown."""
    started = time.monotonic()
    sent = 0
    try:
        query = _query(request)
        encoder = AnswerEncoder(query, request.transfer_syntax, access.own_charset(
            request.node.settings, request.peer
        ))  # fmt: skip
        status = Status.PENDING_KEYS_UNSUPPORTED if query.unmatched else Status.PENDING
        request.stop_if_cancelled()
        for known in _matches(request, query):
            request.respond_match(status, encoder.encode(known))
            sent += 1
        _keep(request, query, sent)
        request.respond(Status.SUCCESS)
    except Cancelled:
        request.respond(Status.CANCEL)
    except ArchiveError as error:
        request.refuse(error)
        logger.error(Event("worklist query refused", error, **request.who))
        return
    request.audit["answers"] = sent
    logger.info(
        Event(
            "worklist queried",
            **request.who,
            answers=sent,
            status=f"{request.final_status or 0:04X}",
            unmatched=",".join(map(str, query.unmatched)) or None,
            seconds=time.monotonic() - started,
        )
    )


def settings_of(request: Request) -> WorklistSettings:
    """[worklist], without which nobody has such a presentation context."""
    found = request.node.settings.worklist
    assert found is not None
    return found


def _query(request: Request) -> WorklistQuery:
    if request.message.data is None:
        raise DataSetError("No Identifier")
    query = WorklistQuery.read(request.data, request.transfer_syntax, request.charset)
    if query.oddity:
        logger.info(Event("unusual Identifier", query.oddity, **request.who))
    return query.for_station(request.peer) if settings_of(request).own_station else query


def _matches(request: Request, query: WorklistQuery) -> Iterator[Known]:
    """The entries that are served and match, in the order of their time.

    Raises ResourceError where there are others that are not given: Success would say that these
    were all.
    """
    settings, limit = settings_of(request), request.node.settings.limits.find_responses
    found = 0
    for known in request.node.worklist.known(day_before(settings.keep), rules_of(settings)):
        if known.state in settings.serve and query.matches(known.entry, known.state):
            found += 1
            if limit and found > limit:
                raise ResourceError(f"More than {limit} matches: narrow the query")
            yield known


def _keep(request: Request, query: WorklistQuery, answers: int) -> None:
    try:
        question = Question(request.peer, request.address, query, answers)
        request.node.worklist.note_question(question)
    except ResourceError as error:
        logger.warning(Event("worklist query not kept", error, **request.who))
