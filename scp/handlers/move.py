"""C-MOVE (PS3.4 C.4.2): instances go to a destination of [peers], on associations of their own."""

import logging
import time
from collections.abc import Iterable, Iterator

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from scp import peers, retrieve
from scp.config import Peer
from scp.request import Request
from scp.retrieve import SubOperationError
from scp.status import Status, retrieve_status_of
from storage import Location
from storage.errors import ArchiveError

logger = logging.getLogger(__name__)

# Presentation context IDs are odd numbers of one byte (PS3.8 9.3.2.2).
_MAX_CONTEXTS = 128
_UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


def handle(request: Request) -> None:
    """Send what the identifier names to the Move Destination."""
    started = time.monotonic()
    title = str(request.message.MoveDestination or "").strip()
    try:
        query = request.query()
        query.check_retrieve_keys()
        peer = peers.destination(request.node.settings, title)
        if peer is None:
            comment = f"{title}: no host and port under [peers]"
            request.respond(Status.MOVE_DESTINATION_UNKNOWN, comment)
            _log_refused(request, comment)
            return
        locations = request.node.archive.locate(query)
    except ArchiveError as error:
        request.refuse(error, retrieve_status_of)
        _log_refused(request, error)
        return
    delivery = Delivery(request, title, peer, locations)
    tally = retrieve.run(request, locations, delivery.send)
    delivery.close()
    request.traffic.bytes_out += delivery.sent_bytes
    logger.info(
        "moved peer=%s address=%s destination=%s level=%s sent=%d failed=%d warned=%d "
        "status=%04X bytes=%d seconds=%.3f",
        request.peer, request.address, title, query.level.name, tally.completed,
        len(tally.failed), tally.warned, request.final_status or 0, delivery.sent_bytes,
        time.monotonic() - started,
    )  # fmt: skip


def _log_refused(request: Request, why: object) -> None:
    logger.error("move refused peer=%s address=%s: %s", request.peer, request.address, why)


class Delivery:
    """The associations that take a move's instances to its destination.

    One at a time, each for as many instances as its 128 presentation contexts cover. A
    destination that cannot be reached, or ends the association, is tried once more.
    """

    def __init__(
        self, request: Request, title: str, peer: Peer, locations: Iterable[Location]
    ) -> None:
        self.sent_bytes = 0
        self._request = request
        self._title = title
        self._host, self._port = peer.host or "", peer.port or 0
        self._batches = iter(batches(locations))
        self._batch: Batch = []
        self._left = 0
        self._association: Association | None = None
        self._attempts = 2
        self._number = 0

    def send(self, location: Location) -> None:
        """C-STORE an instance; they come in the order of `locations`."""
        if not self._left:
            self.close()
            self._batch, self._left = next(self._batches)
        self._left -= 1
        association = self._established()
        path = self._request.node.archive.tree.path(location.uids)
        retrieve.send_instance(association, location, path, self._request, self._number)
        self._number += 1
        self.sent_bytes += location.file_bytes

    def close(self) -> None:
        """Release the association, if there is one."""
        if self._association and self._association.is_established:
            self._association.release()
        self._association = None

    def _established(self) -> Association:
        if self._association and self._association.is_established:
            return self._association
        where = f"{self._title} at {self._host}:{self._port}"
        if not self._attempts:
            raise SubOperationError(f"{where} does not answer")
        self._attempts -= 1
        node = self._request.node
        contexts = [build_context(uid, list(syntaxes)) for uid, syntaxes in self._batch]
        association = node.entity.associate(
            self._host,
            self._port,
            contexts=contexts,
            ae_title=self._title,
            max_pdu=node.settings.limits.pdu_bytes,
        )
        if not association.is_established:
            how = "rejects the association" if association.is_rejected else "does not answer"
            raise SubOperationError(f"{where} {how}")
        self._association = association
        return association


# Presentation contexts to propose: SOP class and transfer syntaxes.
Batch = list[tuple[str, tuple[str, ...]]]


def batches(locations: Iterable[Location]) -> Iterator[tuple[Batch, int]]:
    """Runs of `locations` that one association can carry: its contexts, and how many instances.

    Each class is proposed in the transfer syntax stored, alone, so that the destination can take
    that, and in the uncompressed ones that it may be converted to.
    """
    batch: dict[tuple[str, tuple[str, ...]], None] = {}
    count = 0
    for location in locations:
        wanted = dict.fromkeys(
            (
                (location.sop_class_uid, (location.transfer_syntax_uid,)),
                (location.sop_class_uid, _UNCOMPRESSED),
            )
        )
        if len(batch | wanted) > _MAX_CONTEXTS:
            yield list(batch), count
            batch, count = {}, 0
        batch |= wanted
        count += 1
    if count:
        yield list(batch), count
