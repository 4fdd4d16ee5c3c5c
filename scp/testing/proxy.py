"""Between a program and its node: PDUs go through as they are, but where a fault is due."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from scp.network.dimse import Command, Field, Status, command_set
from scp.network.upper_layer import MessageError
from scp.testing.faults import ASSOCIATION, REJECTIONS, STATUSES, Fault, Faults, Injected

# PDU types (PS3.8 9.3.1), and bits of a message control header (PS3.8 E.2).
_REQUEST, _REJECTION, _DATA, _ABORT = 0x01, 0x03, 0x04, 0x07
_COMMAND, _LAST = 1, 2
_HEAD = struct.Struct(">BxI")
_ITEM = struct.Struct(">IBB")
_ABORTED = _HEAD.pack(_ABORT, 4) + bytes(4)  # by the service user


class _OverError(Exception):
    """The association has been ended by a fault."""


class Proxy:
    """Listens on a port of its own, for as long as it is not closed; `target` may change."""

    def __init__(self, host: str, faults: Faults) -> None:
        self.target = 0
        self._faults = faults
        self._listener = socket.create_server((host, 0), backlog=128)
        self._connections: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it is reached."""
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Both ways of a connection, until both are over."""
        with client:
            try:
                server = socket.create_connection((self._listener.getsockname()[0], self.target))
            except OSError:  # the node is down: so is its port, as far as can be told
                return
            with server, self._held(client, server):
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                program, node = _End(client), _End(server)
                back = threading.Thread(target=_Way(node, program, self._faults, True).run)
                back.start()
                _Way(program, node, self._faults).run()
                back.join()

    @contextmanager
    def _held(self, *connections: socket.socket) -> Iterator[None]:
        self._connections.update(connections)
        try:
            yield
        finally:
            self._connections.difference_update(connections)

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._faults.clear()
        for one in (self._listener, *self._connections.copy()):
            with suppress(OSError):  # ended by its peer
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class _End:
    """One end of a connection, written to by whole PDUs."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def pdus(self) -> Iterator[bytes]:
        """What comes, until the end of it."""
        with self._connection.makefile("rb") as file:
            while pdu := _next(file):
                yield pdu

    def send(self, pdu: bytes) -> None:
        """Raises OSError."""
        with self._lock:
            self._connection.sendall(pdu)

    def end_writing(self) -> None:
        """Nothing more is sent."""
        with suppress(OSError):  # the other one was first
            self._connection.shutdown(socket.SHUT_WR)


def _next(file: BinaryIO) -> bytes:
    """The next PDU; where it is cut short, or the connection breaks, what has come of it."""
    try:
        head = file.read(_HEAD.size)
        return head + file.read(_HEAD.unpack(head)[1]) if len(head) == _HEAD.size else head
    except OSError:
        return b""


@dataclass
class _Message:
    """A message on its way: what is kept back of it until its command set is known."""

    command: bytearray = field(default_factory=bytearray)
    kept: list[bytes] = field(default_factory=list)
    answer: bytes = b""  # in the place of it, once all of it has come


class _Way:
    """From one end to the other; `by_node`: the way back, on which the node may ask, too."""

    def __init__(self, source: _End, to: _End, faults: Faults, by_node: bool = False) -> None:
        self._source, self._to = source, to
        self._faults, self._by_node = faults, by_node
        self._messages: dict[int, _Message] = {}  # by presentation context

    def run(self) -> None:
        """Pass on what comes, until there is no more, or a fault has ended it."""
        try:
            for pdu in self._source.pdus():
                self._pass(pdu)
        except (OSError, _OverError):  # the end of one is the end of the other
            self._source.end_writing()
        self._to.end_writing()

    def _pass(self, pdu: bytes) -> None:
        if pdu[0] == _REQUEST and not self._by_node:
            self._associate(pdu)
        elif pdu[0] == _DATA and (items := list(_items(pdu))) and self._is_of_interest(items):
            for item in items:
                self._take(item)
        else:
            self._to.send(pdu)

    def _is_of_interest(self, items: list[bytes]) -> bool:
        """Whether it has part of a command set, or of a message that is answered here."""
        return any(item[5] & _COMMAND or item[4] in self._messages for item in items)

    def _associate(self, pdu: bytes) -> None:
        due = self._faults.due(ASSOCIATION)
        if due and due.fault in REJECTIONS:
            self._source.send(_HEAD.pack(_REJECTION, 4) + bytes([0, *REJECTIONS[due.fault]]))
            self._to.end_writing()
            raise _OverError
        self._delay_or_abort(due)
        self._to.send(pdu)

    def _take(self, item: bytes) -> None:
        """A presentation data value: of a command set that is not whole yet it is kept back."""
        context, control = item[4], item[5]
        if control & _COMMAND:
            message = self._messages.setdefault(context, _Message())
            message.command += item[_ITEM.size :]
            message.kept.append(item)
            if control & _LAST:
                self._decide(context, message)
        elif not (message := self._messages.get(context, _Message())).answer:
            self._send([item])
        elif control & _LAST:
            self._answer(context, message)

    def _decide(self, context: int, message: _Message) -> None:
        """What becomes of a message, now that its command set is there."""
        command = _command_of(message.command)
        due = self._due(command) if command else None
        status = STATUSES[due.on].get(due.fault) if due else None
        if command and status is not None:
            message.answer = _response(command, status)
            if not command.has_data_set:
                self._answer(context, message)
            return  # else once all of its data set has come
        self._delay_or_abort(due)
        del self._messages[context]
        self._send(message.kept)

    def _due(self, command: Command) -> Injected | None:
        if command.field.is_response or command.field.service not in STATUSES:
            return None
        return self._faults.due(command.field.service, self._by_node)

    def _answer(self, context: int, message: _Message) -> None:
        del self._messages[context]
        head = _ITEM.pack(len(message.answer) + 2, context, _COMMAND | _LAST)
        self._source.send(_data_pdu(head + message.answer))

    def _delay_or_abort(self, due: Injected | None) -> None:
        if due and due.fault is Fault.STALL:
            due.cleared.wait()
        elif due and due.fault is Fault.ABORT:
            for end in (self._source, self._to):
                end.send(_ABORTED)
            raise _OverError

    def _send(self, items: list[bytes]) -> None:
        for item in items:  # each was in a PDU of the length agreed on
            self._to.send(_data_pdu(item))


def _items(pdu: bytes) -> Iterator[bytes]:
    """The presentation data values of a P-DATA-TF (PS3.8 9.3.5), each with its head."""
    position = _HEAD.size
    while len(pdu) - position >= _ITEM.size:
        end = position + 4 + _ITEM.unpack_from(pdu, position)[0]
        yield pdu[position:end]
        position = max(end, position + _ITEM.size)


def _data_pdu(item: bytes) -> bytes:
    return _HEAD.pack(_DATA, len(item)) + item


def _command_of(data: bytearray) -> Command | None:
    try:
        return command_set.decode(data)
    except MessageError:  # for the other end to judge
        return None


def _response(command: Command, status: Status) -> bytes:
    """A failure in response to a request (PS3.7 9.3, 10.3)."""
    return command_set.encode(Command(
        Field(command.field | 0x8000), responds_to=command.message_id, sop_class=command.sop_class,
        sop_instance=command.sop_instance, status=status, comment="a fault of a test",
    ))  # fmt: skip
