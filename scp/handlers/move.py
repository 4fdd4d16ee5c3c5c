"""C-MOVE (PS3.4 C.4.2): instances go to a destination of [peers], on associations of their own."""

import logging
import time

from scp import peers, retrieve
from scp.delivery import Delivery, Origin
from scp.reactor import driver_of
from scp.request import Request
from scp.status import Status, retrieve_status_of
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Send what the identifier names to the Move Destination."""
    started = time.monotonic()
    title = request.command.move_destination
    request.audit["destination"] = title
    try:
        query = request.query()
        query.check_retrieve_keys()
        peer = peers.destination(request.node.settings, title)
        if peer is None:
            comment = f"{title}: no host and port under [peers]"
            request.audit["reason"] = comment
            request.respond(Status.MOVE_DESTINATION_UNKNOWN, comment)
            _log_refused(request, comment)
            return
        locations = request.node.archive.locate(query)
    except ArchiveError as error:
        request.refuse(error, retrieve_status_of)
        _log_refused(request, error)
        return
    waiting = driver_of(request.association)
    delivery = Delivery(Origin.of(request), title, peer, locations, waiting)
    tally = retrieve.run(request, query, locations, delivery)
    logger.info(
        "moved peer=%s address=%s destination=%s level=%s sent=%d failed=%d warned=%d "
        "status=%04X bytes=%d seconds=%.3f",
        request.peer, request.address, title, query.level.name, tally.completed,
        len(tally.failed), tally.warned, request.final_status or 0, tally.sent_bytes,
        time.monotonic() - started,
    )  # fmt: skip


def _log_refused(request: Request, why: object) -> None:
    logger.error("move refused peer=%s address=%s: %s", request.peer, request.address, why)
