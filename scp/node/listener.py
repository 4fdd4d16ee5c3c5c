"""The association server on sockets that were bound before, and may be shared by workers."""

import logging
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from scp.network.association import Handlers, NodeAssociation, WorkerContext
from scp.node.association_threads import AssociationThreads
from scp.node.connection_crowds import Crowds
from scp.runtime import ListeningSockets, heartbeat, one_line
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

_DRAIN_STEP_SECONDS = 0.05
_END_STEP_SECONDS = 0.01
_FULL_SECONDS = 0.2
# A connection wakes one of the workers that wait, not all of them.
_ONE_WORKER = select.EPOLLIN | select.EPOLLEXCLUSIVE
# An association that lasts longer is not one of many short ones, which follow on each other.
_SHORT_SECONDS = 0.01
# For the last A-ABORT PDUs, in all, and the lines that tell of them: peers have 1 s to close.
_END_SECONDS = 1.5


class Listener:
    """Accepts connections and gives each an association with a thread of its own."""

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
        self._threads = AssociationThreads()
        self._beat = beat  # to be called every `heartbeat.BEAT_SECONDS`, by who would hang
        self._next_beat = 0.0
        self._stays_until = 0.0  # the first to be woken; 0: it is not to be seen to

    def renew(self, node: WorkerContext) -> None:
        """Serve associations by `node` from now on; those that are open go on."""
        self._node = node

    def serve(self, stop: socket.socket, life: int) -> bool:
        """Accept until there is something to read on `stop`: True; or on `life`: False.

        Can be called again.
        """
        with select.epoll() as poll:
            for door in self._doors.all:
                # Another worker may take a connection first: accepting must not wait for one.
                door.setblocking(False)
                poll.register(door, _ONE_WORKER)
            poll.register(stop, select.EPOLLIN)
            poll.register(life, select.EPOLLIN)
            while True:
                if time.monotonic() >= self._next_beat:
                    self._beat()
                    self._next_beat = time.monotonic() + heartbeat.BEAT_SECONDS
                    # Also for who calls, and for whom a worker was woken that hangs.
                    self._go_to_the_end(poll)
                if self._stays_until and time.monotonic() >= self._stays_until:
                    self._stays_until = 0.0
                    if self._threads.are_busy:
                        self._go_to_the_end(poll)
                until = min(self._next_beat, self._stays_until or self._next_beat)
                wait = max(until - time.monotonic(), 0.0)
                ready = {descriptor for descriptor, _ in poll.poll(wait)}
                if stop.fileno() in ready or life in ready:
                    return stop.fileno() in ready
                is_first = not self._threads.are_busy
                taken = [d for d in self._doors.all if d.fileno() in ready and self._accept(d)]
                if taken and is_first:
                    self._stays_until = time.monotonic() + _SHORT_SECONDS
                elif taken:
                    self._stays_until = 0.0
                    self._go_to_the_end(poll)

    def drain(self, seconds: float) -> None:
        """Let what is under way finish, for `seconds` at most; abort who only waits.

        Connections that have not become associations end with the process.
        """
        deadline, aborted = time.monotonic() + seconds, list[NodeAssociation]()
        while associations := [a for a in self._threads.running if a.is_established]:
            late = time.monotonic() >= deadline
            for association in associations:
                if late or not association.is_busy:
                    association.abort()
                    aborted.append(association)
            if late:
                break
            time.sleep(_DRAIN_STEP_SECONDS)
        _await_end(aborted)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; pynetdicom's Association asks its server for that."""
        with suppress(OSError):  # the peer was first
            request.shutdown(socket.SHUT_RDWR)
        request.close()

    def _go_to_the_end(self, poll: select.epoll) -> None:
        """Be the last of the workers to be woken, once it has something to do.

        Without that the kernel wakes the same one for as long as it can, and the others serve none.
        Where associations are short, and follow on each other, that one is right: it has at hand
        what they take, and pages of the index that no other has written to.
        """
        for door in self._doors.all:
            poll.unregister(door)
            poll.register(door, _ONE_WORKER)

    def _accept(self, door: socket.socket) -> bool:
        """Accept a connection, if there still is one; whether there was."""
        try:
            connection, address = door.accept()
        except (BlockingIOError, ConnectionError):  # taken by another worker, or gone again
            return False
        except OSError as error:  # no descriptors left: a moment, so that some are freed
            logger.error("cannot accept: %s", error.strerror)
            time.sleep(_FULL_SECONDS)
            return False
        try:
            self._start(connection, address, door)
        except Exception as error:
            logger.error(Event("connection refused", one_line(error), address=address[0]))
            connection.close()
        return True

    def _start(self, connection: socket.socket, address: Any, door: socket.socket) -> None:
        tls = self._node.tls.server if self._doors.is_for_tls(door) else None
        association = NodeAssociation(self._node, self._handlers, self)
        association.adopt(connection, address, tls)
        self._threads.run(association)
        self._crowds.add(address[0], association)


def _await_end(aborted: Sequence[NodeAssociation]) -> None:
    """Wait until they are aborted and accounted for, or that takes too long."""
    deadline = time.monotonic() + _END_SECONDS
    while any(one.is_alive() for one in aborted) and time.monotonic() < deadline:
        time.sleep(_END_STEP_SECONDS)
