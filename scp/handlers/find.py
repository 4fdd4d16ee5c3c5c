"""C-FIND (PS3.4 C.4.1): one pending response an entity that matches."""

import logging
import time
from itertools import islice

from pydicom.tag import BaseTag

from scp import identifier
from scp.contexts import QUERY_RETRIEVE
from scp.request import Request
from scp.status import Status
from storage import Attribute, Query
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Answer a query, and log it."""
    started = time.monotonic()
    root, _ = QUERY_RETRIEVE[request.context.abstract_syntax or ""]
    level, sent = "?", 0
    try:
        query = request.identifier(root)
        level = query.level.name
        query.check_upper_keys()
        sent = _answer(request, query)
    except ArchiveError as error:
        request.refuse(error)
        logger.error("query refused peer=%s address=%s: %s", request.peer, request.address, error)
        return
    logger.info(
        "queried peer=%s address=%s root=%s level=%s answers=%d status=%04X seconds=%.3f",
        request.peer, request.address, root.name, level, sent, request.final_status or 0,
        time.monotonic() - started,
    )  # fmt: skip


def _answer(request: Request, query: Query) -> int:
    """Send the answers and the final response; returns how many there were."""
    pending = Status.PENDING_KEYS_UNSUPPORTED if query.unsupported else Status.PENDING
    limit = request.node.settings.limits.find_responses
    matches = request.node.archive.find(query)
    sent = 0
    for match in islice(matches, limit) if limit else matches:
        if request.is_cancelled():
            request.respond(Status.CANCEL)
            return sent
        data = identifier.encode(
            _texts(request, query, match), request.transfer_syntax, query.character_set
        )
        request.respond(pending, identifier=data)
        request.traffic.bytes_out += len(data)
        sent += 1
    if limit and next(matches, None) is not None:
        # Success would say that these were all (PS3.4 C.4.1.3.1).
        request.respond(Status.OUT_OF_RESOURCES, f"More than {limit} matches: narrow the query")
    else:
        request.respond(Status.SUCCESS)
    return sent


def _texts(request: Request, query: Query, match: dict[Attribute, str]) -> dict[BaseTag, str]:
    """An answer's values: what matched, and what every answer carries (PS3.4 C.4.1.1.3.2)."""
    texts: dict[BaseTag, str] = {attribute.tag: text for attribute, text in match.items()}
    texts[identifier.QUERY_RETRIEVE_LEVEL] = query.level.name
    texts[identifier.RETRIEVE_AE_TITLE] = request.node.settings.node.ae_title
    if query.asks_availability:
        texts[identifier.INSTANCE_AVAILABILITY] = "ONLINE"
    return texts
