"""The association server on sockets that were bound before, and may be shared by workers."""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom import evt

from scp.network.association import Handlers, NodeAssociation, WorkerContext
from scp.node.connection_crowds import Crowds
from scp.runtime import ListeningSockets, heartbeat, one_line
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

_DRAIN_STEP_SECONDS = 0.05
_FULL_SECONDS = 0.2
# For the last A-ABORT PDUs, in all.
_END_SECONDS = 0.5


class Listener:
    """Accepts connections and gives each an association with threads of its own."""

    def __init__(
        self,
        node: WorkerContext,
        handlers: Handlers,
        doors: ListeningSockets,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._node = node
        self._handlers = handlers
        self._doors = doors
        self._crowds = Crowds()
        self._beat = beat  # to be called every `watch.BEAT_SECONDS`, by who would hang

    def renew(self, node: WorkerContext) -> None:
        """Serve associations by `node` from now on; those that are open go on."""
        self._node = node

    def serve(self, stop: socket.socket, life: int) -> bool:
        """Accept until there is something to read on `stop`: True; or on `life`: False.

        Can be called again.
        """
        # Another worker may take a connection first, so accepting must not wait for one.
        with selectors.DefaultSelector() as selector:
            for door in self._doors.all:
                door.setblocking(False)
                selector.register(door, selectors.EVENT_READ)
            selector.register(stop, selectors.EVENT_READ)
            selector.register(life, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(heartbeat.BEAT_SECONDS)]
                self._beat()
                if stop in ready or life in ready:
                    return stop in ready
                for door in self._doors.all:
                    if door in ready:
                        self._accept(door)

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

    def _accept(self, door: socket.socket) -> None:
        try:
            connection, address = door.accept()
        except (BlockingIOError, ConnectionError):  # taken by another worker, or gone again
            return
        except OSError as error:  # no descriptors left: a moment, so that some are freed
            logger.error("cannot accept: %s", error.strerror)
            time.sleep(_FULL_SECONDS)
            return
        try:
            self._start(connection, address, door)
        except Exception as error:
            logger.error(Event("connection refused", one_line(error), address=address[0]))
            connection.close()

    def _start(self, connection: socket.socket, address: Any, door: socket.socket) -> None:
        tls = self._node.tls.server if self._doors.is_for_tls(door) else None
        association = NodeAssociation(self._node, self._handlers, self)
        association.adopt(connection, address, tls)
        association.bind(evt.EVT_ESTABLISHED, lambda event: association.log_opened())
        association.start()
        self._crowds.add(address[0], association)
