"""Where the node listens: on one port, or on a plain one and one for TLS."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Doors:
    """The listening sockets."""

    main: socket.socket
    tls: socket.socket | None = None  # beside the main one, which is plain then
    metrics: socket.socket | None = None  # which speaks HTTP

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Each at which associations come."""
        return (self.main, self.tls) if self.tls else (self.main,)

    def is_for_tls(self, door: socket.socket) -> bool:
        """Whether callers at this one speak TLS, where there is any."""
        return door is self.tls or self.tls is None
