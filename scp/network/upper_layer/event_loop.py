"""The loop of the upper layer: what came, what is to be sent, timers; one step at a time.

pynetdicom's state machine stays what it is (PS3.8 9.2); P-DATA in the state of data transfer,
which it would only pass on, goes straight to the messages.
"""

import logging
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import A_RELEASE
from pynetdicom.timer import Timer

from scp.network.tls import words_of
from scp.network.upper_layer import association_pdus
from scp.network.upper_layer.primitive_queue import PrimitiveQueue
from scp.network.upper_layer.rejection_pdu import read_rejection
from scp.network.upper_layer.service_user import Accepting, MessageError, PDataConsumer
from scp.network.upper_layer.transport import LongPduError, NodeSocket
from scp.network.upper_layer.waiter import Waiter
from scp.runtime import one_line
from storage.diagnostics import Event

if TYPE_CHECKING:
    from pynetdicom.association import Association

logger = logging.getLogger(__name__)

_A_ASSOCIATE_RQ, _A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _P_DATA_TF = 0x01, 0x02, 0x03, 0x04
_A_RELEASE_RQ, _A_ABORT = 0x05, 0x07
_PDU_TYPES = range(0x01, 0x08)
# What may answer an A-ASSOCIATE-RQ.
_ANSWERS = (_A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT)
# Whatever source and reason say, it is the end; pynetdicom raises at what PS3.8 9.3.8 reserves.
_ABORT_OF_A_USER = bytes([_A_ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0])
_RELEASE_RQ_BYTES = 10
# States of PS3.8 9.2.3: idle, data transfer, the peer waits for the response to its release, and
# waiting for the connection to be closed.
IDLE, TRANSFER, RELEASING, CLOSING = "Sta1", "Sta6", "Sta8", "Sta13"
# Waiting for an A-ASSOCIATE-RQ, and for the answer to one.
_AWAITING, _ASKING = "Sta2", "Sta5"
_OPENING = (_AWAITING, _ASKING)
# Requests that a peer may send ahead; it negotiated none (PS3.7 D.3.3.3).
_MAX_WAITING = 4
# How long the peer has to close the connection before the node does.
_CLOSE_SECONDS = 1.0
# Of a message that has begun: a peer that sends less is as good as silent.
_SLOWEST_BYTES_PER_SECOND = 64
# How long a connection on which nothing comes has what its buffer has grown by.
_GROWN_SECONDS = 1.0
# So that a timer has run out when a wait for it is over.
_LATER_SECONDS = 0.001


def _words_of(error: object) -> str:
    told = (association_pdus.ProposalError, LongPduError)
    is_told = not isinstance(error, Exception) or isinstance(error, told)
    return str(error) if is_told else one_line(cast(Exception, error))


class EventLoop(DULServiceProvider):
    """What pynetdicom's DUL service provider does in a thread, as steps for whoever waits."""

    socket: NodeSocket | None  # as the associations here have it

    def __init__(self, association: "Association") -> None:
        # All that pynetdicom's has, but for its thread and for the locks of its queues.
        self._assoc = association
        self.socket = None
        self.event_queue: Any = PrimitiveQueue[str]()
        self.to_provider_queue: Any = PrimitiveQueue()
        self.to_user_queue: Any = PrimitiveQueue()
        self._recv_pdu: Any = PrimitiveQueue()
        self._idle_timer, self.artim_timer = Timer(None), Timer(None)
        self.state_machine = StateMachine(self)
        self._kill_thread = False
        self._alive = False
        self._closing_since = 0.0
        self.blank_titles: frozenset[str] = frozenset()  # of the A-ASSOCIATE-RQ
        self.request, self.oddities = b"", ""  # the A-ASSOCIATE-RQ, and what is unusual about it
        self._counted = 0  # bytes that had come when the peer was last taken to be heard
        self._waiter = Waiter()

    def is_alive(self) -> bool:
        """Whether the connection is there, or about to be."""
        return self._alive and not self._kill_thread

    @property
    def _consumer(self) -> PDataConsumer:
        return cast(PDataConsumer, self.assoc.dimse)

    @property
    def _open_connection(self) -> NodeSocket | None:
        """What is read from; None also while as much waits to be served as may."""
        messages = self._assoc.dimse.messages  # type: ignore[attr-defined]
        return self.socket if len(messages) < _MAX_WAITING else None

    @property
    def _connection(self) -> NodeSocket:
        return cast(NodeSocket, self.socket)

    def step(self, timeout: float = 0.0) -> None:
        """Do what is due; where nothing is, wait up to `timeout` seconds for something to be."""
        try:
            if self.is_alive() and not self._due():
                self._wait(timeout)
                self._due()
        except Exception as error:
            self._break_off(error)

    def _due(self) -> bool:
        """Do one thing: a timer, a primitive to send, or a PDU that came; False: nothing to do."""
        timer, events = self.artim_timer, self.event_queue.queue
        # One that was stopped too late has expired as well, and means nothing any more.
        if timer._start_time is not None and timer._end_time is None and timer.expired:
            events.append("Evt18")
        elif not events:
            taken = bool(self.to_provider_queue.queue) and self._take_primitive()
            if not taken and self._take_pdu():
                return True
        acted = False
        while events and self.is_alive():
            self.state_machine.do_action(events.popleft())
            acted = True
        return acted

    def _take_primitive(self) -> bool:
        queued = self.to_provider_queue
        if self.state_machine.current_state == CLOSING:
            queued.get_nowait()  # there is nobody left to send it to
            return False
        return self._process_recv_primitive()

    def _take_pdu(self) -> bool:
        """Take a PDU out of what has come; True where that was all there is to do."""
        connection, state = self._open_connection, self.state_machine.current_state
        if connection is None or connection.connection is None:
            return False
        if state == CLOSING:
            connection.drop()  # whatever it is, nothing is done with it
            return False
        if not connection.holds_part:
            return False
        if state in _OPENING and connection.speaks_tls:
            self._refuse_tls()
            return False
        try:
            pdu = connection.next_pdu()
        except LongPduError as error:
            self._invalid(error)
            return False
        if pdu is None:
            return False
        with pdu:
            if pdu[0] == _P_DATA_TF and state == TRANSFER:
                try:
                    self._consumer.take_pdu(pdu)
                    return True
                except MessageError as error:
                    self._invalid(error)
            elif self._is_recalled(pdu) or self._is_release(pdu):
                return True
            else:
                self._decode(pdu)
        return False

    def _is_recalled(self, pdu: memoryview) -> bool:
        """Answer an A-ASSOCIATE-RQ as the same bytes were before; False where that is not so."""
        if pdu[0] != _A_ASSOCIATE_RQ or self.state_machine.current_state != _AWAITING:
            return False
        answer = cast(Accepting, self.assoc).recall(pdu)
        if answer is None:
            return False
        # Actions AE-6 and AE-7 of PS3.8 9.2.1 in one.
        self.artim_timer.stop()
        self.state_machine.transition(TRANSFER)
        self._connection.send(answer)
        return True

    def _is_release(self, pdu: memoryview) -> bool:
        """Take an A-RELEASE-RQ as action AR-2 of PS3.8 9.2.1 does; False where it is none."""
        if (
            pdu[0] != _A_RELEASE_RQ
            or len(pdu) != _RELEASE_RQ_BYTES
            or self.state_machine.current_state != TRANSFER
        ):
            return False
        self.to_user_queue.put(A_RELEASE())
        self.state_machine.transition(RELEASING)
        return True

    def _refuse_tls(self) -> None:
        if self.assoc.is_acceptor:
            cast(Accepting, self.assoc).refused("speaks TLS to the plain port")
        else:
            self._connection.tls_failure = "speaks TLS, and [peers] has no tls = true for it"
        self.event_queue.put("Evt19")

    def _decode(self, pdu: memoryview) -> None:
        if pdu[0] not in _PDU_TYPES:
            self._invalid(f"unknown PDU type 0x{pdu[0]:02X}")
            return
        if pdu[0] not in _ANSWERS and self.state_machine.current_state == _ASKING:
            self._invalid(f"unexpected PDU type 0x{pdu[0]:02X}")
            return
        try:
            if pdu[0] in (_A_ASSOCIATE_RQ, _A_ASSOCIATE_AC):
                decoded, event, primitive = self._decode_association(pdu)
            else:
                decoded, event = self._decode_pdu(self._clean(pdu))
                primitive = decoded.to_primitive()
        except Exception as error:  # pynetdicom's decoders raise whatever the bytes lead to
            self._invalid(error)
            return
        # Converted once: the state machine's actions would raise what it cannot recover from.
        decoded.to_primitive = lambda: primitive
        self._recv_pdu.put(decoded)
        self.event_queue.put(event)

    def _clean(self, pdu: memoryview) -> bytearray:
        """A PDU that is no A-ASSOCIATE-RQ or -AC as pynetdicom takes it."""
        if pdu[0] == _A_ABORT:
            return bytearray(_ABORT_OF_A_USER)
        if pdu[0] != _A_ASSOCIATE_RJ:
            return bytearray(pdu)
        self._connection.rejection = read_rejection(pdu)
        return bytearray(self._connection.rejection.data)

    def _decode_association(self, pdu: memoryview) -> tuple[Any, str, Any]:
        """An A-ASSOCIATE-RQ or -AC, its event and its primitive. Raises whatever it leads to."""
        is_request = pdu[0] == _A_ASSOCIATE_RQ
        read = association_pdus.read(pdu, is_request)
        decoded, event = self._decode_pdu(read.data)
        primitive: Any = decoded.to_primitive()
        contexts = (
            primitive.presentation_context_definition_list
            if is_request
            else primitive.presentation_context_definition_results_list
        )
        for context, number in zip(contexts, read.context_ids, strict=True):
            context._context_id = number  # past the check of who sets it
        self.blank_titles = frozenset(read.blank)
        self.request, self.oddities = bytes(pdu), "; ".join(read.oddities)
        self.tell_oddities("A-ASSOCIATE-RQ" if is_request else "A-ASSOCIATE-AC", self.oddities)
        return decoded, event, primitive

    def tell_oddities(self, what: str, oddities: str) -> None:
        """Say what was left out of a PDU, or made right, if anything was."""
        if oddities:
            address = self._connection.peer_address
            logger.info(Event(f"unusual {what}", oddities, address=address))

    def _invalid(self, error: object) -> None:
        self._say(error)
        if self.state_machine.current_state == _ASKING:
            self._connection.answer_fault = _words_of(error)
        self.event_queue.put("Evt19")

    def _say(self, error: object) -> None:
        words = _words_of(error)
        if isinstance(error, ssl.SSLError):
            words = f"it {words_of(error)}"
        who = getattr(self.assoc, "who", {})
        # Who opened an association says itself what became of it.
        level = logging.WARNING if who else logging.DEBUG
        logger.log(level, Event("protocol error", words, **who))

    def _wait(self, timeout: float) -> None:
        connection, timer = self._open_connection, self.artim_timer
        decrypted = connection is not None and connection.has_decrypted
        if decrypted:
            timeout = 0.0
        elif self.state_machine.current_state == CLOSING:
            timeout = min(timeout, self._close_when_late())
        if timer._start_time is not None and timer._end_time is None:
            timeout = min(timeout, max(timer.remaining, 0.0) + _LATER_SECONDS)
        is_grown = timeout > _GROWN_SECONDS and connection is not None and connection.is_grown
        if is_grown:
            timeout = _GROWN_SECONDS
        readable = self._waiter.wait(connection.connection if connection else None, timeout)
        if connection and (readable or decrypted):
            self._read(connection)
        elif connection and is_grown:
            connection.shrink()

    def _read(self, connection: NodeSocket) -> None:
        begun = connection.holds_part or self._consumer.is_receiving
        try:
            open_still = connection.fill()
        except OSError as error:  # reset, or TLS that is none
            open_still = False
            if connection.is_tls and self.state_machine.current_state != CLOSING:
                self._say(error)
        if open_still:
            self._hear(connection.received, begun)
        if open_still is False:
            self._waiter.forget()
            self.event_queue.put("Evt17")

    def _hear(self, received: int, begun: bool) -> None:
        """Restart the timer for silence, unless a message that has begun only trickles."""
        fewest = _SLOWEST_BYTES_PER_SECOND * (self._idle_timer.timeout or 0)
        if not begun or received - self._counted >= fewest:
            self._idle_timer.restart()
            self._counted = received

    def _close_when_late(self) -> float:
        """Close the connection that the peer should have closed; else the seconds it still has."""
        now = time.monotonic()
        self._closing_since = self._closing_since or now
        left = self._closing_since + _CLOSE_SECONDS - now
        if left > 0:
            return left
        self._waiter.forget()
        self._connection.close()
        return 0.0

    def _break_off(self, error: Exception) -> None:
        """End an association whose state machine is broken: nothing can be asked of that."""
        who = getattr(self.assoc, "who", {})
        logger.error(Event("association broken", one_line(error), **who))
        logger.debug("details", exc_info=True)
        abort = A_ABORT_RQ()
        abort.source, abort.reason_diagnostic = 0x02, 0x00
        with suppress(Exception):
            self._connection.transmit([abort.encode()])
        self.assoc.is_aborted, self.assoc.is_established = True, False
        self.assoc._kill = self._kill_thread = True
