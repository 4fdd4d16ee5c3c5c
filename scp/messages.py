"""Messages of hot services as prepared bytes, handed to the upper layer without a detour."""

import struct
import time
from collections.abc import Iterator

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import P_DATA

from storage.values import element

_COMMAND_GROUP_LENGTH = 0x00000000
_AFFECTED_SOP_CLASS_UID = 0x00000002
_COMMAND_FIELD = 0x00000100
_MESSAGE_ID_BEING_RESPONDED_TO = 0x00000120
_COMMAND_DATA_SET_TYPE = 0x00000800
_STATUS = 0x00000900
_C_FIND_RSP = 0x8020
_WITH_DATA_SET = 0x0001

# Message control header (PS3.8 E.2): bit 0 a command, bit 1 the last fragment.
_COMMAND, _LAST = 1, 2
# PDV length and context ID, and the control header that counts as data (PS3.8 9.3.5).
_PDV_OVERHEAD = 6
# More PDUs than this wait to be sent: the peer reads slowly, and memory is not for that.
_MAX_WAITING, _WAIT_SECONDS = 256, 0.001


def find_pending(sop_class_uid: str, message_id: int, status: int) -> bytes:
    """The command set of a C-FIND-RSP with an Identifier (PS3.7 9.3.2.2)."""
    uid = sop_class_uid.encode("ascii")
    return _command_set(
        (_AFFECTED_SOP_CLASS_UID, uid + b"\0" * (len(uid) % 2)),
        (_COMMAND_FIELD, _us(_C_FIND_RSP)),
        (_MESSAGE_ID_BEING_RESPONDED_TO, _us(message_id)),
        (_COMMAND_DATA_SET_TYPE, _us(_WITH_DATA_SET)),
        (_STATUS, _us(status)),
    )


def send(association: Association, context_id: int, command: bytes, data: bytes) -> None:
    """Queue a message; waits while too much is queued before it."""
    limit = association.dimse.maximum_pdu_size
    for kind, content in ((_COMMAND, command), (0, data)):
        for header, fragment in _fragments(kind, content, limit):
            primitive = P_DATA()
            primitive.presentation_data_value_list.append((context_id, header + fragment))
            association.dul.send_pdu(primitive)
    while association.dul.to_provider_queue.qsize() > _MAX_WAITING and association.dul.is_alive():
        time.sleep(_WAIT_SECONDS)


def _fragments(kind: int, content: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
    size = max(limit - _PDV_OVERHEAD, 1) if limit else len(content)
    for start in range(0, len(content), size):
        last = _LAST if start + size >= len(content) else 0
        yield bytes((kind | last,)), content[start : start + size]


def _command_set(*held: tuple[int, bytes]) -> bytes:
    # Always Implicit VR Little Endian (PS3.7 6.3.1).
    body = b"".join(element(tag, "", value, implicit_vr=True) for tag, value in held)
    return element(_COMMAND_GROUP_LENGTH, "", struct.pack("<I", len(body)), implicit_vr=True) + body


def _us(number: int) -> bytes:
    return struct.pack("<H", number)
