"""C-STORE (PS3.4 annex B): the archive decides, this tells the peer."""

import logging
import time

from scp.network.association import Request
from scp.network.dimse import Status
from storage import IncomingDataSet, Received, StoreOutcome
from storage.diagnostics import ArchiveError, Event

logger = logging.getLogger(__name__)


def handle(request: Request) -> None:
    """Store an instance and answer when it is safe."""
    started, instance = time.monotonic(), request.sop_instance
    intake = request.message.sink
    data = intake if isinstance(intake, IncomingDataSet) else b""
    size = data.size if isinstance(data, IncomingDataSet) else 0
    request.traffic.bytes_in += size
    received = Received(
        sop_class_uid=request.sop_class,
        sop_instance_uid=instance,
        transfer_syntax_uid=request.transfer_syntax,
        data_set=data,
        charset=request.charset,
        sender=request.peer,
    )
    try:
        stored = request.node.archive.store(received)
    except ArchiveError as error:
        logger.error(Event("store refused", error, **request.who, instance=instance, bytes=size))
        request.refuse(error)
        request.traffic.stored.refuse(request.final_status or 0, instance)
        return
    request.traffic.stored.add(stored.uids[0], stored.outcome.value, size)
    if stored.outcome is StoreOutcome.KEPT:
        request.respond(Status.ELEMENTS_DISCARDED, "Held with other content, which is kept")
    else:
        request.respond(Status.SUCCESS)
    seconds = time.monotonic() - started
    logger.info(
        Event(stored.outcome.value, **request.who, instance=instance, bytes=size, seconds=seconds),
    )
    for disagreement in stored.disagreements:
        logger.warning(Event("disagreement", disagreement, instance=instance))
