"""Where the node listens: on one port, or on a plain one and one for TLS."""

import socket
from dataclasses import dataclass

from scp.config import Settings
from scp.runtime import systemd

# Callers that wait to be accepted; the kernel may take fewer.
_BACKLOG = 2048


@dataclass(frozen=True)
class ListeningSockets:
    """The listening sockets."""

    main: socket.socket
    tls: socket.socket | None = None  # beside the main one, which is plain then
    metrics: socket.socket | None = None  # which speaks HTTP
    web: socket.socket | None = None  # the same, for DICOMweb
    orders: socket.socket | None = None  # for HL7 messages

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Each at which associations come."""
        return (self.main, self.tls) if self.tls else (self.main,)

    def is_for_tls(self, door: socket.socket) -> bool:
        """Whether callers at this one speak TLS, where there is any."""
        return door is self.tls or self.tls is None


class StartError(Exception):
    """The node cannot start; the text says why, to a person."""


def bind(settings: Settings) -> ListeningSockets:
    """The listening sockets. Raises StartError where an address cannot be had."""
    host, tls = settings.node.host, settings.tls
    metrics, web, orders = settings.metrics, settings.web, settings.orders
    given = systemd.inherited()
    secure = given.pop("tls", [None])[0]
    plain = next((one for some in given.values() for one in some), None)
    if secure and not (tls and tls.port is not None):
        raise StartError(
            f"{settings.source}: [tls] port: missing, though systemd gives a socket named tls; "
            "set it, or take the socket out of the unit"
        )
    if secure is None and tls and tls.port is not None:
        secure = _bind(settings, host, tls.port, "[tls] port")
    return ListeningSockets(
        plain or _bind(settings, host, settings.node.port, "[node] host, port"),
        secure,
        _bind(settings, metrics.host, metrics.port, "[metrics] host, port") if metrics else None,
        _bind(settings, web.host, web.port, "[web] host, port") if web else None,
        _bind(settings, orders.host, orders.port, "[orders] host, port") if orders else None,
    )


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address of the node's. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _bind(settings: Settings, host: str, port: int, keys: str) -> socket.socket:
    try:
        listening = bound(host, port)
        listening.listen(_BACKLOG)
    except OSError as error:
        raise StartError(
            f"{settings.source}: {keys}: cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    return listening
