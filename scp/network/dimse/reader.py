"""Messages as they come: command sets decoded, data sets gathered or handed on (PS3.7 6.3)."""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from scp.network.dimse.command_set import Command, CommandError, Field, decode
from scp.network.upper_layer import upper_layer_of

if TYPE_CHECKING:
    from pynetdicom.association import Association

# Message control header (PS3.8 E.2): bit 0 a command, bit 1 the last fragment.
COMMAND, LAST = 1, 2
# Of a PDU type and length; then each value's length, context ID and control header.
_PDU_HEAD_BYTES, _PDV_LENGTH_BYTES = 6, 4
_PDV_HEAD = struct.Struct(">IBB")
_MAX_COMMAND_BYTES = 64 * 1024
# Of an identifier, or another data set that is held in memory.
_MAX_DATA_BYTES = 16 * 1024 * 1024
_MAX_CANCELS = 10
# Fragments of nothing in one message: they come to no end by themselves.
_MAX_EMPTY = 1000


class Sink(Protocol):
    """Takes a data set as it arrives."""

    def write(self, fragment: memoryview, /) -> None:
        """Take the next bytes; they are the caller's again afterwards."""

    def discard(self) -> None:
        """Drop what was taken: the rest will not come."""


@dataclass(slots=True)
class Message:
    """A whole message: its presentation context, its command, and its data set if it has one."""

    context_id: int
    command: Command
    data: bytes | None = None
    sink: Sink | None = None


# What takes the data set of a C-STORE request on a presentation context; None: memory does.
OpenSink = Callable[[int, Command], Sink | None]


class _Gathered:
    """A data set held in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, fragment: memoryview) -> None:
        if len(self.data) + len(fragment) > _MAX_DATA_BYTES:
            raise CommandError(f"an identifier of more than {_MAX_DATA_BYTES} bytes")
        self.data += fragment

    def discard(self) -> None:
        self.data.clear()


class NodeDIMSE(DIMSEServiceProvider):
    """pynetdicom's DIMSE service provider, with messages as Command and data."""

    def __init__(self, association: "Association", open_sink: OpenSink) -> None:
        super().__init__(association)
        self.messages: deque[Message] = deque()
        self.cancelled: dict[int, None] = {}  # message IDs, the oldest first
        self._open_sink = open_sink
        self._command = bytearray()
        self._context_id = 0
        self._message: Message | None = None
        self._taker: Sink = _Gathered()
        self._empty = 0

    @property
    def is_receiving(self) -> bool:
        """Whether part of a message has come."""
        return bool(self._command) or self._message is not None or self._empty > 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take what the state machine hands on; during a release it goes nowhere."""

    def take_pdu(self, pdu: memoryview) -> None:
        """Take the presentation data values of a P-DATA-TF PDU (PS3.8 9.3.5).

        Raises CommandError where they are none, or no part of a message.
        """
        position, end = _PDU_HEAD_BYTES, len(pdu)
        while position < end:
            if end - position < _PDV_HEAD.size:
                raise CommandError("a presentation data value is cut short")
            length, context_id, control = _PDV_HEAD.unpack_from(pdu, position)
            following = position + _PDV_LENGTH_BYTES + length
            if length < _PDV_HEAD.size - _PDV_LENGTH_BYTES or following > end:
                raise CommandError(f"a presentation data value of {length} bytes")
            self.take(context_id, control, pdu[position + _PDV_HEAD.size : following])
            position = following

    def take(self, context_id: int, control: int, fragment: memoryview) -> None:
        """Take a fragment of a message. Raises CommandError where it cannot be part of one."""
        self._empty += not fragment
        if self._empty > _MAX_EMPTY:
            raise CommandError(f"a message with more than {_MAX_EMPTY} fragments of nothing")
        if control & COMMAND:
            self._take_command(context_id, control, fragment)
            return
        message = self._message
        if message is None or context_id != message.context_id:
            raise CommandError("a data set without its command")
        self._taker.write(fragment)
        if control & LAST:
            self._message = None
            self._end(message)

    def discard(self) -> None:
        """Drop the message that was coming, and those that nobody will serve."""
        if self._message:
            self._taker.discard()
            self._message = None
        while self.messages:
            sink = self.messages.popleft().sink
            if sink:
                sink.discard()

    def _take_command(self, context_id: int, control: int, fragment: memoryview) -> None:
        if self._message is not None:
            raise CommandError("a command in the middle of a data set")
        if self._command and context_id != self._context_id:
            raise CommandError("a command on two presentation contexts")
        self._context_id = context_id
        self._command += fragment
        if len(self._command) > _MAX_COMMAND_BYTES:
            raise CommandError(f"a command set of more than {_MAX_COMMAND_BYTES} bytes")
        if not control & LAST:
            return
        command = decode(self._command)
        self._command.clear()
        message = Message(context_id, command)
        if not command.has_data_set:
            self._end(message)
            return
        sink = None
        if command.field is Field.C_STORE_RQ:
            message.sink = sink = self._open_sink(context_id, command)
        self._message, self._taker = message, sink or _Gathered()

    def _end(self, message: Message) -> None:
        self._empty = 0
        command = message.command
        if command.field is Field.C_CANCEL_RQ:
            if command.responds_to is not None:
                self.cancelled[command.responds_to] = None
            if len(self.cancelled) > _MAX_CANCELS:  # the oldest: it came too late
                del self.cancelled[next(iter(self.cancelled))]
            return
        if command.has_data_set and message.sink is None:
            message.data = bytes(cast(_Gathered, self._taker).data)
        if command.message_id is not None:
            self.cancelled.pop(command.message_id, None)  # of an earlier request of that ID
        self.messages.append(message)


def messages_of(association: "Association") -> NodeDIMSE:
    """The messages of an association of the node's."""
    return cast(NodeDIMSE, association.dimse)


def next_message(association: "Association", timeout: float) -> Message | None:
    """The next message; None where none comes in time, or the association is ending."""
    if not upper_layer_of(association).await_message(timeout):
        return None
    return messages_of(association).messages.popleft()
