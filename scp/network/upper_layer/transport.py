"""The association's socket: PDUs are read as they come, whole ones handed out, sends bounded."""

import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import cast

from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from scp.network.tls import words_of
from scp.network.upper_layer.rejection_pdu import RejectionPDU

_FIRST_BUFFER_BYTES = 64 * 1024
# Read into by who sends much: a memory of its own that few associations need.
_LARGE_BUFFER_BYTES = 1024 * 1024
_MUCH_BYTES = 16 * 1024 * 1024
# Longest PDU that is not P-DATA: an A-ASSOCIATE-RQ of 128 contexts with many transfer syntaxes.
_MAX_CONTROL_BYTES = 1024 * 1024
_LENGTH = struct.Struct(">2xI")
HEADER_BYTES = 6

Bytes = bytes | bytearray | memoryview


class LongPduError(Exception):
    """The peer declares a PDU longer than was agreed: its length is not to be believed."""


class NodeSocket(AssociationSocket):
    """An AssociationSocket that never waits for the rest of a PDU, nor for ever to send one."""

    longest_pdu = _MAX_CONTROL_BYTES
    last_received = 0.0  # by the monotonic clock
    received = 0  # bytes in all
    awaited: ssl.SSLContext | None = None  # for the TLS handshake that a caller has to make
    agreed: Mapping[str, str] = MappingProxyType({})  # what TLS was agreed on, for the log
    _tls: ssl.SSLSocket | None = None
    failure = ""  # of a peer that is called: why there is no connection
    answer_fault = ""  # why the answer to an A-ASSOCIATE-RQ cannot be read
    rejection: RejectionPDU | None = None  # by a peer that is called
    tls_failure = ""  # of a peer that is called: what it does that TLS is not possible

    def adopt(self, tls: ssl.SSLContext | None = None) -> None:
        """Make the connection ready, once it is there; `tls`: its handshake comes first."""
        self.awaited = tls
        self._buffer = bytearray(_FIRST_BUFFER_BYTES)
        self._start = self._end = 0
        self._tls_seconds: float | None = None
        connection = self.connection
        if connection is None:
            return
        timeout = self.assoc.network_timeout
        if isinstance(connection, ssl.SSLSocket):
            self._tls = connection
            connection.settimeout(0)  # a record that is there in part is not waited for
        else:
            connection.settimeout(None)
        self.limit_sends(timeout or 0.0)
        with suppress(OSError):  # it has just been closed, as the first read will show
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connect(self, primitive: T_CONNECT) -> None:
        """Connect to a peer; over TLS, make the handshake, or say why not in `tls_failure`."""
        connection, address = cast(socket.socket, self.socket), primitive.address_info.as_tuple
        try:
            connection.settimeout(self.assoc.connection_timeout)
            connection.connect(address)
            if self.tls_args:
                self.socket = self._secured(connection, *self.tls_args)
        except OSError as error:
            self.failure = error.strerror or str(error)
            self._shutdown_socket()
            self.socket = None
            primitive.result = "Evt17"
        else:
            local = AddressInformation.from_tuple(cast(socket.socket, self.socket).getsockname())
            self.assoc.requestor.address_info = local
            self._is_connected = True
            primitive.result = "Evt2"
            self.adopt()
        self.provider_queue.put(primitive)
        self._ready.set()

    def _secured(
        self, connection: socket.socket, context: ssl.SSLContext, name: str
    ) -> ssl.SSLSocket:
        try:
            return context.wrap_socket(connection, server_hostname=name)
        except OSError as error:
            self.tls_failure = words_of(error)
            raise
        except ValueError as error:
            self.tls_failure = "has a name under [peers] that is none for TLS"
            raise OSError(str(error)) from error

    @property
    def peer_address(self) -> str:
        """Where the connection leads to; empty once that cannot be told any more."""
        try:
            return str(self.socket.getpeername()[0]) if self.socket else ""
        except OSError:
            return ""

    @property
    def connection(self) -> socket.socket | None:
        """The TCP connection, while there is one."""
        return self.socket

    def limit_sends(self, seconds: float) -> None:
        """How long the peer may take nothing before a send fails; 0: for ever."""
        connection = self.connection
        if connection is None:
            return
        if self._tls:
            self._tls_seconds = seconds or None
            return
        whole = int(seconds)
        limit = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def fill(self) -> bool | None:
        """Read what has come; None: nothing, False: the connection has ended."""
        connection = self.connection
        if connection is None:
            return False
        self._make_room()
        view = memoryview(self._buffer)[self._end :]
        try:
            if self._tls:
                count = self._tls.recv_into(view)
            else:
                count = connection.recv_into(view, 0, socket.MSG_DONTWAIT)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLError as error:
            # An alert; in TLS 1.3 it may be of the handshake (RFC 8446 4.4.2.4).
            self.tls_failure = words_of(error)
            raise
        finally:
            view.release()
        if not count:
            return False
        self._end += count
        self.received += count
        self.last_received = time.monotonic()
        acknowledge_at_once(connection)
        return True

    def next_pdu(self) -> memoryview | None:
        """The next PDU, if all of it is there; to be released before `fill`.

        Raises LongPduError.
        """
        held = self._end - self._start
        if held < HEADER_BYTES:
            return None
        length = _LENGTH.unpack_from(self._buffer, self._start)[0] + HEADER_BYTES
        if length - HEADER_BYTES > self.longest_pdu:
            raise LongPduError(f"PDU of {length - HEADER_BYTES} bytes, {self.longest_pdu} agreed")
        if held < length:
            return None
        start = self._start
        self._start += length
        return memoryview(self._buffer)[start : start + length]

    def forget(self) -> None:
        """Give back what came and nobody will read: the association ends, and may stay a while.

        pynetdicom's objects refer to each other in circles, which go when they are looked for.
        """
        self._buffer = bytearray()
        self._start = self._end = 0

    def drop(self) -> None:
        """Throw away what has come."""
        self._start = self._end = 0

    @property
    def holds_part(self) -> bool:
        """Whether part of a PDU has come."""
        return self._end > self._start

    @property
    def is_tls(self) -> bool:
        """Whether the connection is over TLS."""
        return self._tls is not None

    @property
    def speaks_tls(self) -> bool:
        """Whether what comes over a plain connection is TLS: a handshake, or an alert."""
        start = bytes(self._buffer[self._start : min(self._start + 2, self._end)])
        return not self._tls and start in (b"\x16\x03", b"\x15\x03")

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds bytes that the descriptor does not show."""
        return bool(self._tls and self._tls.pending())

    def transmit(self, pieces: Sequence[Bytes]) -> None:
        """Send all of `pieces`. Raises OSError where the peer is gone, or takes nothing."""
        connection = self.connection
        if connection is None:
            raise ConnectionResetError("the connection is closed")
        if self._tls:
            self._send_over_tls(b"".join(pieces))
            return
        sent = connection.sendmsg(pieces)
        if sent < sum(map(len, pieces)):
            connection.sendall(memoryview(b"".join(pieces))[sent:])

    def send(self, bytestream: bytes) -> None:
        """Send a PDU of the state machine's."""
        try:
            self.transmit([bytestream])
        except OSError:
            self.event_queue.put("Evt17")

    def _send_over_tls(self, data: bytes) -> None:
        connection = cast(ssl.SSLSocket, self._tls)
        connection.settimeout(self._tls_seconds)
        try:
            connection.sendall(data)
        finally:
            with suppress(OSError):  # it was closed meanwhile
                connection.settimeout(0)

    def _shutdown_socket(self) -> None:
        """Close the connection, after TLS has been told so (RFC 8446 6.1)."""
        connection = self.socket
        if connection is None:
            return
        with suppress(OSError, ValueError):  # the peer was first
            if self._tls:
                self._tls.settimeout(0)  # the peer's own is not waited for
                self._tls.unwrap()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _make_room(self) -> None:
        """Room to read into: for all of the PDU that has begun to come."""
        if self._start == self._end:
            self._start = self._end = 0
        held = self._end - self._start
        wanted = HEADER_BYTES
        if held >= HEADER_BYTES:
            wanted += _LENGTH.unpack_from(self._buffer, self._start)[0]
        if self._start + wanted > len(self._buffer) or self._end == len(self._buffer):
            size = max(len(self._buffer), wanted)
            if self.received > _MUCH_BYTES:
                size = max(size, _LARGE_BUFFER_BYTES)
            fresh = self._buffer if size == len(self._buffer) else bytearray(size)
            fresh[:held] = self._buffer[self._start : self._end]
            self._buffer, self._start, self._end = fresh, 0, held


def acknowledge_at_once(connection: socket.socket) -> None:
    """Send TCP's acknowledgement now, not after the usual 40 ms.

    A peer without TCP_NODELAY holds back the end of a message until then (RFC 896, RFC 1122
    4.2.3.2). The option lasts only for a while, so it is set again with every receive.
    """
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
