"""C-GET (PS3.4 C.4.3): instances go back on the requestor's own association."""

import logging
import threading
import time
from collections.abc import Iterator

from scp.copies.corrected import AsCorrected
from scp.network.association import PeerGone, Request
from scp.network.dimse import retrieve_status_of
from scp.network.scu import AssociationLost, Sender, SubOperationOutcome, Supply, Unsent
from scp.network.services import retrieve
from storage.archive import Selected
from storage.diagnostics import ArchiveError, Event

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
        logger.error(Event("get refused", error, **request.who))
        return
    with locations:
        tally = retrieve.run(request, query, locations, Returns(request, locations))
    logger.info(
        Event(
            "got",
            **request.who,
            level=query.level.name,
            sent=tally.completed,
            failed=tally.failures,
            warned=tally.warned,
            status=f"{request.final_status or 0:04X}",
            bytes=tally.sent_bytes,
            seconds=time.monotonic() - started,
        )
    )


class Returns:
    """Sends instances back over the requestor's association, one after the other."""

    def __init__(self, request: Request, locations: Selected) -> None:
        self._who = request.who
        self._request = request
        self._stopped = threading.Event()
        self._supply = Supply(Unsent(locations), self._stopped)
        self._sender = Sender(
            request.association,
            AsCorrected(request.node.archive.tree, request.node.settings.node.ae_title),
            retrieve.originator_of(request),
            request.node.settings.limits.dimse_timeout,
            self._is_cancelled,
        )

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()

    def _is_cancelled(self) -> bool:
        try:
            return self._request.is_cancelled()
        except PeerGone:
            return True

    def __iter__(self) -> Iterator[SubOperationOutcome]:
        try:
            yield from self._sender.send_all(self._supply, ahead=True)
        except AssociationLost as error:
            logger.error(Event("get ended", f"the requestor {error}", **self._who))
            raise PeerGone from error
