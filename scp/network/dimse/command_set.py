"""Command sets: the fixed part of every DIMSE message (PS3.7 6.3, 9.3, 10.3, annex E)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

from scp.network.upper_layer import MessageError
from storage.dicom.values import kept, uid_bytes

_HEAD = struct.Struct("<HHI")
_GROUP_LENGTH = struct.Struct("<HHII")
_US = struct.Struct("<H")
_NO_DATA_SET = 0x0101
# No UID or title is longer (PS3.5 6.2); log and answers repeat them.
_MAX_CHARACTERS = 1024


class CommandError(MessageError):
    """Bytes that are no command set, or no message; says why."""


class Field(IntEnum):
    """Command Field (0000,0100), PS3.7 table E.1-1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self & 0x8000)

    @property
    def service(self) -> str:
        """The service's name in PS3.7."""
        return self.name.rsplit("_", 1)[0].replace("_", "-")


@dataclass(slots=True)
class Command:
    """A command set. What is left out is None, or an empty text; UIDs and titles are stripped.

    `sop_class` and `sop_instance` are the affected or the requested ones: no message has both.
    """

    field: Field
    message_id: int | None = None
    responds_to: int | None = None
    sop_class: str = ""
    sop_instance: str = ""
    has_data_set: bool = False
    status: int | None = None
    offending: tuple[int, ...] = ()
    comment: str = ""
    priority: int | None = None
    move_destination: str = ""
    originator: str = ""
    originator_message_id: int | None = None
    event_type: int | None = None
    action_type: int | None = None
    error_id: int | None = None
    attributes: tuple[int, ...] = ()
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None

    @property
    def is_request(self) -> bool:
        """Whether it has what every request has, so that it can be answered."""
        named = bool(self.sop_class) and self.message_id is not None
        return named and self.responds_to is None and not self.field.is_response


# Tag (0000,xxxx) -> the attribute of Command and the VR, in the order of their encoding.
_ELEMENTS: dict[int, tuple[str, str]] = {
    0x0002: ("sop_class", "UI"),
    0x0003: ("sop_class", "UI"),
    0x0100: ("field", "US"),
    0x0110: ("message_id", "US"),
    0x0120: ("responds_to", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    0x0800: ("has_data_set", "data set type"),
    0x0900: ("status", "US"),
    0x0901: ("offending", "AT"),
    0x0902: ("comment", "LO"),
    0x0903: ("error_id", "US"),
    0x1000: ("sop_instance", "UI"),
    0x1001: ("sop_instance", "UI"),
    0x1002: ("event_type", "US"),
    0x1005: ("attributes", "AT"),
    0x1008: ("action_type", "US"),
    0x1020: ("remaining", "US"),
    0x1021: ("completed", "US"),
    0x1022: ("failed", "US"),
    0x1023: ("warning", "US"),
    0x1030: ("originator", "AE"),
    0x1031: ("originator_message_id", "US"),
}
# Their SOP class and instance are requested, not affected: they name what exists (PS3.7 10.3).
_WITH_REQUESTED = frozenset({Field.N_GET_RQ, Field.N_SET_RQ, Field.N_ACTION_RQ, Field.N_DELETE_RQ})


def decode(data: bytes | bytearray) -> Command:
    """Read a command set; it is always in Implicit VR Little Endian (PS3.7 6.3.1).

    Raises CommandError.
    """
    values: dict[str, Any] = {}
    whole, position, end = bytes(data), 0, len(data)
    while position < end:
        if end - position < _HEAD.size:
            raise CommandError("the command set is cut short")
        group, number, length = _HEAD.unpack_from(whole, position)
        position += _HEAD.size
        value = whole[position : position + length]
        if group != 0x0000 or len(value) != length:
            raise CommandError("the command set is damaged")
        position += length
        if number in _READERS and (value or number in _NEVER_EMPTY):
            name, read = _READERS[number]
            values[name] = read(value)
    field, data_set_type = values.pop("field", None), values.pop("has_data_set", None)
    if field not in _FIELDS or data_set_type is None:
        raise CommandError(f"no known command: field {field}, data set {data_set_type}")
    return Command(_FIELDS[field], has_data_set=data_set_type != _NO_DATA_SET, **values)


def encode(command: Command) -> bytes:
    """Write a command set."""
    values_of, layout = _LAYOUTS[command.field in _WITH_REQUESTED]
    parts = []
    for value, (tag, write) in zip(values_of(command), layout, strict=True):
        if value or value == 0:  # not None, and no empty text
            encoded = write(value)
            parts.append(_HEAD.pack(0x0000, tag, len(encoded)) + encoded)
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0x0000, 0x0000, 4, len(body)) + body


def encode_plain_response(field: int, request: Command, status: int) -> bytes:
    """The command set of a response with an affected SOP class and a status, and no more.

    As `encode` has it: most of these is the same for all instances of a SOP class.
    """
    uid = uid_bytes(request.sop_instance)
    head = _response_head(request.sop_class, field)
    body = head + _RESPONSE.pack(*_RESPONDS_TO, request.message_id, *_DATA_SET_TYPE, status)
    if uid:
        body += _HEAD.pack(0x0000, 0x1000, len(uid)) + uid
    return _GROUP_LENGTH.pack(0x0000, 0x0000, 4, len(body)) + body


# Message ID Being Responded To, Command Data Set Type, Status.
_RESPONSE = struct.Struct("<HHIH HHIH HHIH".replace(" ", ""))
_RESPONDS_TO = 0x0000, 0x0120, 2
_DATA_SET_TYPE = 0x0000, 0x0800, 2, _NO_DATA_SET, 0x0000, 0x0900, 2


@kept(256)
def _response_head(sop_class: str, field: int) -> bytes:
    """Affected SOP Class UID and Command Field."""
    uid = uid_bytes(sop_class)
    head = _HEAD.pack(0x0000, 0x0002, len(uid)) + uid if uid else b""
    return head + _HEAD.pack(0x0000, 0x0100, 2) + _US.pack(field)


def _number(value: bytes) -> int:
    if len(value) != _US.size:
        raise CommandError(f"a number of {len(value)} bytes")
    return int(_US.unpack(value)[0])


def _text(value: bytes) -> str:
    text = value.decode("latin-1").strip(" \0")
    if len(text) > _MAX_CHARACTERS:
        raise CommandError(f"a UID or title of {len(text)} characters")
    return text


def _words(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")[:_MAX_CHARACTERS]


def _tags(value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise CommandError(f"tags of {len(value)} bytes")
    return tuple(group << 16 | number for group, number in struct.iter_unpack("<HH", value))


def _title_bytes(text: str) -> bytes:
    value = text.encode("ascii", "replace")
    return value + b" " * (len(value) % 2)


_READ: dict[str, Callable[[bytes], Any]] = {
    "US": _number, "UI": _text, "AE": _text, "LO": _words, "AT": _tags, "data set type": _number,
}  # fmt: skip
_WRITE: dict[str, Callable[[Any], bytes]] = {
    "US": _US.pack,
    "UI": uid_bytes,
    "AE": _title_bytes,
    "LO": _title_bytes,
    "AT": lambda tags: b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags),
    "data set type": lambda has_one: _US.pack(0x0001 if has_one else _NO_DATA_SET),
}
_FIELDS = {int(field): field for field in Field}
_READERS = {tag: (name, _READ[vr]) for tag, (name, vr) in _ELEMENTS.items()}
# Their length is held to their VR in any case, that of others where there is a value.
_NEVER_EMPTY = frozenset({0x0100, 0x0800})


def _layout(
    left_out: set[int],
) -> tuple[Callable[[Command], tuple[Any, ...]], list[tuple[int, Callable[[Any], bytes]]]]:
    """The values of the elements that are written, and of each its tag and what encodes it."""
    rows = [(tag, *_ELEMENTS[tag]) for tag in sorted(_ELEMENTS.keys() - left_out)]
    return attrgetter(*(name for _, name, _ in rows)), [(tag, _WRITE[vr]) for tag, _, vr in rows]


# Of messages with an affected and with a requested SOP class.
_LAYOUTS = [_layout({0x0003, 0x1001}), _layout({0x0002, 0x1000})]
