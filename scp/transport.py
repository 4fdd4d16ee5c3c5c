"""The association's socket: what a peer sends is read in large steps, and acknowledged at once."""

import socket
import time
from contextlib import suppress
from typing import cast

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

_STEP_BYTES = 256 * 1024
# Longest PDU that is not P-DATA: an A-ASSOCIATE-RQ of 128 contexts with many transfer syntaxes.
_MAX_CONTROL_BYTES = 1024 * 1024
_HEADER_BYTES = 6


class NodeSocket(AssociationSocket):
    """An AssociationSocket that refuses a PDU longer than was agreed, before it is read."""

    longest_pdu = _MAX_CONTROL_BYTES
    last_received = 0.0  # by the monotonic clock

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`, or what came before the connection was closed.

        Raises OSError where more is asked for than any PDU of this association may hold: the
        peer's length field is not to be believed (PS3.8 D.1).
        """
        if nr_bytes > self.longest_pdu + _HEADER_BYTES:
            raise ConnectionAbortedError(f"PDU of {nr_bytes} bytes, {self.longest_pdu} agreed")
        connection = cast(socket.socket, self.socket)
        received = bytearray(nr_bytes)
        view, count = memoryview(received), 0
        while count < nr_bytes:
            step = connection.recv_into(view[count : count + _STEP_BYTES])
            if not step:
                break
            count += step
            self.last_received = time.monotonic()
            acknowledge_at_once(connection)
        view.release()
        del received[count:]
        return received


def send_at_once(association: Association) -> None:
    """Have TCP send the end of a message without waiting for acknowledgement of the rest."""
    connection = association.dul.socket.socket if association.dul.socket else None
    if connection is not None:
        with suppress(OSError):  # it has just been closed, as the first send will show
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def acknowledge_at_once(connection: socket.socket) -> None:
    """Send TCP's acknowledgement now, not after the usual 40 ms.

    A peer without TCP_NODELAY holds back the end of a message until then (RFC 896, RFC 1122
    4.2.3.2). The option lasts only for a while, so it is set again with every receive.
    """
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
