"""Command sets and messages: read and written as pynetdicom does; what is none is refused."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from io import BytesIO
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pynetdicom import dimse_messages
from pynetdicom.dimse_primitives import (
    C_CANCEL,
    C_ECHO,
    C_FIND,
    C_GET,
    C_MOVE,
    C_STORE,
    N_ACTION,
    N_CREATE,
    N_DELETE,
    N_EVENT_REPORT,
    N_GET,
    N_SET,
)
from support import CT, ECHO, FIND, GET, MOVE
from support.names import examples
from support.network.raw import im

from scp.network.dimse import reader, writer
from scp.network.dimse.command_set import Command, CommandError, Field, decode, encode
from scp.network.dimse.reader import COMMAND, LAST, Message, NodeDIMSE

COMMIT, COMMIT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
STUDY = FIND["STUDY"]


def us(tag: int, number: int) -> bytes:
    """An element of one number."""
    return im(tag, struct.pack("<H", number))


# ---- command sets

COMMANDS = [
    Command(Field.C_STORE_RQ, 1, sop_class=CT, sop_instance="1.2.3", has_data_set=True, priority=2,
            originator="PACS ONE", originator_message_id=7),
    Command(Field.C_STORE_RSP, None, 1, CT, "1.2.3", status=0xA900, offending=(0x00080018,),
            comment="No SOP Class UID in the data set"),
    Command(Field.C_GET_RQ, 65535, sop_class=GET["STUDY"], has_data_set=True, priority=0),
    Command(Field.C_GET_RSP, None, 65535, GET["STUDY"], status=0xFF00, remaining=3, completed=2,
            failed=1, warning=0),
    Command(Field.C_FIND_RQ, 0, sop_class=STUDY, has_data_set=True, priority=1),
    Command(Field.C_FIND_RSP, None, 0, STUDY, status=0xFF00, has_data_set=True),
    Command(Field.C_MOVE_RQ, 9, sop_class=MOVE["STUDY"], has_data_set=True, priority=2,
            move_destination="WORKSTATION"),
    Command(Field.C_MOVE_RSP, None, 9, MOVE["STUDY"], status=0xB000, has_data_set=True,
            remaining=0, completed=65535, failed=2, warning=1),
    Command(Field.C_ECHO_RQ, 1, sop_class=ECHO),
    Command(Field.C_ECHO_RSP, None, 1, ECHO, status=0),
    Command(Field.N_EVENT_REPORT_RQ, 4, sop_class=COMMIT, sop_instance=COMMIT_INSTANCE,
            has_data_set=True, event_type=2),
    Command(Field.N_EVENT_REPORT_RSP, None, 4, COMMIT, COMMIT_INSTANCE, status=0, event_type=2),
    Command(Field.N_GET_RQ, 5, sop_class="1.2", sop_instance="1.2.3"),
    Command(Field.N_GET_RQ, 5, sop_class="1.2", sop_instance="1.2.3",
            attributes=(0x00400252, 0x00400241)),
    Command(Field.N_GET_RSP, None, 5, "1.2", "1.2.3", has_data_set=True, status=0),
    Command(Field.N_SET_RQ, 6, sop_class="1.2", sop_instance="1.2.3", has_data_set=True),
    Command(Field.N_SET_RSP, None, 6, "1.2", "1.2.3", status=0x0106),
    Command(Field.N_ACTION_RQ, 7, sop_class=COMMIT, sop_instance=COMMIT_INSTANCE,
            has_data_set=True, action_type=1),
    Command(Field.N_ACTION_RSP, None, 7, COMMIT, COMMIT_INSTANCE, status=0x0110, comment="odd",
            action_type=1),
    Command(Field.N_CREATE_RQ, 8, sop_class="1.2", sop_instance="1.2.3", has_data_set=True),
    Command(Field.N_CREATE_RSP, None, 8, "1.2", "1.2.3", status=0),
    Command(Field.N_DELETE_RQ, 9, sop_class="1.2", sop_instance="1.2.3"),
    Command(Field.N_DELETE_RSP, None, 9, "1.2", "1.2.3", status=0x0112,
            offending=(0x00080016, 0x00080018)),
    Command(Field.C_CANCEL_RQ, None, 9),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=[command.field.name for command in COMMANDS])
def test_a_command_set_comes_back_as_it_went(command: Command) -> None:
    data = encode(command)
    assert decode(data) == command
    assert decode(bytearray(data)) == command
    # Its group length, and then its elements in ascending order (PS3.7 6.3.1, 9.3).
    assert data[:12] == im(0x00000000, struct.pack("<I", len(data) - 12))
    assert tags_of(data) == sorted(set(tags_of(data)))


def tags_of(data: bytes) -> list[int]:
    """The tags of a command set, as they lie there."""
    tags, position = [], 0
    while position < len(data):
        group, number, length = struct.unpack_from("<HHI", data, position)
        tags.append(group << 16 | number)
        position += 8 + length
    return tags


def test_every_command_field_is_in_the_table() -> None:
    assert {command.field for command in COMMANDS} == set(Field)


def test_requests_are_told_from_responses() -> None:
    """By what each needs to be answered: a cancel is not answered."""
    for command in COMMANDS:
        is_request = command.field.name.endswith("_RQ") and command.field is not Field.C_CANCEL_RQ
        assert command.is_request is is_request
        assert command.field.is_response is command.field.name.endswith("_RSP")
    assert Field.C_STORE_RSP.service == "C-STORE"
    assert Field.N_EVENT_REPORT_RQ.service == "N-EVENT-REPORT"
    assert not Command(Field.C_ECHO_RQ, 1).is_request
    assert not Command(Field.C_ECHO_RQ, sop_class=ECHO).is_request
    assert not Command(Field.C_ECHO_RQ, 1, 1, ECHO).is_request


@pytest.mark.parametrize(("value", "text"), [
    (b"WORKSTATION ", "WORKSTATION"),
    (b"  WORK STATION  ", "WORK STATION"),
    (b"WORKSTATION\0", "WORKSTATION"),
    (b"", ""),
    (b"    ", ""),
    (b"\xff", "\xff"),
])  # fmt: skip
def test_a_title_is_read_without_its_padding(value: bytes, text: str) -> None:
    data = us(0x0100, 0x0021) + im(0x0600, value) + us(0x0800, 1)
    assert decode(data).move_destination == text


def test_what_is_not_known_and_what_is_empty_is_passed_over() -> None:
    data = b"".join([
        im(0x0000, b"\1\0\0\0"),  # a length that is wrong
        im(0x0001, b"\1\0\0\0"),  # Length to End, of ACR-NEMA
        im(0x0002, b"1.2\0"), us(0x0100, 0x0001), im(0x0110, b""), us(0x0700, 2), us(0x0800, 0),
        im(0x0850, b"\2\0"), im(0x0901, b""), im(0x4000, b"?"), im(0x5020, b"x" * 500),
    ])  # fmt: skip
    assert decode(data) == Command(Field.C_STORE_RQ, sop_class="1.2", has_data_set=True, priority=2)


GOOD = us(0x0100, 0x0001) + us(0x0800, 1)
MALFORMED = {
    "nothing": b"",
    "cut in the header of an element": GOOD[:-7],
    "cut in a value": GOOD[:-1],
    "a byte too many": GOOD + b"\0",
    "another group": GOOD + im(0x00080018, b"1.2.3\0"),
    "another group alone": im(0x00080018, b"1.2.3\0"),
    "explicit VR": b"\0\0\0\1US\2\0\1\0\0\0\0\x08US\2\0\1\0",
    "big endian": struct.pack(">HHIHHHIH", 0, 0x0100, 2, 1, 0, 0x0800, 2, 1),
    "a length of 4 GiB": GOOD + im(0x0110, b"\1\0", 0xFFFFFFFF),
    "no Command Field": us(0x0800, 1),
    "no Command Data Set Type": us(0x0100, 0x0001),
    "an empty Command Field": im(0x0100, b"") + us(0x0800, 1),
    "an empty Command Data Set Type": us(0x0100, 0x0001) + im(0x0800, b""),
    "an unknown Command Field": us(0x0100, 0x7777) + us(0x0800, 1),
    "a Command Field of none": us(0x0100, 0x0000) + us(0x0800, 1),
    "two Command Fields in one": im(0x0100, b"\1\0\x20\0") + us(0x0800, 1),
    "a Message ID of one byte": GOOD + im(0x0110, b"\1"),
    "a Message ID of four bytes": GOOD + im(0x0110, bytes(4)),
    "half a tag": GOOD + im(0x0901, bytes(6)),
    "text": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_command_set_is_refused(what: str) -> None:
    with pytest.raises(CommandError) as refused:
        decode(MALFORMED[what])
    assert str(refused.value)


@settings(deadline=None, database=None, max_examples=examples(300))
@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_set_or_refused(data: bytes) -> None:
    with pytest.raises(CommandError):
        decode(data)  # one by chance is as good as impossible


NUMBERS = st.sampled_from([
    0x0000, 0x0002, 0x0003, 0x0100, 0x0110, 0x0120, 0x0600, 0x0700, 0x0800, 0x0900, 0x0901, 0x0902,
    0x1000, 0x1001, 0x1030, 0x1031, 0x4000,
])  # fmt: skip
VALUES = st.binary(max_size=9) | st.integers(0, 0xFFFF).map(lambda n: struct.pack("<H", n))


@settings(deadline=None, database=None, max_examples=examples(300))
@given(st.lists(st.tuples(NUMBERS, VALUES), max_size=8), st.integers(0, 300))
@example([(0x0901, b"\x08\0\x18\0")], 300)
def test_any_elements_are_a_command_set_or_refused(
    elements: list[tuple[int, bytes]], length: int
) -> None:
    data = GOOD + b"".join(im(number, value) for number, value in elements)
    try:
        command = decode(data[:length])
    except CommandError:
        return
    assert isinstance(command, Command)
    assert command.field in Field
    for field in fields(command):
        assert field.name in ("field", "offending", "attributes") or isinstance(
            getattr(command, field.name), str | int | None
        )


TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=16)
IDS = st.none() | st.integers(0, 0xFFFF)


@settings(deadline=None, database=None, max_examples=examples(200))
@given(
    st.sampled_from(Field), IDS, IDS, TEXTS, TEXTS, st.booleans(),
    st.lists(st.integers(0, 0xFFFFFFFF), max_size=4),
)  # fmt: skip
def test_any_command_comes_back_as_it_went(
    field: Field, message_id: int | None, responds_to: int | None, uid: str, text: str,
    has_data_set: bool, tags: list[int],
) -> None:  # fmt: skip
    command = Command(
        field, message_id, responds_to, uid, uid, has_data_set, responds_to, tuple(tags), text,
        message_id, text, text, message_id, responds_to, message_id,
    )  # fmt: skip
    assert decode(encode(command)) == command


# ---- as pynetdicom writes and reads them


def primitive(kind: type, **values: Any) -> Any:
    """A primitive of pynetdicom's; a data set by `data`."""
    made = kind()
    for name, value in values.items():
        setattr(made, name, BytesIO(value) if name in DATA_NAMES else value)
    return made


DATA_NAMES = ("DataSet", "Identifier", "EventInformation", "ActionInformation", "AttributeList",
              "ModificationList")  # fmt: skip


def by_pynetdicom(name: str, made: Any, size: int = 0) -> list[tuple[int, bytes]]:
    """Message control header and fragment of each PDV of a message, as pynetdicom makes them."""
    message = getattr(dimse_messages, name)()
    message.primitive_to_message(made)
    return [
        (value[0], value[1:])
        for data in message.encode_msg(1, size)
        for _, value in data.presentation_data_value_list
    ]


def command_by_pynetdicom(name: str, made: Any) -> bytes:
    return b"".join(value for control, value in by_pynetdicom(name, made) if control & COMMAND)


COUNTS = {"remaining": 4, "completed": 3, "failed": 2, "warning": 1}
# What the node writes, by what pynetdicom writes of the same.
WRITTEN: dict[str, tuple[bytes, str, Any]] = {
    "C-ECHO-RSP": (
        writer.response(Command(Field.C_ECHO_RQ, 3, sop_class=ECHO), 0),
        "C_ECHO_RSP",
        primitive(C_ECHO, MessageIDBeingRespondedTo=3, AffectedSOPClassUID=ECHO, Status=0),
    ),
    "C-STORE-RSP": (
        writer.response(Command(Field.C_STORE_RQ, 1, sop_class=CT, sop_instance="1.2.3"), 0),
        "C_STORE_RSP",
        primitive(C_STORE, MessageIDBeingRespondedTo=1, AffectedSOPClassUID=CT,
                  AffectedSOPInstanceUID="1.2.3", Status=0),
    ),
    "C-STORE-RSP, refused": (
        writer.response(
            Command(Field.C_STORE_RQ, 1, sop_class=CT, sop_instance="1.2.34"), 0xA900,
            comment="No SOP Class UID", offending=(0x00080016,),
        ),
        "C_STORE_RSP",
        primitive(C_STORE, MessageIDBeingRespondedTo=1, AffectedSOPClassUID=CT, Status=0xA900,
                  AffectedSOPInstanceUID="1.2.34", ErrorComment="No SOP Class UID",
                  OffendingElement=0x00080016),
    ),
    "C-FIND-RSP with a data set": (
        writer.response(Command(Field.C_FIND_RQ, 2, sop_class=STUDY), 0xFF00, has_data_set=True),
        "C_FIND_RSP",
        primitive(C_FIND, MessageIDBeingRespondedTo=2, AffectedSOPClassUID=STUDY, Status=0xFF00,
                  Identifier=b"\x08\0\x52\0CS\6\0STUDY "),
    ),
    "C-FIND-RSP, the last": (
        writer.response(Command(Field.C_FIND_RQ, 2, sop_class=STUDY), 0),
        "C_FIND_RSP",
        primitive(C_FIND, MessageIDBeingRespondedTo=2, AffectedSOPClassUID=STUDY, Status=0),
    ),
    "C-MOVE-RSP with counts": (
        writer.response(
            Command(Field.C_MOVE_RQ, 5, sop_class=MOVE["STUDY"]), 0xFF00, counts=COUNTS
        ),
        "C_MOVE_RSP",
        primitive(C_MOVE, MessageIDBeingRespondedTo=5, AffectedSOPClassUID=MOVE["STUDY"],
                  Status=0xFF00, NumberOfRemainingSuboperations=4,
                  NumberOfCompletedSuboperations=3, NumberOfFailedSuboperations=2,
                  NumberOfWarningSuboperations=1),
    ),
    "C-GET-RSP with failed instances": (
        writer.response(
            Command(Field.C_GET_RQ, 5, sop_class=GET["STUDY"]), 0xB000, has_data_set=True,
            counts={name: count for name, count in COUNTS.items() if name != "remaining"},
        ),
        "C_GET_RSP",
        primitive(C_GET, MessageIDBeingRespondedTo=5, AffectedSOPClassUID=GET["STUDY"],
                  Status=0xB000, NumberOfCompletedSuboperations=3, NumberOfFailedSuboperations=2,
                  NumberOfWarningSuboperations=1, Identifier=b"\x08\0\x58\0UI\0\0"),
    ),
    "N-ACTION-RSP": (
        writer.response(
            Command(Field.N_ACTION_RQ, 8, sop_class=COMMIT, sop_instance=COMMIT_INSTANCE,
                    action_type=1), 0,
        ),
        "N_ACTION_RSP",
        primitive(N_ACTION, MessageIDBeingRespondedTo=8, AffectedSOPClassUID=COMMIT, Status=0,
                  AffectedSOPInstanceUID=COMMIT_INSTANCE, ActionTypeID=1),
    ),
    "N-EVENT-REPORT-RQ": (
        encode(Command(Field.N_EVENT_REPORT_RQ, 1, sop_class=COMMIT, has_data_set=True,
                       sop_instance=COMMIT_INSTANCE, event_type=2)),
        "N_EVENT_REPORT_RQ",
        primitive(N_EVENT_REPORT, MessageID=1, AffectedSOPClassUID=COMMIT, EventTypeID=2,
                  AffectedSOPInstanceUID=COMMIT_INSTANCE, EventInformation=b"\x08\0\x95\x11UI\0\0"),
    ),
    "C-STORE-RQ": (
        writer.store_request(CT, "1.2.345", 12, 0, None),
        "C_STORE_RQ",
        primitive(C_STORE, MessageID=12, AffectedSOPClassUID=CT, Priority=0,
                  AffectedSOPInstanceUID="1.2.345", DataSet=b"12"),
    ),
    "C-STORE-RQ with a Move Originator": (
        writer.store_request(CT, "1.2.3", 12, 2, ("MINIPACS1", 5)),
        "C_STORE_RQ",
        primitive(C_STORE, MessageID=12, AffectedSOPClassUID=CT, Priority=2,
                  AffectedSOPInstanceUID="1.2.3", DataSet=b"12",
                  MoveOriginatorApplicationEntityTitle="MINIPACS1", MoveOriginatorMessageID=5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITTEN)
def test_what_the_node_writes_is_what_pynetdicom_writes(what: str) -> None:
    ours, name, made = WRITTEN[what]
    assert ours == command_by_pynetdicom(name, made)


# What a peer of pynetdicom's asks, by what the node reads.
READ: dict[str, tuple[Any, Command]] = {
    "C_ECHO_RQ": (
        primitive(C_ECHO, MessageID=1, AffectedSOPClassUID=ECHO),
        Command(Field.C_ECHO_RQ, 1, sop_class=ECHO),
    ),
    "C_STORE_RQ": (
        primitive(C_STORE, MessageID=2, AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2.3",
                  Priority=1, DataSet=b"12", MoveOriginatorApplicationEntityTitle="PACS",
                  MoveOriginatorMessageID=4),
        Command(Field.C_STORE_RQ, 2, sop_class=CT, sop_instance="1.2.3", priority=1,
                has_data_set=True, originator="PACS", originator_message_id=4),
    ),
    "C_FIND_RQ": (
        primitive(C_FIND, MessageID=3, AffectedSOPClassUID=STUDY, Priority=2, Identifier=b"12"),
        Command(Field.C_FIND_RQ, 3, sop_class=STUDY, priority=2, has_data_set=True),
    ),
    "C_GET_RQ": (
        primitive(C_GET, MessageID=4, AffectedSOPClassUID=GET["STUDY"], Identifier=b"12"),
        Command(Field.C_GET_RQ, 4, sop_class=GET["STUDY"], priority=2, has_data_set=True),
    ),
    "C_MOVE_RQ": (
        primitive(C_MOVE, MessageID=5, AffectedSOPClassUID=MOVE["STUDY"], Identifier=b"12",
                  MoveDestination="WORKSTATION"),
        Command(Field.C_MOVE_RQ, 5, sop_class=MOVE["STUDY"], priority=2, has_data_set=True,
                move_destination="WORKSTATION"),
    ),
    "C_CANCEL_RQ": (
        primitive(C_CANCEL, MessageIDBeingRespondedTo=5), Command(Field.C_CANCEL_RQ, None, 5)
    ),
    "N_EVENT_REPORT_RQ": (
        primitive(N_EVENT_REPORT, MessageID=6, AffectedSOPClassUID=COMMIT, EventTypeID=1,
                  AffectedSOPInstanceUID=COMMIT_INSTANCE, EventInformation=b"12"),
        Command(Field.N_EVENT_REPORT_RQ, 6, sop_class=COMMIT, sop_instance=COMMIT_INSTANCE,
                has_data_set=True, event_type=1),
    ),
    "N_EVENT_REPORT_RSP": (
        primitive(N_EVENT_REPORT, MessageIDBeingRespondedTo=6, AffectedSOPClassUID=COMMIT,
                  AffectedSOPInstanceUID=COMMIT_INSTANCE, EventTypeID=1, Status=0),
        Command(Field.N_EVENT_REPORT_RSP, None, 6, COMMIT, COMMIT_INSTANCE, status=0,
                event_type=1),
    ),
    "N_GET_RQ": (
        primitive(N_GET, MessageID=7, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3",
                  AttributeIdentifierList=[0x00100010]),
        Command(Field.N_GET_RQ, 7, sop_class="1.2", sop_instance="1.3", attributes=(0x00100010,)),
    ),
    "N_SET_RQ": (
        primitive(N_SET, MessageID=8, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3",
                  ModificationList=b"12"),
        Command(Field.N_SET_RQ, 8, sop_class="1.2", sop_instance="1.3", has_data_set=True),
    ),
    "N_ACTION_RQ": (
        primitive(N_ACTION, MessageID=9, RequestedSOPClassUID=COMMIT, ActionTypeID=1,
                  RequestedSOPInstanceUID=COMMIT_INSTANCE, ActionInformation=b"12"),
        Command(Field.N_ACTION_RQ, 9, sop_class=COMMIT, sop_instance=COMMIT_INSTANCE,
                has_data_set=True, action_type=1),
    ),
    "N_CREATE_RQ": (
        primitive(N_CREATE, MessageID=10, AffectedSOPClassUID="1.2", AttributeList=b"12",
                  AffectedSOPInstanceUID="1.3"),
        Command(Field.N_CREATE_RQ, 10, sop_class="1.2", sop_instance="1.3", has_data_set=True),
    ),
    "N_DELETE_RQ": (
        primitive(N_DELETE, MessageID=11, RequestedSOPClassUID="1.2",
                  RequestedSOPInstanceUID="1.3"),
        Command(Field.N_DELETE_RQ, 11, sop_class="1.2", sop_instance="1.3"),
    ),
    "C_STORE_RSP": (
        primitive(C_STORE, MessageIDBeingRespondedTo=2, AffectedSOPClassUID=CT, Status=0xB007,
                  AffectedSOPInstanceUID="1.2.3", OffendingElement=[0x00080016, 0x00080018],
                  ErrorComment="differs"),
        Command(Field.C_STORE_RSP, None, 2, CT, "1.2.3", status=0xB007, comment="differs",
                offending=(0x00080016, 0x00080018)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_pynetdicom_writes_is_read(name: str) -> None:
    made, command = READ[name]
    assert decode(command_by_pynetdicom(name, made)) == command


def test_every_request_of_pynetdicoms_is_in_the_table() -> None:
    assert {f.name for f in Field if f.name.endswith("_RQ")} <= set(READ)


# ---- messages


class Taken:
    """A sink that keeps what it takes."""

    def __init__(self) -> None:
        self.data = b""
        self.is_discarded = False

    def write(self, fragment: memoryview) -> None:
        self.data += bytes(fragment)

    def discard(self) -> None:
        self.is_discarded = True


def fresh(sink: Taken | None = None) -> NodeDIMSE:
    """Messages of no association; `sink` takes the data sets of C-STORE requests."""
    return NodeDIMSE(cast(Any, None), lambda context_id, command: sink)


def pdu(*values: tuple[int, int, bytes]) -> memoryview:
    """A P-DATA-TF PDU, of context ID, message control header and fragment of each value."""
    items = b"".join(struct.pack(">IBB", len(v) + 2, c, h) + v for c, h, v in values)
    return memoryview(struct.pack(">BBI", 4, 0, len(items)) + items)


FIND_RQ = encode(Command(Field.C_FIND_RQ, 7, sop_class=STUDY, has_data_set=True, priority=2))
STORE_RQ = writer.store_request(CT, "1.2.3", 8, 2, None)
ECHO_RQ = encode(Command(Field.C_ECHO_RQ, 9, sop_class=ECHO))
CANCEL_RQ = encode(Command(Field.C_CANCEL_RQ, None, 7))
IDENTIFIER = bytes(range(256)) * 2


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`data` in parts, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def values(context_id: int, control: int, parts: list[bytes]) -> list[tuple[int, int, bytes]]:
    """The presentation data values of a command or of a data set."""
    last = len(parts) - 1
    return [(context_id, control | (LAST if n == last else 0), v) for n, v in enumerate(parts)]


CUTS = st.lists(st.integers(0, 600), max_size=6)


@settings(deadline=None, database=None, max_examples=examples(200))
@given(CUTS, CUTS, CUTS, CUTS, st.lists(st.integers(1, 5), max_size=30))
@example([], [], [], [], [])
@example(list(range(200)), list(range(600)), list(range(200)), list(range(600)), [1] * 900)
@example([0, 0], [0, 600], [0], [0], [3])
def test_messages_in_any_fragments_are_the_same(
    find: list[int], identifier: list[int], store: list[int], data_set: list[int], sizes: list[int]
) -> None:
    """In fragments of any length, none too, and any number of them in a PDU."""
    sink = Taken()
    provider = fresh(sink)
    coming = [
        *values(3, COMMAND, split(FIND_RQ, find)), *values(3, 0, split(IDENTIFIER, identifier)),
        *values(5, COMMAND, split(STORE_RQ, store)), *values(5, 0, split(IDENTIFIER, data_set)),
        (1, COMMAND | LAST, ECHO_RQ),
    ]  # fmt: skip
    for size in sizes:
        provider.take_pdu(pdu(*coming[:size]))
        del coming[:size]
    provider.take_pdu(pdu(*coming))
    assert list(provider.messages) == [
        Message(3, decode(FIND_RQ), IDENTIFIER),
        Message(5, decode(STORE_RQ), None, sink),
        Message(1, decode(ECHO_RQ)),
    ]
    assert (sink.data, sink.is_discarded) == (IDENTIFIER, False)
    assert not provider.is_receiving


@pytest.mark.parametrize("size", [7, 8, 20, 64, 1000, 0])
def test_messages_of_pynetdicoms_are_taken(size: int) -> None:
    provider = fresh()
    made, command = READ["C_FIND_RQ"]
    for control, fragment in by_pynetdicom("C_FIND_RQ", made, size):
        provider.take(1, control, memoryview(fragment))
    assert list(provider.messages) == [Message(1, command, b"12")]


def test_a_store_that_nobody_takes_is_held_in_memory() -> None:
    provider = fresh()
    provider.take_pdu(pdu((1, COMMAND | LAST, STORE_RQ), (1, LAST, IDENTIFIER)))
    assert list(provider.messages) == [Message(1, decode(STORE_RQ), IDENTIFIER)]


def test_the_sink_is_opened_by_context_and_command() -> None:
    opened: list[tuple[int, Command]] = []

    def open_sink(context_id: int, command: Command) -> Taken:
        opened.append((context_id, command))
        return Taken()

    provider = NodeDIMSE(cast(Any, None), open_sink)
    provider.take_pdu(
        pdu((1, COMMAND | LAST, ECHO_RQ), (3, COMMAND | LAST, FIND_RQ), (3, LAST, b""))
    )
    assert opened == []
    provider.take_pdu(pdu((5, COMMAND | LAST, STORE_RQ)))
    assert opened == [(5, decode(STORE_RQ))]


def test_part_of_a_message_is_known_to_be_one() -> None:
    provider = fresh()
    assert not provider.is_receiving
    provider.take(1, COMMAND, memoryview(FIND_RQ[:10]))
    assert provider.is_receiving
    provider.take(1, COMMAND | LAST, memoryview(FIND_RQ[10:]))
    assert provider.is_receiving
    assert not provider.messages
    provider.take(1, LAST, memoryview(b""))
    assert not provider.is_receiving


def test_reserved_bits_of_the_control_header_do_not_count() -> None:
    """PS3.8 E.2: they are not tested."""
    provider = fresh()
    provider.take_pdu(pdu((1, 0xFC | COMMAND | LAST, FIND_RQ), (1, 0xFC | LAST, b"12")))
    assert list(provider.messages) == [Message(1, decode(FIND_RQ), b"12")]


C, L = COMMAND, LAST
NO_MESSAGE: dict[str, list[tuple[int, int, bytes]]] = {
    "a data set first": [(1, L, IDENTIFIER)],
    "a data set behind a command without one": [(1, C | L, ECHO_RQ), (1, L, b"12")],
    "two data sets": [(1, C | L, FIND_RQ), (1, L, b"12"), (1, L, b"12")],
    "a data set within a command": [(1, C, FIND_RQ[:9]), (1, 0, b"12")],
    "a data set on another context": [(1, C | L, FIND_RQ), (3, L, b"12")],
    "the rest of a data set on another context": [
        (1, C | L, FIND_RQ), (1, 0, b"12"), (3, L, b"34")
    ],
    "the rest of a command on another context": [(1, C, FIND_RQ[:9]), (3, C | L, FIND_RQ[9:])],
    "a command within a data set": [(1, C | L, FIND_RQ), (1, 0, b"12"), (1, C | L, ECHO_RQ)],
    "a command in place of a data set": [(1, C | L, FIND_RQ), (3, C | L, ECHO_RQ)],
    "part of a command within a data set": [(1, C | L, FIND_RQ), (1, C, ECHO_RQ[:9])],
    "a command that is none": [(1, C | L, IDENTIFIER)],
    "an empty command": [(1, C | L, b"")],
    "half a command": [(1, C | L, FIND_RQ[:-1])],
    "two commands in one": [(1, C, FIND_RQ[:40]), (1, C | L, FIND_RQ)],
    "a command of more than 64 KiB": [(1, C | L, FIND_RQ + im(0x0902, bytes(65536)))],
    "one that grows to that": [(1, C, bytes(1000))] * 66,
    "an identifier of more than 16 MiB": [(1, C | L, FIND_RQ), *[(1, 0, bytes(1 << 20))] * 16,
                                          (1, L, b"1")],
}  # fmt: skip


@pytest.mark.parametrize("what", NO_MESSAGE)
@pytest.mark.parametrize("together", [False, True], ids=["a PDU each", "one PDU"])
def test_what_is_no_message_is_refused(what: str, together: bool) -> None:
    provider = fresh()
    *before, last = NO_MESSAGE[what]
    if together:
        with pytest.raises(CommandError):
            provider.take_pdu(pdu(*before, last))
        return
    for value in before:
        provider.take_pdu(pdu(value))
    with pytest.raises(CommandError):
        provider.take(*last[:2], memoryview(last[2]))


def test_as_much_as_may_be_is_held() -> None:
    provider = fresh()
    assert reader._MAX_DATA_BYTES == 16 << 20
    padded = FIND_RQ + im(0x0902, bytes(65536 - len(FIND_RQ) - 8))
    assert len(padded) == 65536
    provider.take(1, COMMAND | LAST, memoryview(padded))
    for _ in range(16):
        provider.take(1, 0, memoryview(bytes(1 << 20)))
    provider.take(1, LAST, memoryview(b""))
    assert provider.messages[0].data == bytes(16 << 20)


def test_what_a_sink_takes_has_no_limit() -> None:
    class Counting(Taken):
        count = 0

        def write(self, fragment: memoryview) -> None:
            self.count += len(fragment)

    sink = Counting()
    provider = fresh(sink)
    provider.take(1, COMMAND | LAST, memoryview(STORE_RQ))
    for _ in range(20):
        provider.take(1, 0, memoryview(bytes(1 << 20)))
    provider.take(1, LAST, memoryview(b""))
    assert sink.count == 20 << 20


P_DATA_HEAD = bytes.fromhex("04 00 00000000")
NO_VALUES = {
    "a byte": b"\0",
    "a header cut short": bytes.fromhex("00000002 01"),
    "a length of nothing": bytes.fromhex("00000000 0103"),
    "a length without a control header": bytes.fromhex("00000001 0103"),
    "a length beyond the end": bytes.fromhex("00000003 0103"),
    "a length of 4 GiB": bytes.fromhex("ffffffff 0103") + ECHO_RQ,
    "a byte behind the last": bytes(pdu((1, COMMAND | LAST, ECHO_RQ)))[6:] + b"\0",
}


@pytest.mark.parametrize("what", NO_VALUES)
def test_a_pdu_of_no_values_is_refused(what: str) -> None:
    with pytest.raises(CommandError):
        fresh().take_pdu(memoryview(P_DATA_HEAD + NO_VALUES[what]))


@settings(deadline=None, database=None, max_examples=examples(200))
@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_pdus_are_taken_or_refused(coming: list[bytes]) -> None:
    provider = fresh(Taken())
    for data in coming:
        try:
            provider.take_pdu(memoryview(P_DATA_HEAD + data))
        except CommandError:
            return
    assert all(isinstance(message, Message) for message in provider.messages)


@settings(deadline=None, database=None, max_examples=examples(200))
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1, 1, 3]),
            st.integers(0, 3),
            st.sampled_from([b"", b"12", FIND_RQ, STORE_RQ, ECHO_RQ, CANCEL_RQ, FIND_RQ[:20]]),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_values_are_messages_or_refused(coming: list[tuple[int, int, bytes]]) -> None:
    provider = fresh(Taken())
    with suppress(CommandError):
        provider.take_pdu(pdu(*coming))
    for message in provider.messages:
        assert message.command.field is not Field.C_CANCEL_RQ
        assert message.command.has_data_set is not (message.data is None and message.sink is None)


# ---- C-CANCEL


def cancel(number: int) -> memoryview:
    return pdu((1, COMMAND | LAST, encode(Command(Field.C_CANCEL_RQ, None, number))))


def test_a_cancel_is_kept_and_is_no_message() -> None:
    provider = fresh()
    provider.take_pdu(cancel(7))
    assert set(provider.cancelled) == {7}
    assert not provider.messages


def test_a_cancel_of_an_earlier_request_is_forgotten_when_its_id_comes_again() -> None:
    provider = fresh()
    provider.take_pdu(cancel(7))
    provider.take_pdu(cancel(9))
    provider.take_pdu(pdu((1, COMMAND | LAST, FIND_RQ)))
    provider.take_pdu(pdu((1, LAST, IDENTIFIER)))
    assert set(provider.cancelled) == {9}
    provider.take_pdu(pdu((1, COMMAND | LAST, ECHO_RQ)))
    assert set(provider.cancelled) == set()


def test_a_cancel_behind_its_request_is_kept() -> None:
    provider = fresh()
    provider.take_pdu(pdu((1, COMMAND | LAST, FIND_RQ), (1, LAST, IDENTIFIER)))
    provider.take_pdu(cancel(7))
    assert set(provider.cancelled) == {7}
    assert len(provider.messages) == 1


def test_a_cancel_without_a_message_id_is_ignored() -> None:
    provider = fresh()
    provider.take_pdu(pdu((1, COMMAND | LAST, encode(Command(Field.C_CANCEL_RQ)))))
    assert set(provider.cancelled) == set()
    assert not provider.messages


def test_cancels_of_nothing_do_not_pile_up() -> None:
    provider = fresh()
    for number in range(1000):
        provider.take_pdu(cancel(number))
    assert len(provider.cancelled) <= 10


# ---- the end


def test_what_was_coming_is_dropped_at_the_end() -> None:
    sinks: list[Taken] = []

    def open_sink(context_id: int, command: Command) -> Taken:
        sinks.append(Taken())
        return sinks[-1]

    provider = NodeDIMSE(cast(Any, None), open_sink)
    provider.take_pdu(pdu((1, COMMAND | LAST, STORE_RQ), (1, LAST, b"12")))
    provider.take_pdu(pdu((1, COMMAND | LAST, FIND_RQ), (1, LAST, b"12")))
    provider.take_pdu(pdu((1, COMMAND | LAST, STORE_RQ), (1, 0, b"12")))
    provider.discard()
    assert [sink.is_discarded for sink in sinks] == [True, True]
    assert not provider.messages
    provider.discard()


@pytest.mark.parametrize("field", [Field.C_STORE_RQ, Field.C_ECHO_RQ, Field.C_FIND_RQ])
@pytest.mark.parametrize("uid", ["", "1.2.3", "1.2.34", "1.2.\xfc"])
@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xB006])
def test_a_response_that_says_no_more_is_written_as_any_other(
    field: Field, uid: str, status: int
) -> None:
    for number, instance in ((0, ""), (1, "1.2"), (0xFFFF, "1.23")):
        request = Command(field, message_id=number, sop_class=uid, sop_instance=instance)
        answer = Command(
            Field(field | 0x8000), responds_to=number, sop_class=uid, sop_instance=instance,
            status=status,
        )  # fmt: skip
        assert writer.response(request, status) == encode(answer)
