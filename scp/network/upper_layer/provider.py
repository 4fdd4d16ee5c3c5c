"""The upper layer without a thread of its own: it is driven by the thread that waits for it.

pynetdicom runs two threads for each association, and both look for work a thousand times a
second. Here one thread waits on the connection and on a descriptor by which others wake it.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from scp.network.upper_layer.event_loop import (
    CLOSING,
    IDLE,
    RELEASING,
    TRANSFER,
    EventLoop,
)
from scp.network.upper_layer.transport import Bytes

if TYPE_CHECKING:
    from pynetdicom.association import Association

# In these a peer takes data; in the second it wants the release (PS3.8 9.2.3).
_DATA_STATES = (TRANSFER, RELEASING)
_A_RELEASE_RP = bytes([0x06, 0, 0, 0, 0, 4, 0, 0, 0, 0])
_STEP_SECONDS = 0.05


class UpperLayer(EventLoop):
    """pynetdicom's DUL service provider, driven by the thread that started it.

    Other threads may queue a primitive with `send_pdu`; that wakes the one that drives.
    """

    def __init__(self, association: "Association") -> None:
        super().__init__(association)
        self._owner = 0

    # ---- in place of the thread

    def start(self) -> None:
        """Begin; the calling thread is the one that drives from now on."""
        self._owner = threading.get_ident()
        self._idle_timer.start()
        self._alive = True
        self.assoc._dul_ready.set()

    def finish(self) -> None:
        """Bring the connection to its end, and give back the descriptors."""
        while self.is_alive() and self._has_to_end:
            self.step(_STEP_SECONDS)
        self.kill_dul()
        self._alive = False
        self._waiter.close()
        with suppress(Exception):
            self._connection._shutdown_socket()

    @property
    def _has_to_end(self) -> bool:
        """Whether something is still to be sent, or the peer to close the connection."""
        state = self.state_machine.current_state
        return state == CLOSING or (state in _DATA_STATES and not self.to_provider_queue.empty())

    @property
    def is_driven_here(self) -> bool:
        """Whether the calling thread is the one that drives."""
        return threading.get_ident() == self._owner

    def end(self) -> None:
        """Bring the association to its end, or wake the thread that will."""
        if not self.is_driven_here:
            self._waiter.wake()
            return
        while self.is_alive() and not self.stop_dul():
            pass  # which waits

    def stop_dul(self) -> bool:
        """Do what is left to do; True once nothing is. Called until then."""
        if self.state_machine.current_state == IDLE:
            self.kill_dul()
            return True
        if self.is_driven_here:
            self.step(_STEP_SECONDS)
        return False

    # ---- primitives

    def send_pdu(self, primitive: object) -> None:
        """Send what the primitive stands for: at once, or by the thread that drives."""
        super().send_pdu(primitive)  # type: ignore[arg-type]
        if self.is_driven_here:
            self.step()
            return
        self._waiter.wake()

    def receive_pdu(self, wait: bool = False, timeout: float | None = None):  # type: ignore[no-untyped-def]
        """The next primitive for the service user, waited for `timeout` seconds."""
        if wait:
            deadline = time.monotonic() + (timeout if timeout is not None else 1e9)
            while self.to_user_queue.empty() and self.is_alive():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.step(left)
        return super().receive_pdu(wait=False)

    def await_request(self, timeout: float) -> bool:
        """Wait for an A-ASSOCIATE-RQ; whether it was answered as the same was before."""
        deadline = time.monotonic() + timeout
        while self.is_alive() and self.to_user_queue.empty():
            if self.state_machine.current_state == TRANSFER:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.step(left)
        return False

    def confirm_release(self) -> None:
        """Send the response that the peer waits for: action AR-4 of PS3.8 9.2.1."""
        is_ordinary = self.event_queue.empty() and self.to_provider_queue.empty()
        if not is_ordinary or self.state_machine.current_state != RELEASING:
            self.assoc.acse.send_release(is_response=True)
            return
        self._connection.send(_A_RELEASE_RP)
        self.artim_timer.start()
        self.state_machine.transition(CLOSING)

    # ---- messages

    def await_message(self, timeout: float) -> bool:
        """Wait for a message; False where none comes in time, or the association is ending."""
        messages, deadline = self._consumer.messages, time.monotonic() + timeout
        while not messages:
            left = deadline - time.monotonic()
            if left <= 0 or self.is_over():
                return False
            self.step(left)
        return True

    def wake(self) -> None:
        """End a wait of the thread that drives, or its next one; from any thread."""
        self._waiter.wake()

    def look(self) -> None:
        """Take in what has come, without waiting."""
        self.step()

    def is_over(self) -> bool:
        """Whether the association has ended, or one side wants it to."""
        return not self.is_alive() or not self.to_user_queue.empty() or self.assoc._kill

    def send_data(self, pieces: Sequence[Bytes]) -> bool:
        """Send P-DATA-TF PDUs; False where the association is no more, or takes nothing."""
        if self.state_machine.current_state not in _DATA_STATES or not self.is_alive():
            return False
        try:
            self._connection.transmit(pieces)
        except OSError:
            self._lose()
            return False
        return True

    def limit_sends(self, seconds: float) -> None:
        """How long the peer may take nothing before `send_data` fails."""
        self._connection.limit_sends(seconds)

    def _lose(self) -> None:
        self.event_queue.put("Evt17")
        self.step()


def upper_layer_of(association: "Association") -> UpperLayer:
    """The upper layer of an association of the node's."""
    return cast(UpperLayer, association.dul)
