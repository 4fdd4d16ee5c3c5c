"""Messages as they go: prepared bytes, in as few PDUs and system calls as can be."""

import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from pynetdicom.association import Association

from scp.network.dimse import command_set as command
from scp.network.dimse.command_set import Command, Field
from scp.network.dimse.reader import COMMAND, LAST
from scp.network.upper_layer import Bytes, upper_layer_of

_PDU_HEAD = struct.Struct(">BxIIBB")
_P_DATA_TF = 0x04
# PDV length and context ID, and the control header that counts as data (PS3.8 9.3.5).
_PDV_OVERHEAD = 6
_MAX_FRAGMENT_BYTES = 256 * 1024
# What is read from a file, and given to the kernel, at a time.
_BLOCK_BYTES = 512 * 1024
# Requests whose last responses mostly say no more than a status.
_PLAIN = (Field.C_STORE_RQ, Field.C_ECHO_RQ, Field.C_FIND_RQ)
# Of one system call; IOV_MAX is 1024 on Linux.
_MAX_PIECES = 512


def response(
    request: Command,
    status: int,
    *,
    comment: str = "",
    offending: tuple[int, ...] = (),
    has_data_set: bool = False,
    counts: Mapping[str, int] | None = None,
    **further: Any,
) -> bytes:
    """The command set of a response to `request`; `counts` of sub-operations by attribute.

    `further` attributes of Command that it has, as they are.
    """
    is_plain = not (comment or offending or has_data_set or counts or further)
    if is_plain and request.field in _PLAIN and request.message_id is not None:
        return command.encode_plain_response(request.field | 0x8000, request, int(status))
    answer = Command(
        Field(request.field | 0x8000),
        responds_to=request.message_id,
        sop_class=request.sop_class,
        sop_instance=request.sop_instance,
        action_type=request.action_type,
        has_data_set=has_data_set,
        status=int(status),
        comment=comment,
        offending=offending,
    )
    for name, held in {**(counts or {}), **further}.items():
        setattr(answer, name, held)
    return command.encode(answer)


def store_request(
    sop_class_uid: str,
    sop_instance_uid: str,
    message_id: int,
    priority: int,
    originator: tuple[str, int] | None,
) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7 9.3.1.1).

    `originator` is the AE title and the message ID of the C-MOVE that it is for.
    """
    title, number = originator or ("", None)
    return command.encode(
        Command(
            Field.C_STORE_RQ,
            message_id=message_id,
            sop_class=sop_class_uid,
            sop_instance=sop_instance_uid,
            priority=priority,
            has_data_set=True,
            originator=title,
            originator_message_id=number,
        )
    )


def send(
    association: Association, context_id: int, command_set: bytes, data: bytes | None = None
) -> bool:
    """Send a message. False: the peer is gone, or takes nothing for the network's timeout."""
    return send_pieces(association, message(association, context_id, command_set, data))


def message(
    association: Association, context_id: int, command_set: bytes, data: bytes | None = None
) -> list[Bytes]:
    """A message as it is to be sent, in pieces."""
    size = _fragment_bytes(association)
    pieces = _pdus(context_id, COMMAND, command_set, size, True)
    if data is not None:
        pieces += _pdus(context_id, 0, data, size, True)
    return pieces


def send_from(
    association: Association,
    context_id: int,
    command_set: bytes,
    source: BinaryIO,
    timeout: float,
) -> bool:
    """Send a message whose data set is read from `source`, as fast as the peer takes it.

    False where the peer is gone, or has taken nothing for `timeout` seconds.
    """
    size = _fragment_bytes(association)
    # Whole fragments: only the last may be shorter.
    block_bytes = max(_BLOCK_BYTES // size, 1) * size
    upper_layer_of(association).limit_sends(timeout)
    pieces = _pdus(context_id, COMMAND, command_set, size, True)
    block = source.read(block_bytes)
    while True:
        following = source.read(block_bytes) if len(block) == block_bytes else b""
        pieces += _pdus(context_id, 0, block, size, not following)
        if not send_pieces(association, pieces):
            return False
        if not following:
            return True
        block, pieces = following, []


def _fragment_bytes(association: Association) -> int:
    """The most data of a PDU, by what the peer takes (PS3.8 D.1); 0 there is no limit."""
    limit = association.dimse.maximum_pdu_size
    size = min(limit - _PDV_OVERHEAD, _MAX_FRAGMENT_BYTES) if limit else _MAX_FRAGMENT_BYTES
    return max(size, 1)


def _pdus(context_id: int, control: int, data: bytes, size: int, is_last: bool) -> list[Bytes]:
    """P-DATA-TF PDUs of one presentation data value each: their heads and their fragments."""
    view = memoryview(data)
    pieces: list[Bytes] = []
    for start in range(0, max(len(data), 1), size):
        fragment = view[start : start + size]
        last = LAST if is_last and start + size >= len(data) else 0
        length = len(fragment) + 2
        head = _PDU_HEAD.pack(_P_DATA_TF, length + 4, length, context_id, control | last)
        pieces += [head, fragment]
    return pieces


def send_pieces(association: Association, pieces: list[Bytes]) -> bool:
    """Send messages, or part of one; as `send`.

    In steps: there is a limit to what one system call takes, and small PDUs are many.
    """
    reactor = upper_layer_of(association)
    if len(pieces) <= _MAX_PIECES:
        return reactor.send_data(pieces)
    return all(
        reactor.send_data(pieces[start : start + _MAX_PIECES])
        for start in range(0, len(pieces), _MAX_PIECES)
    )
