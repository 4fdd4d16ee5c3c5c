"""Messages of hot services as prepared bytes, handed to the upper layer without a detour."""

import struct
import time
from io import BytesIO
from typing import BinaryIO

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import P_DATA

from storage.values import element, uid_bytes

_COMMAND_GROUP_LENGTH = 0x00000000
_AFFECTED_SOP_CLASS_UID = 0x00000002
_COMMAND_FIELD = 0x00000100
_MESSAGE_ID = 0x00000110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x00000120
_PRIORITY = 0x00000700
_COMMAND_DATA_SET_TYPE = 0x00000800
_STATUS = 0x00000900
_AFFECTED_SOP_INSTANCE_UID = 0x00001000
_MOVE_ORIGINATOR_AE_TITLE = 0x00001030
_MOVE_ORIGINATOR_MESSAGE_ID = 0x00001031
_C_STORE_RQ = 0x0001
_C_FIND_RSP = 0x8020
_WITH_DATA_SET = 0x0001

# Message control header (PS3.8 E.2): bit 0 a command, bit 1 the last fragment.
_COMMAND, _LAST = 1, 2
# PDV length and context ID, and the control header that counts as data (PS3.8 9.3.5).
_PDV_OVERHEAD = 6
_FRAGMENT_BYTES = 256 * 1024
# Where more than this waits to be sent the peer reads slowly, and memory is not for that.
_WAITING_BYTES, _WAITING_PDUS = 4 * 1024 * 1024, 8
_WAIT_SECONDS = 0.001


def find_pending(sop_class_uid: str, message_id: int, status: int) -> bytes:
    """The command set of a C-FIND-RSP with an Identifier (PS3.7 9.3.2.2)."""
    return _command_set(
        (_AFFECTED_SOP_CLASS_UID, uid_bytes(sop_class_uid)),
        (_COMMAND_FIELD, _us(_C_FIND_RSP)),
        (_MESSAGE_ID_BEING_RESPONDED_TO, _us(message_id)),
        (_COMMAND_DATA_SET_TYPE, _us(_WITH_DATA_SET)),
        (_STATUS, _us(status)),
    )


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
    held = [
        (_AFFECTED_SOP_CLASS_UID, uid_bytes(sop_class_uid)),
        (_COMMAND_FIELD, _us(_C_STORE_RQ)),
        (_MESSAGE_ID, _us(message_id)),
        (_PRIORITY, _us(priority)),
        (_COMMAND_DATA_SET_TYPE, _us(_WITH_DATA_SET)),
        (_AFFECTED_SOP_INSTANCE_UID, uid_bytes(sop_instance_uid)),
    ]
    if originator:
        title = originator[0].encode("ascii", "replace")
        held.append((_MOVE_ORIGINATOR_AE_TITLE, title + b" " * (len(title) % 2)))
        held.append((_MOVE_ORIGINATOR_MESSAGE_ID, _us(originator[1])))
    return _command_set(*held)


def send(association: Association, context_id: int, command: bytes, data: bytes) -> bool:
    """Queue a message; waits while too much is queued before it. False: the peer is gone."""
    return send_from(association, context_id, command, BytesIO(data), None)


def send_from(
    association: Association,
    context_id: int,
    command: bytes,
    source: BinaryIO,
    timeout: float | None,
) -> bool:
    """Queue a message whose data set is read from `source`, as fast as the peer takes it.

    False where the peer is gone, or has taken nothing for `timeout` seconds.
    """
    limit = association.dimse.maximum_pdu_size
    size = min(limit - _PDV_OVERHEAD, _FRAGMENT_BYTES) if limit else _FRAGMENT_BYTES
    size = max(size, 1)
    for start in range(0, len(command), size):
        last = _LAST if start + size >= len(command) else 0
        _queue(association, context_id, _COMMAND | last, command[start : start + size])
    most = max(_WAITING_BYTES // size, _WAITING_PDUS)
    fragment = source.read(size)
    while True:
        following = source.read(size) if len(fragment) == size else b""
        _queue(association, context_id, 0 if following else _LAST, fragment)
        if not _wait_for_room(association, most, timeout):
            return False
        if not following:
            return True
        fragment = following


def _queue(association: Association, context_id: int, header: int, fragment: bytes) -> None:
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((context_id, bytes((header,)) + fragment))
    association.dul.send_pdu(primitive)


def _wait_for_room(association: Association, most: int, timeout: float | None) -> bool:
    waiting = association.dul.to_provider_queue
    held, since = waiting.qsize(), time.monotonic()
    while held > most:
        if association.acse.is_aborted() or not association.dul.is_alive():
            return False
        time.sleep(_WAIT_SECONDS)
        now = waiting.qsize()
        if now < held:
            held, since = now, time.monotonic()
        elif timeout is not None and time.monotonic() - since > timeout:
            return False
    return True


def _command_set(*held: tuple[int, bytes]) -> bytes:
    # Always Implicit VR Little Endian (PS3.7 6.3.1).
    body = b"".join(element(tag, "", value, implicit_vr=True) for tag, value in held)
    return element(_COMMAND_GROUP_LENGTH, "", struct.pack("<I", len(body)), implicit_vr=True) + body


def _us(number: int) -> bytes:
    return struct.pack("<H", number)
