"""C-MOVE (PS3.4 C.4.2): instances go to a destination of [peers], on associations of their own."""

import logging
import time

from scp.copies.corrected import AsCorrected
from scp.network.association import Request, access
from scp.network.dimse import Status, retrieve_status_of
from scp.network.scu import Delivery, Origin
from scp.network.services import retrieve
from scp.network.upper_layer import upper_layer_of
from storage.diagnostics import ArchiveError, Event

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Send what the identifier names to the Move Destination."""
    started = time.monotonic()
    title = request.command.move_destination
    request.audit["destination"] = title
    try:
        query = request.query()
        query.check_retrieve_keys()
        peer = access.destination(request.node.settings, title)
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
    waiting = upper_layer_of(request.association)
    node = request.node
    copies = AsCorrected(node.archive.tree, node.settings.node.ae_title)
    origin = Origin(node.settings, node.tls, copies, retrieve.originator_of(request))
    with locations:
        delivery = Delivery(origin, title, peer, locations, waiting)
        tally = retrieve.run(request, query, locations, delivery)
    logger.info(
        Event(
            "moved",
            **request.who,
            destination=title,
            level=query.level.name,
            sent=tally.completed,
            failed=tally.failures,
            warned=tally.warned,
            status=f"{request.final_status or 0:04X}",
            bytes=tally.sent_bytes,
            seconds=time.monotonic() - started,
        )
    )


def _log_refused(request: Request, why: object) -> None:
    logger.error(Event("move refused", why, **request.who))
