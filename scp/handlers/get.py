"""C-GET (PS3.4 C.4.3): instances go back on the requestor's own association."""

import logging
import time

from scp import retrieve
from scp.request import Request
from scp.status import retrieve_status_of
from storage import Location
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Send what the identifier names over this association."""
    started, archive = time.monotonic(), request.node.archive
    try:
        query = request.query()
        query.check_retrieve_keys()
        locations = archive.locate(query)
    except ArchiveError as error:
        request.refuse(error, retrieve_status_of)
        logger.error("get refused peer=%s address=%s: %s", request.peer, request.address, error)
        return
    numbers = iter(range(len(locations)))
    sent_bytes = 0

    def send(location: Location) -> None:
        nonlocal sent_bytes
        path = archive.tree.path(location.uids)
        retrieve.send_instance(request.association, location, path, request, next(numbers))
        sent_bytes += location.file_bytes

    tally = retrieve.run(request, locations, send)
    request.traffic.bytes_out += sent_bytes
    logger.info(
        "got peer=%s address=%s level=%s sent=%d failed=%d warned=%d status=%04X bytes=%d "
        "seconds=%.3f",
        request.peer, request.address, query.level.name, tally.completed, len(tally.failed),
        tally.warned, request.final_status or 0, sent_bytes, time.monotonic() - started,
    )  # fmt: skip
