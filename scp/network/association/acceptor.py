"""An association that the node accepted: negotiated, served and accounted for."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from scp.config import Service
from scp.network.association import accounting
from scp.network.association.application_entity import address_of
from scp.network.association.negotiation import NodeACSE
from scp.network.association.request import PeerGone, Request, Traffic
from scp.network.association.shared import WorkerContext
from scp.network.association.tls_handshake import agree
from scp.network.dimse import (
    Command,
    Field,
    Message,
    NodeDIMSE,
    Sink,
    Status,
    is_storage,
    next_message,
    service_of,
)
from scp.network.upper_layer import NodeSocket, UpperLayer
from scp.runtime import one_line
from storage.diagnostics import Event
from storage.dicom.data_sets import heeding

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handler:
    """What serves one kind of request, and the service that it is of."""

    service: Service
    handle: Callable[[Request], None]


# Of each kind of request those of the services that it is of; the first also refuses.
Handlers = Mapping[Field, Sequence[Handler]]

# As pynetdicom has them: what answers an event that nobody has bound another handler to.
_DEFAULT_HANDLERS = {
    event: (evt.get_default_handler(event), None) for event in evt._INTERVENTION_EVENTS
}
# pynetdicom's threads wait for each other; here there is one.
_NOBODY_WAITS = threading.Event()
_NOBODY_WAITS.set()

# A peer that has asked for nothing this long is not in the middle of something, in seconds.
_QUIET_SECONDS = 1.0
# Where no timeout is set.
_LONG_SECONDS = 3600.0


class ConnectionOwner(Protocol):
    """Who accepted a connection."""

    def shutdown_request(self, request: Any) -> None:
        """Close it: pynetdicom's Association asks its server for that."""


class NodeAssociation(Association):
    """pynetdicom's Association with the node's own negotiation and its own handlers.

    The one thread that runs it drives the upper layer and serves the requests, by their command.
    pynetdicom's service classes are left out: they know only the response that an event handler
    may give, and their retrieve loop is not good enough.
    """

    dul: UpperLayer
    dimse: NodeDIMSE

    def __init__(self, node: WorkerContext, handlers: Handlers, owner: ConnectionOwner) -> None:
        self._prepare(node)
        self.acse = self._acse = NodeACSE(self)
        self._acse.node = node
        self._node = node
        self._request_handlers = handlers
        self._server = owner  # type: ignore[assignment]  # nothing else of it is called
        self._serving = threading.Lock()
        self._last_served = time.monotonic()
        self._opened = time.monotonic()
        self._traffic = Traffic()
        self._has_ended = False

    def _prepare(self, node: WorkerContext) -> None:
        """Be what pynetdicom's constructor makes, without the parts that the node replaces."""
        self._ae, self.mode = node.entity, MODE_ACCEPTOR
        self.requestor, self.acceptor = node.users.of(self)
        self.is_established = self.is_rejected = self.is_aborted = self.is_released = False
        self._sent_abort = self._sent_release = self._kill = self._started_dul = False
        self._ended_by = ""  # once its slot is given back
        self._accepted_cx, self._rejected_cx = {}, []
        self._handlers = dict(_DEFAULT_HANDLERS)
        self._dul_ready = self._reactor_checkpoint = _NOBODY_WAITS
        self._is_paused, self._timer_resolution = False, None
        self.network_timeout_response = "A-ABORT"
        threading.Thread.__init__(self, daemon=True)  # which is never started
        self.dul = UpperLayer(self)
        self.dimse = NodeDIMSE(self, self._open_sink)
        self.connection_timeout = node.entity.connection_timeout
        self.dimse_timeout = node.entity.dimse_timeout
        self.acse_timeout = node.entity.acse_timeout
        self.network_timeout = node.entity.network_timeout

    def adopt(self, connection: Any, address: Any, tls: Any = None) -> None:
        """Take over an accepted connection, before anything runs; `tls`: its context."""
        sock = NodeSocket(self, client_socket=connection)
        sock.longest_pdu = max(sock.longest_pdu, self._node.settings.limits.pdu_bytes)
        self.set_socket(sock)
        sock.adopt(tls)
        self._socket = sock
        self.acceptor.address_info = address_of(connection.getsockname())
        self.requestor.address_info = address_of(address)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or served, or one has been a moment ago."""
        if self._serving.locked() or self.dimse.is_receiving or self._socket.holds_part:
            return True
        heard = self._socket.last_received
        return time.monotonic() - max(heard, self._last_served) < _QUIET_SECONDS

    def run_reactor(self) -> None:
        """Serve the association to its end, in the calling thread."""
        try:
            if agree(self):
                self._negotiate_and_serve()
        except Exception as error:
            logger.error(Event("association broken", one_line(error), **self.who))
            logger.debug("details", exc_info=True)
        finally:
            self.dul.finish()
            self.dimse.discard()
            self._socket.forget()
            self._close()
            self._has_ended = True

    def is_alive(self) -> bool:
        """Whether it is being served, or will be."""
        return not self._has_ended

    def _negotiate_and_serve(self) -> None:
        self._started_dul = True
        self.dul.start()
        if self.dul.await_request(self.acse_timeout or _LONG_SECONDS):
            self._run_reactor()
        else:
            super().run_reactor()

    def recall(self, request: memoryview) -> bytes | None:
        """Be established as one with the same A-ASSOCIATE-RQ was before; the A-ASSOCIATE-AC."""
        return self._acse.recall(bytes(request))

    def _run_reactor(self) -> None:
        """Serve requests until the association is to end; then see to its end."""
        self.log_opened()
        while not self._kill:
            message = next_message(self, self._seconds_until_due())
            if message:
                self._serve_message(message)
            elif self.acse.is_release_requested():
                # First: who is told that it is over may call again at once.
                self._give_back_slot("release")
                self.dul.confirm_release()
                self.is_released, self.is_established = True, False
                self.kill()
            elif self.acse.is_aborted() or not self.dul.is_alive():
                self.dul.receive_pdu()
                self.is_aborted, self.is_established = True, False
                self.kill()
            elif self.dul.idle_timer_expired():
                seconds = self.network_timeout
                logger.warning(Event("nothing heard for", seconds=seconds, **self.who))
                self.abort()
        self.dul.finish()  # with the A-ABORT that another thread may have left to be sent

    def abort(self, block: bool = True) -> None:
        """Abort; from another thread: have its own do that."""
        if self.dul.is_driven_here:
            super().abort(block)
        elif not self._sent_abort and not self.is_released:
            self._sent_abort = True
            self.acse.send_abort(0x00)
            self.kill()

    def kill(self) -> None:
        """See the association to its end; from another thread: have its own do that."""
        self._kill, self.is_established = True, False
        self.dul.end()

    def _seconds_until_due(self) -> float:
        """Seconds until the peer has been silent for too long."""
        return max(self.dul._idle_timer.remaining, 0.0) + 0.001

    def _open_sink(self, context_id: int, command: Command) -> Sink | None:
        """What takes the data set of a C-STORE request; None where it is refused anyway."""
        context = self._accepted_cx.get(context_id)
        if context is None or not is_storage(str(context.abstract_syntax)):
            return None
        return self._node.archive.receive(
            command.sop_class, command.sop_instance, str(context.transfer_syntax[0])
        )

    def log_opened(self) -> None:
        """Say that the association was accepted."""
        logger.info(
            Event(
                "association opened",
                **self.who,
                contexts=len(self._accepted_cx),
                refused=len(self._rejected_cx),
                **self._socket.agreed,
            )
        )

    def refused(self, words: str) -> None:
        """Say in log, audit trail and metrics that its connection is refused: "it ..."."""
        accounting.refused(self._node, self.requestor.address, self.who["address"], words)

    def _close(self) -> None:
        self._node.archive.close_thread()
        if self._acse.slot is None:
            return  # it was never established, and is in the log as rejected, or was no DICOM
        self._give_back_slot("release" if self.is_released else "abort")
        seconds = time.monotonic() - self._opened
        identity, by = self._acse.identity, self._ended_by
        accounting.ended(self._node, identity, self.who, self._traffic, by, seconds)

    def _give_back_slot(self, by: str) -> None:
        """Once, and counted at the same time: whose slot is taken yet when its worker is killed
        is counted as lost."""
        if self._acse.slot is not None and not self._ended_by:
            self._ended_by = by
            self._node.counters.associate(self._acse.identity["peer"], by)
            self._node.slots.give_back(self._acse.slot)

    @property
    def who(self) -> dict[str, str]:
        """The peer and its address, fields of the log."""
        requestor = self.requestor
        address = requestor.address_info
        where = f"{address.address}:{address.port}" if address else "?"
        return {"peer": requestor.ae_title.strip() or "?", "address": where}

    def _serve_message(self, message: Message) -> None:
        """Hand a request to its handler; whatever happens, the peer gets an answer."""
        command = message.command
        context = self._accepted_cx.get(message.context_id)
        handler = self._handler(command.field, context)
        if command.field is Field.N_EVENT_REPORT_RSP:
            return  # to a report of commitment that was waited for no longer
        # A request without what else it should have is answered, by its handler.
        if not command.is_request or context is None or handler is None:
            words = (
                f"{command.field.service} is not a request that this node serves, or not on a "
                "presentation context that it accepted"
            )
            logger.error(Event("association aborted", words, **self.who))
            if message.sink:
                message.sink.discard()
            self.abort()
            return
        request = Request(self._node, self, message, context, self._traffic)
        started = time.monotonic()
        before = self._traffic.bytes_in, self._traffic.bytes_out
        with self._serving:
            try:
                self._answer(handler, request)
            finally:
                self.dimse.cancelled.pop(command.message_id or 0, None)
                if message.sink:
                    message.sink.discard()
        self._last_served = time.monotonic()
        accounting.served(
            self._node, lambda: self._acse.identity, handler.service, request,
            self._last_served - started, before,
        )  # fmt: skip
        self.dul._idle_timer.restart()  # who waited for a long answer was not silent

    def _handler(self, field: Field, context: PresentationContext | None) -> Handler | None:
        """What serves a request on a context: that of the context's service, if there is one."""
        found = self._request_handlers.get(field, ())
        if len(found) > 1 and context is not None:
            service = service_of(str(context.abstract_syntax))
            found = [one for one in found if one.service is service] or found
        return found[0] if found else None

    def _answer(self, handler: Handler, request: Request) -> None:
        said, agreed = request.sop_class, str(request.context.abstract_syntax)
        try:
            if said != agreed:
                request.refuse_sop_class(said, agreed)
            elif not (request.context.as_scp or _is_report(request)):
                # Granted for C-GET's sub-operations alone.
                request.respond(Status.NOT_AUTHORIZED, "[peers] does not allow it")
            elif handler.service is not service_of(agreed):
                words = f"The presentation context is not for {request.command.field.service}"
                request.respond(Status.UNRECOGNIZED_OPERATION, words)
            else:
                with heeding(request.is_cancelled):  # which raises where the peer is gone
                    handler.handle(request)
        except PeerGone:
            return  # its end is logged with the association's
        except Exception as error:
            service = request.command.field.service
            said = one_line(error)
            logger.error(Event("request failed", said, **self.who, service=service))
            logger.debug("details", exc_info=True)
            if request.final_status is None:
                request.respond(Status.PROCESSING_FAILURE, "Internal error, see the node's log")


def _is_report(request: Request) -> bool:
    """Whether it comes from the SCP of its context, which is the one that calls (PS3.4 J.3.3)."""
    return request.command.field is Field.N_EVENT_REPORT_RQ and bool(request.context.as_scu)
