"""How a caller's connection begins: with the TLS handshake, on the TLS port."""

import re
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol, cast

from pynetdicom.pdu import A_ABORT_RQ

from scp.network.association.negotiation import NodeACSE
from scp.network.tls import printable, words_of
from scp.network.upper_layer import NodeSocket

# Of the first octet: a handshake record of TLS (RFC 8446 5.1), an A-ASSOCIATE-RQ (PS3.8 9.3.2).
_HANDSHAKE, _ASSOCIATE = b"\x16", b"\x01"
# How long a caller that was refused has to take that in, and how much it may still send.
_END_SECONDS, _END_BYTES = 1.0, 1024 * 1024

# RFC 4514 3; others are written as OpenSSL calls them.
_SHORT = {
    "commonName": "CN", "countryName": "C", "domainComponent": "DC", "localityName": "L",
    "organizationName": "O", "organizationalUnitName": "OU", "stateOrProvinceName": "ST",
}  # fmt: skip


class Caller(Protocol):
    """An association that is about to begin."""

    dul: Any  # pynetdicom's names for the upper layer and the negotiation
    acse: Any

    @property
    def acse_timeout(self) -> float | None:
        """The seconds that the handshake may take."""

    def refused(self, words: str) -> None:
        """Be told that its connection is refused, and why: "it ..."."""


class _RefusedError(OSError):
    """The caller does not even begin with TLS; the text says what it does."""

    def __init__(self, words: str, answer: bytes = b"") -> None:
        super().__init__(words)
        self.answer = answer  # that it understands


def agree(association: Caller) -> bool:
    """Make the TLS handshake where one is due; whether the association may begin.

    In the association's thread, so that a caller that stalls holds up nobody else.
    """
    connection = cast(NodeSocket, association.dul.socket)
    if connection.awaited is None:
        return True
    seconds, answer = association.acse_timeout or 0.0, b""
    try:
        _shake_hands(connection, time.monotonic() + seconds)
    except TimeoutError:
        association.refused(f"makes no TLS handshake within seconds={seconds:g}")
    except _RefusedError as error:
        association.refused(str(error))
        answer = error.answer
    except OSError as error:
        association.refused(words_of(error))
    else:
        _tell(association, connection)
        return True
    _end(connection, answer)
    return False


def _shake_hands(connection: NodeSocket, deadline: float) -> None:
    """Raises OSError, and TimeoutError at the deadline."""
    plain = cast(socket.socket, connection.socket)
    context = cast(ssl.SSLContext, connection.awaited)
    try:
        plain.settimeout(_left(deadline))
        first = plain.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        first = b""
    if not first:
        raise _RefusedError("ends the connection without a word")
    if first == _ASSOCIATE:
        raise _RefusedError("speaks DICOM without TLS to the TLS port", _abort())
    if first != _HANDSHAKE:
        raise _RefusedError("speaks neither TLS nor DICOM")
    secure = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
    connection.socket = secure
    secure.settimeout(_left(deadline))
    secure.do_handshake()
    connection.adopt()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def _end(connection: NodeSocket, answer: bytes) -> None:
    """Close the connection so that the caller hears why.

    What it sent and nobody read would make the end a reset, and drop the alert (RFC 1122 4.2.2.13).
    """
    refused, deadline, count = connection.socket, time.monotonic() + _END_SECONDS, 0
    if refused is None:
        return
    with suppress(OSError):  # it is gone
        refused.settimeout(_END_SECONDS)
        if answer:
            refused.sendall(answer)
        refused.shutdown(socket.SHUT_WR)
        while count < _END_BYTES:
            refused.settimeout(_left(deadline))
            received = socket.socket.recv(refused, 65536)  # not by TLS: that is no more
            if not received:
                return
            count += len(received)


def _abort() -> bytes:
    """An A-ABORT PDU by the service provider, for no reason given (PS3.8 9.3.8)."""
    pdu = A_ABORT_RQ()
    pdu.source, pdu.reason_diagnostic = 0x02, 0x00
    return pdu.encode()


def _tell(association: Caller, connection: NodeSocket) -> None:
    """Have log and audit trail say what TLS was agreed on, and whose certificate was shown."""
    secure = cast(ssl.SSLSocket, connection.socket)
    cipher = secure.cipher()
    said = {"tls": secure.version() or "", "cipher": cipher[0] if cipher else ""}
    certificate: Any = secure.getpeercert()
    if certificate:
        said["certificate"] = _subject(certificate["subject"])
    connection.agreed = dict(said)
    del said["cipher"]
    cast(NodeACSE, association.acse).secured = said


def _subject(names: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A distinguished name as one reads it (RFC 4514 2): the most particular comes first."""
    relative = [
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in pairs)
        for pairs in names
    ]
    return ",".join(reversed(relative))


def _escaped(value: str) -> str:
    return re.sub(r'([,+"\\<>;])', r"\\\1", printable(value))
