"""An association that the node accepted: negotiated, served and accounted for."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.transport import AddressInformation

from scp.contexts import service_of
from scp.log import one_line
from scp.negotiation import NodeACSE
from scp.node import Node
from scp.request import PeerGone, Request, Traffic
from scp.settings import Service
from scp.status import Status
from scp.transport import NodeSocket

if TYPE_CHECKING:
    from scp.listener import Listener

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handler:
    """What serves one kind of request, and the service that it is of."""

    service: Service
    handle: Callable[[Request], None]


# By the class of the request's primitive.
Handlers = Mapping[type, Handler]

# A peer that has asked for nothing this long is not in the middle of something, in seconds.
_QUIET_SECONDS = 1.0


class NodeAssociation(Association):
    """pynetdicom's Association with the node's own negotiation and its own handlers.

    Requests go to `handlers` by the class of their primitive. pynetdicom's service classes are
    left out: they know only the response that an event handler may give, and their retrieve
    loop is not good enough.
    """

    def __init__(self, node: Node, handlers: Handlers, listener: "Listener") -> None:
        super().__init__(node.entity, MODE_ACCEPTOR)
        self.acse = self._acse = NodeACSE(self)
        self._acse.settings, self._acse.slots = node.settings, node.slots
        self._node = node
        self._request_handlers = handlers
        self._server = listener  # type: ignore[assignment]  # all that is called is in Listener
        self._serving = threading.Lock()
        self._last_served = time.monotonic()
        self._opened = time.monotonic()
        self._traffic = Traffic()

    def adopt(self, connection: Any, address: Any) -> None:
        """Take over an accepted connection, before the thread is started."""
        self.name = f"AcceptorThread@{address[0]}:{address[1]}"
        sock = NodeSocket(self, client_socket=connection)
        limits, entity = self._node.settings.limits, self._node.entity
        sock.longest_pdu = max(sock.longest_pdu, limits.pdu_bytes)
        self.set_socket(sock)
        self.acceptor.maximum_length = limits.pdu_bytes
        self.acceptor.ae_title = entity.ae_title
        self.acceptor.address_info = AddressInformation.from_tuple(connection.getsockname())
        self.acceptor.implementation_class_uid = entity.implementation_class_uid
        self.acceptor.implementation_version_name = entity.implementation_version_name
        self.requestor.address_info = AddressInformation.from_tuple(address)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or served, or one has been a moment ago."""
        if self._serving.locked() or self.dimse.message is not None:
            return True
        heard = getattr(self.dul.socket, "last_received", 0.0)
        return time.monotonic() - max(heard, self._last_served) < _QUIET_SECONDS

    def run_reactor(self) -> None:
        """Serve the association to its end."""
        try:
            super().run_reactor()
        except Exception as error:
            logger.error("association broken %s: %s", self.who, one_line(error))
            logger.debug("details", exc_info=True)
        finally:
            self._close()

    def log_opened(self) -> None:
        """Say that the association was accepted."""
        accepted, refused = len(self._accepted_cx), len(self._rejected_cx)
        logger.info("association opened %s contexts=%d refused=%d", self.who, accepted, refused)

    def _close(self) -> None:
        self._node.archive.close_thread()
        if not self._acse.holds_slot:
            return  # it was never established, and is in the log as rejected, or was no DICOM
        self._node.slots.give_back()
        logger.info(
            "association closed %s by=%s requests=%d bytes_in=%d bytes_out=%d seconds=%.3f",
            self.who,
            "release" if self.is_released else "abort",
            self._traffic.requests,
            self._traffic.bytes_in,
            self._traffic.bytes_out,
            time.monotonic() - self._opened,
        )

    @property
    def who(self) -> str:
        """The peer and its address, for the log."""
        requestor = self.requestor
        address = requestor.address_info
        where = f"{address.address}:{address.port}" if address else "?"
        return f"peer={requestor.ae_title.strip() or '?'} address={where}"

    def _serve_request(self, msg: Any, context_id: int) -> None:
        """Hand a request to its handler; whatever happens, the peer gets an answer."""
        context = self._accepted_cx.get(context_id)
        handler = self._request_handlers.get(type(msg))
        if isinstance(msg, N_EVENT_REPORT) and msg.MessageIDBeingRespondedTo is not None:
            return  # to a report of commitment that was waited for no longer
        # A request without what else it should have is answered, by its handler.
        if not _is_request(msg) or context is None or handler is None:
            logger.error(
                "association aborted %s: %s is not a request that this node serves, or not on "
                "a presentation context that it accepted",
                self.who,
                getattr(msg, "msg_type", type(msg).__name__),
            )
            self.abort()
            return
        request = Request(self._node, self, msg, context, self._traffic)
        with self._serving:
            self._is_paused = True  # handlers may send requests of their own (C-GET)
            try:
                self._handle(handler, request)
            finally:
                self._is_paused = False
                self.dimse.cancel_req = {}
        self._traffic.requests += 1
        self._last_served = time.monotonic()

    def _handle(self, handler: Handler, request: Request) -> None:
        said, agreed = request.sop_class, str(request.context.abstract_syntax)
        try:
            if said != agreed:
                request.refuse_sop_class(said, agreed)
            elif not request.context.as_scp:  # granted for C-GET's sub-operations alone
                request.respond(Status.NOT_AUTHORIZED, "[peers] does not allow it")
            elif handler.service is not service_of(agreed):
                words = f"The presentation context is not for {request.message.msg_type}"
                request.respond(Status.UNRECOGNIZED_OPERATION, words)
            else:
                handler.handle(request)
        except PeerGone:
            return  # its end is logged with the association's
        except Exception as error:
            logger.error(
                "request failed %s service=%s: %s",
                self.who,
                cast(str, request.message.msg_type),
                one_line(error),
            )
            logger.debug("details", exc_info=True)
            if request.final_status is None:
                request.respond(Status.PROCESSING_FAILURE, "Internal error, see the node's log")


def _is_request(message: Any) -> bool:
    """Whether a message has what every request has, so that it can be answered."""
    sop_class = message.AffectedSOPClassUID or getattr(message, "RequestedSOPClassUID", None)
    responds = message.MessageIDBeingRespondedTo is not None
    return bool(sop_class) and message.MessageID is not None and not responds
