"""A client that costs next to nothing: its PDUs are made before (PS3.8 9.3), one context each."""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lib.bench_clients import ClientError, timed
from lib.bench_peers import PDU_BYTES
from lib.bench_servers import Server
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

from storage.dicom import part10

_ASSOCIATE_AC, _P_DATA, _RELEASE_RP = 0x02, 0x04, 0x06
_RELEASE_RQ = struct.pack(">BxII", 0x05, 4, 0)
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_CONTEXT_ID = 1
_IS_COMMAND, _IS_LAST = 1, 2  # bits of a PDV's message control header (PS3.8 E.2)
_STATUS = struct.pack("<HHI", 0x0000, 0x0900, 2)
_PENDING = struct.pack("<H", 0xFF00), struct.pack("<H", 0xFF01)
_STUDY_ROOT_FIND, _IMPLICIT = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.2"
_LIMIT_SECONDS = 60


@dataclass(frozen=True)
class _Messages:
    """What is sent over one association."""

    associate: bytes
    request: bytes


def store_by_association(server: Server, files: Sequence[Path]) -> float:
    """Seconds to send files, each over an association of its own, one after the other.

    Raises ClientError where one was not answered by Success.
    """
    prepared = [_messages(server.title, file) for file in files]
    with timed() as seconds:
        for messages in prepared:
            _exchange(server, messages)
    return sum(seconds)


def find_by_association(server: Server, study: str) -> float:
    """Seconds to ask for a study, from the connection to the end of the release.

    Raises ClientError unless there was one answer.
    """
    associate = _associate(server.title, _STUDY_ROOT_FIND, _IMPLICIT)
    pdvs = _pdv(_find_command(), _IS_COMMAND | _IS_LAST) + _pdv(_identifier(study), _IS_LAST)
    messages = _Messages(associate, _pdu(_P_DATA, pdvs))
    with timed() as seconds:
        answers = _exchange_until(server, messages, _STATUS + bytes(2))
    if sum(answers.count(_STATUS + pending) for pending in _PENDING) != 1:
        raise ClientError(f"association with {server.name}: C-FIND not answered by one study")
    return sum(seconds)


def _exchange(server: Server, messages: _Messages) -> None:
    """Association, C-STORE, release."""
    response = _exchange_until(server, messages, b"")
    if _STATUS + bytes(2) not in response:
        raise ClientError(f"association with {server.name}: C-STORE not answered by Success")


def _exchange_until(server: Server, messages: _Messages, last: bytes) -> bytes:
    """Association, a request, its responses up to one in which `last` is, release."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), _LIMIT_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as answers:
                connection.sendall(messages.associate)
                _receive(answers, server, _ASSOCIATE_AC)
                connection.sendall(messages.request)
                response = _receive(answers, server, _P_DATA)
                while last not in response:
                    response += _receive(answers, server, _P_DATA)
                connection.sendall(_RELEASE_RQ)
                _receive(answers, server, _RELEASE_RP)
    except OSError as error:
        raise ClientError(f"association with {server.name}: {error}") from error
    return response


def _receive(answers: BinaryIO, server: Server, kind: int) -> bytes:
    """The body of the next PDU, which must be of that kind."""
    head = answers.read(6)
    if len(head) < 6 or head[0] != kind:
        came = f"a PDU of type {head[0]:02X}" if head else "its end"
        raise ClientError(f"association with {server.name}: {came} instead of type {kind:02X}")
    (length,) = struct.unpack(">2xI", head)
    return answers.read(length)


def _messages(title: str, path: Path) -> _Messages:
    with path.open("rb") as file:
        meta = part10.read(file)
        data_set = file.read()
    associate = _associate(title, meta.sop_class_uid, meta.transfer_syntax_uid)
    command = _command(meta.sop_class_uid, meta.sop_instance_uid)
    pdvs = _pdv(command, _IS_COMMAND | _IS_LAST) + _pdv(data_set, _IS_LAST)
    return _Messages(associate, _pdu(_P_DATA, pdvs))


def _associate(title: str, sop_class: str, transfer_syntax: str) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    syntaxes = _item(0x30, sop_class.encode()) + _item(0x40, transfer_syntax.encode())
    user = _item(0x51, struct.pack(">I", PDU_BYTES))
    user += _item(0x52, PYDICOM_IMPLEMENTATION_UID.encode())
    body = struct.pack(">H2x16s16s32x", 1, title.ljust(16).encode(), b"BENCHSCU".ljust(16))
    body += _item(0x10, _APPLICATION_CONTEXT.encode())
    body += _item(0x20, struct.pack(">B3x", _CONTEXT_ID) + syntaxes)
    return _pdu(0x01, body + _item(0x50, user))


def _command(sop_class: str, sop_instance: str) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7 9.3.1.1)."""
    store, message_id, medium, has_data = (struct.pack("<H", n) for n in (1, 1, 0, 1))
    elements = (
        (0x0002, _even(sop_class)), (0x0100, store), (0x0110, message_id), (0x0700, medium),
        (0x0800, has_data), (0x1000, _even(sop_instance)),
    )  # fmt: skip
    return _group_0000(elements)


def _find_command() -> bytes:
    """The command set of a C-FIND-RQ (PS3.7 9.3.2.1)."""
    find, message_id, medium, has_data = (struct.pack("<H", n) for n in (0x20, 1, 0, 1))
    elements = (
        (0x0002, _even(_STUDY_ROOT_FIND)), (0x0100, find), (0x0110, message_id),
        (0x0700, medium), (0x0800, has_data),
    )  # fmt: skip
    return _group_0000(elements)


def _identifier(study: str) -> bytes:
    """For a study by its UID, with what findscu asks for, in Implicit VR Little Endian."""
    elements = (
        (0x0008, 0x0020, b""), (0x0008, 0x0030, b""), (0x0008, 0x0050, b""),
        (0x0008, 0x0052, b"STUDY "), (0x0010, 0x0010, b""), (0x0010, 0x0020, b""),
        (0x0020, 0x000D, _even(study)),
    )  # fmt: skip
    return b"".join(struct.pack("<HHI", *tag, len(value)) + value for *tag, value in elements)


def _group_0000(elements: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _even(uid: str) -> bytes:
    return uid.encode() + bytes(len(uid) % 2)


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _pdv(fragment: bytes, control: int) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, _CONTEXT_ID, control) + fragment


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body
