"""Command sets: the fixed part of every DIMSE message (PS3.7 6.3, 9.3, 10.3, annex E)."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from scp.network.upper_layer import MessageError
from storage.dicom.values import element, uid_bytes

_HEAD = struct.Struct("<HHI")
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
    0x0110: ("message_id", "US"),
    0x0120: ("responds_to", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    0x0900: ("status", "US"),
    0x0901: ("offending", "AT"),
    0x0902: ("comment", "LO"),
    0x1000: ("sop_instance", "UI"),
    0x1001: ("sop_instance", "UI"),
    0x1002: ("event_type", "US"),
    0x1008: ("action_type", "US"),
    0x1020: ("remaining", "US"),
    0x1021: ("completed", "US"),
    0x1022: ("failed", "US"),
    0x1023: ("warning", "US"),
    0x1030: ("originator", "AE"),
    0x1031: ("originator_message_id", "US"),
}
_COMMAND_GROUP_LENGTH, _COMMAND_FIELD, _COMMAND_DATA_SET_TYPE = 0x0000, 0x0100, 0x0800
# Their SOP class and instance are requested, not affected: they name what exists (PS3.7 10.3).
_WITH_REQUESTED = frozenset({Field.N_GET_RQ, Field.N_SET_RQ, Field.N_ACTION_RQ, Field.N_DELETE_RQ})


def decode(data: bytes | bytearray) -> Command:
    """Read a command set; it is always in Implicit VR Little Endian (PS3.7 6.3.1).

    Raises CommandError.
    """
    values: dict[str, Any] = {}
    field, data_set_type, position = None, None, 0
    while position < len(data):
        if len(data) - position < _HEAD.size:
            raise CommandError("the command set is cut short")
        group, number, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        value = bytes(data[position : position + length])
        if group != 0x0000 or len(value) != length:
            raise CommandError("the command set is damaged")
        position += length
        if number == _COMMAND_FIELD:
            field = _number(value)
        elif number == _COMMAND_DATA_SET_TYPE:
            data_set_type = _number(value)
        elif number in _ELEMENTS and value:
            name, vr = _ELEMENTS[number]
            values[name] = _READ[vr](value)
    if field not in _FIELDS or data_set_type is None:
        raise CommandError(f"no known command: field {field}, data set {data_set_type}")
    has_data_set = data_set_type != _NO_DATA_SET
    return Command(Field(field), has_data_set=has_data_set, **values)


def encode(command: Command) -> bytes:
    """Write a command set."""
    parts = []
    for tag, name, vr in _LAYOUTS[command.field in _WITH_REQUESTED]:
        if tag == _COMMAND_FIELD:
            value: Any = int(command.field)
        elif tag == _COMMAND_DATA_SET_TYPE:
            value = 0x0001 if command.has_data_set else _NO_DATA_SET
        else:
            value = getattr(command, name)
            if value is None or value == "" or value == ():
                continue
        parts.append(element(tag, "", _WRITE[vr](value), implicit_vr=True))
    body = b"".join(parts)
    length = struct.pack("<I", len(body))
    return element(_COMMAND_GROUP_LENGTH, "", length, implicit_vr=True) + body


_FIELDS = frozenset(Field)
# The elements to write, of messages with an affected and with a requested SOP class.
_LAYOUTS = [
    [
        (tag, *_ELEMENTS.get(tag, ("", "US")))
        for tag in sorted({*_ELEMENTS, _COMMAND_FIELD, _COMMAND_DATA_SET_TYPE} - left_out)
    ]
    for left_out in ({0x0003, 0x1001}, {0x0002, 0x1000})
]


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


_READ = {"US": _number, "UI": _text, "AE": _text, "LO": _words, "AT": _tags}
_WRITE = {
    "US": _US.pack,
    "UI": uid_bytes,
    "AE": _title_bytes,
    "LO": _title_bytes,
    "AT": lambda tags: b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags),
}
