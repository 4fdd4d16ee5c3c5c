"""What goes over a connection, as bytes: PDUs, messages and command sets, right or wrong."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from support.network.raw import im

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07
COMMAND, LAST = 1, 2  # of a message control header (PS3.8 E.2)
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
NO_DATA_SET = 0x0101
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001

# (context ID, abstract syntax, transfer syntaxes)
Proposal = tuple[int, str, Sequence[str]]


# ---- PDUs


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """A PDU; `length` where it should say another than it has."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """An item of an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    return struct.pack(">BxH", kind, min(len(body), 0xFFFF) if length is None else length) + body


RELEASE = pdu(RELEASE_RQ, bytes(4))
RELEASED = pdu(RELEASE_RP, bytes(4))
ABORTED = pdu(ABORT, bytes(4))


def user_information(*extra: bytes) -> bytes:
    """The user information item, with a maximum length and an implementation's names."""
    own = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + item(0x55, b"BYTES")
    return item(0x50, own + b"".join(extra))


def context_item(number: int, abstract: str, syntaxes: Sequence[str]) -> bytes:
    """A proposed presentation context."""
    names = b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
    return item(0x20, struct.pack(">B3x", number) + item(0x30, abstract.encode()) + names)


def association_request(
    proposals: Iterable[Proposal],
    *extra: bytes,
    called: str = "MINIPACS",
    calling: str = "BYTES",
) -> bytes:
    """An A-ASSOCIATE-RQ; `extra` are further items of the user information."""
    items = [item(0x10, APPLICATION_CONTEXT), *(context_item(*one) for one in proposals)]
    return request_of([*items, user_information(*extra)], called, calling)


def request_of(items: Iterable[bytes], called: str = "MINIPACS", calling: str = "BYTES") -> bytes:
    """An A-ASSOCIATE-RQ of items as they are."""
    titles = (called.encode().ljust(16)[:16], calling.encode().ljust(16)[:16])
    return pdu(ASSOCIATE_RQ, struct.pack(">HH16s16s32x", 1, 0, *titles) + b"".join(items))


def role_item(sop_class: str, scu: int, scp: int) -> bytes:
    """A role selection (PS3.7 D.3.3.4)."""
    uid = sop_class.encode()
    return item(0x54, struct.pack(">H", len(uid)) + uid + bytes((scu, scp)))


def value(context: int, control: int, fragment: bytes, length: int | None = None) -> bytes:
    """A presentation data value (PS3.8 9.3.5)."""
    size = len(fragment) + 2 if length is None else length
    return struct.pack(">IBB", size, context, control) + fragment


def message(context: int, command: bytes, data: bytes | None = None, size: int = 16378) -> bytes:
    """A message, its data set in fragments of `size` bytes, each in a PDU of its own."""
    parts = [pdu(P_DATA, value(context, COMMAND | LAST, command))]
    if data is not None:
        for start in range(0, max(len(data), 1), size):
            last = LAST if start + size >= len(data) else 0
            parts.append(pdu(P_DATA, value(context, last, data[start : start + size])))
    return b"".join(parts)


def split(stream: bytes) -> list[bytes]:
    """The PDUs of a stream; what is no whole PDU at its end is the last."""
    found, start = [], 0
    while len(stream) - start >= 6:
        end = start + 6 + struct.unpack_from(">I", stream, start + 2)[0]
        found.append(stream[start:end])
        start = end
    return [*found, stream[start:]] if start < len(stream) else found


# ---- command sets

Elements = list[tuple[int, bytes]]


def us(number: int) -> bytes:
    """A value of one US."""
    return struct.pack("<H", number & 0xFFFF)


def uid(text: str) -> bytes:
    """A value of VR UI."""
    return text.encode("latin-1") + b"\0" * (len(text) % 2)


def command_set(elements: Elements, group_length: int | None = None) -> bytes:
    """A command set, with its group length or another."""
    body = b"".join(im(tag, held) for tag, held in elements)
    length = len(body) if group_length is None else group_length
    return im(0x00000000, struct.pack("<I", length)) + body


def request(field: int, sop_class: str, has_data: bool, *more: tuple[int, bytes]) -> Elements:
    """The elements of a request with message ID 1; of an N-ACTION with the requested class."""
    elements = [
        (0x00000003 if field == 0x0130 else 0x00000002, uid(sop_class)),
        (0x00000100, us(field)),
        (0x00000110, us(1)),
        (0x00000800, us(0x0001 if has_data else NO_DATA_SET)),
        *more,
    ]
    return sorted(elements)


def elements_of(command: bytes) -> Elements | None:
    """The elements of a command set, without the group length; None where it is none."""
    found, position = [], 0
    while position < len(command):
        if len(command) - position < 8:
            return None
        group, number, length = struct.unpack_from("<HHI", command, position)
        position += 8
        if group or position + length > len(command):
            return None
        if number:
            found.append((number, command[position : position + length]))
        position += length
    return found


@dataclass(frozen=True)
class Held:
    """A message: its context ID, the elements of its command, and its data set."""

    context: int
    elements: Elements
    data: bytes | None

    def number(self, tag: int) -> int | None:
        """The value of a US, the last where there are several."""
        values = [held for there, held in self.elements if there == tag and len(held) == 2]
        return int(struct.unpack("<H", values[-1])[0]) if values else None

    def text(self, tag: int) -> str:
        """The value of a UID."""
        values = [held for there, held in self.elements if there == tag]
        return values[-1].decode("latin-1").strip(" \0") if values else ""


def messages(pdus: Iterable[bytes]) -> Iterator[Held]:
    """The messages in P-DATA-TF PDUs, up to the first fragment that belongs to none."""
    command, data, open_command = b"", b"", None
    for one in pdus:
        body = one[6:]
        while one[:1] == bytes([P_DATA]) and len(body) >= 6:
            length, context, control = struct.unpack_from(">IBB", body)
            fragment, body = body[6 : 4 + length], body[4 + length :]
            if control & COMMAND:
                command += fragment
                if not control & LAST:
                    continue
                elements, command = elements_of(command), b""
                if elements is None:
                    return
                open_command = Held(context, elements, None)
                if open_command.number(0x0800) == NO_DATA_SET:
                    yield open_command
            elif open_command is None:
                return
            else:
                data += fragment
                if control & LAST:
                    yield Held(open_command.context, open_command.elements, data)
                    data, open_command = b"", None
