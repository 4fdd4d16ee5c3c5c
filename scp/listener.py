"""The association server on a socket that was bound before, and may be shared by workers."""

import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom import evt

from scp import watch
from scp.association import Handlers, NodeAssociation
from scp.log import one_line
from scp.node import Node

logger = logging.getLogger(__name__)

_DRAIN_STEP_SECONDS = 0.05
_FULL_SECONDS = 0.2
# For the last A-ABORT PDUs, in all.
_END_SECONDS = 0.5


class Listener:
    """Accepts connections and gives each an association with threads of its own."""

    def __init__(
        self,
        node: Node,
        handlers: Handlers,
        listening: socket.socket,
        tls: ssl.SSLContext | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._node = node
        self._handlers = handlers
        self._listening = listening
        self._tls = tls
        self._beat = beat  # to be called every `watch.BEAT_SECONDS`, by who would hang

    def renew(self, node: Node, tls: ssl.SSLContext | None) -> None:
        """Serve associations by `node` and `tls` from now on; those that are open go on."""
        self._node, self._tls = node, tls

    def serve(self, stop: socket.socket, life: int) -> bool:
        """Accept until there is something to read on `stop`: True; or on `life`: False.

        Can be called again.
        """
        # Another worker may take a connection first, so accepting must not wait for one.
        self._listening.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(stop, selectors.EVENT_READ)
            selector.register(life, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(watch.BEAT_SECONDS)]
                self._beat()
                if stop in ready or life in ready:
                    return stop in ready
                if ready:
                    self._accept()

    def drain(self, seconds: float) -> None:
        """Let what is under way finish, for `seconds` at most; abort who only waits.

        Connections that have not become associations end with the process.
        """
        deadline = time.monotonic() + seconds
        while associations := [a for a in self.associations if a.is_established]:
            late = time.monotonic() >= deadline
            for association in associations:
                if late or not association.is_busy:
                    association.abort()
            if late:
                for association in associations:
                    association.join(_END_SECONDS / len(associations))
                return
            time.sleep(_DRAIN_STEP_SECONDS)

    @property
    def associations(self) -> list[NodeAssociation]:
        """The associations that are open now."""
        return [t for t in threading.enumerate() if isinstance(t, NodeAssociation)]

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; pynetdicom's Association asks its server for that."""
        with suppress(OSError):  # the peer was first
            request.shutdown(socket.SHUT_RDWR)
        request.close()

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except (BlockingIOError, ConnectionError):  # taken by another worker, or gone again
            return
        except OSError as error:  # no descriptors left: a moment, so that some are freed
            logger.error("cannot accept: %s", error.strerror)
            time.sleep(_FULL_SECONDS)
            return
        try:
            self._start(connection, address)
        except Exception as error:
            logger.error("connection refused address=%s: %s", address[0], one_line(error))
            connection.close()

    def _start(self, connection: socket.socket, address: Any) -> None:
        if self._tls:
            # The handshake is made with the first read, in the association's thread, so that
            # a caller that stalls in it holds up nobody else.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        association = NodeAssociation(self._node, self._handlers, self)
        association.adopt(connection, address)
        association.bind(evt.EVT_ESTABLISHED, lambda event: association.log_opened())
        association.start()
