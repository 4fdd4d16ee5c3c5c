"""A-ASSOCIATE-RQ and -AC as equipment sends them: what means nothing is left out, not refused."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    RunningNode,
    ct,
    encoded,
    running_node,
)
from support.network.plain_peer import Wire
from support.network.wire import (
    APPLICATION_CONTEXT,
    RELEASE,
    RELEASED,
    command_set,
    context_item,
    item,
    message,
    messages,
    pdu,
    request,
    request_of,
    role_item,
    uid,
    us,
    user_information,
    value,
)
from support.program import run

ACCEPTED, REJECTED, ABORTED = 0x02, 0x03, 0x07
CONTEXT = context_item(1, ECHO, [IMPLICIT])
APPLICATION = item(0x10, APPLICATION_CONTEXT)


def titled(called: bytes = b"MINIPACS".ljust(16), calling: bytes = b"BYTES".ljust(16)) -> bytes:
    plain = bytearray(request_of([APPLICATION, CONTEXT, user_information()]))
    plain[10:42] = called + calling
    return bytes(plain)


def with_user_information(*items: bytes) -> bytes:
    own = item(0x50, b"".join(items))
    return request_of([APPLICATION, CONTEXT, own])


def of(*items: bytes, version: int = 1) -> bytes:
    made = bytearray(request_of([APPLICATION, *items, user_information()]))
    made[6:8] = struct.pack(">H", version)
    return bytes(made)


LENGTH, CLASS = item(0x51, struct.pack(">I", 16384)), item(0x52, b"1.2.3")
IDENTITY = struct.pack(">BBH", 9, 0, 1) + b"x" + struct.pack(">H", 0)
INNER = item(0x30, ECHO.encode()) + item(0x41, b"x") + item(0x40, IMPLICIT.encode())

# What the log says of it.
TAKEN = {
    "an unknown item": (of(item(0x99, b"x"), CONTEXT), "an item of type 99H"),
    "an unknown sub-item": (of(item(0x20, b"\1\0\0\0" + INNER)), "an item of type 41H in"),
    "unknown user information": (
        with_user_information(LENGTH, CLASS, item(0x60, b"x")), "user information of type 60H",
    ),
    "other bits of the version": (of(CONTEXT, version=3), "protocol version 0003H"),
    "called padded by NUL": (titled(b"MINIPACS".ljust(16, b"\0")), r"'MINIPACS\x00"),
    "calling padded by NUL": (titled(calling=b"CT1".ljust(16, b"\0")), r"'CT1\x00"),
    "rubbish behind a NUL": (titled(b"MINIPACS\0\x01\x7fabcd "), r"'MINIPACS\x00\x01\x7f"),
    "calling in Latin-1": (titled(calling="GERÄT".encode("latin-1").ljust(16)), r"'GER\xc4T"),
    "calling with a backslash": (titled(calling=b"A\\B".ljust(16)), r"calling AE title 'A\\B"),
    "called padded by no-break spaces": (
        titled(b"MINIPACS".ljust(16, b"\xa0")), r"called AE title 'MINIPACS\xa0\xa0",
    ),
    "calling of no-break spaces": (titled(calling=b"\xa0" * 16), r"calling AE title '\xa0\xa0"),
    "called with a line end": (titled(b"MINIPACS\r\n".ljust(16)), r"'MINIPACS\r\n"),
    "a version name with a backslash": (
        with_user_information(LENGTH, CLASS, item(0x55, b"V\\1")), r"version name 'V\\1'",
    ),
    "a long version name": (
        with_user_information(LENGTH, CLASS, item(0x55, b"A" * 24)), "version name 'AAAA",
    ),
    "a version name in Latin-1": (
        with_user_information(LENGTH, CLASS, item(0x55, b"V\xe9")), r"version name 'V\xe9'",
    ),
    "an identity of an unknown type": (
        with_user_information(LENGTH, CLASS, item(0x58, IDENTITY)), "type 58H",
    ),
    "an identity that is cut": (
        with_user_information(LENGTH, CLASS, item(0x58, b"\1\0\0\x09x")), "type 58H",
    ),
    "no implementation class": (with_user_information(LENGTH, item(0x52, b"")), "type 52H"),
    "a length of 8 bytes": (with_user_information(item(0x51, bytes(8)), CLASS), "type 51H"),
    "a length of 2 bytes": (with_user_information(item(0x51, b"\x40\0"), CLASS), "type 51H"),
    "a window of 2 bytes": (
        with_user_information(LENGTH, CLASS, item(0x53, b"\0\1")), "type 53H",
    ),
    "a role that is 2": (with_user_information(LENGTH, CLASS, role_item(ECHO, 2, 0)), "type 54H"),
    "neither role": (
        with_user_information(LENGTH, CLASS, role_item(ECHO, 0, 0)), "selection without a role",
    ),
    "a class twice in role selection": (
        with_user_information(LENGTH, CLASS, role_item(ECHO, 1, 0), role_item(ECHO, 0, 1)),
        "role selection twice for '1.2.840.10008.1.1'",
    ),
    "a role without its UID": (
        with_user_information(LENGTH, CLASS, item(0x54, b"\0\x40" + b"1.2\1\1")), "type 54H",
    ),
    "negotiation without its UID": (
        with_user_information(LENGTH, CLASS, item(0x56, b"\0\x40x")), "type 56H",
    ),
    "common negotiation that is cut": (
        with_user_information(LENGTH, CLASS, item(0x57, b"\0\3" + b"1.2")), "type 57H",
    ),
    "no user information": (request_of([APPLICATION, CONTEXT]), "no user information"),
    "zero bytes behind": (
        pdu(1, of(CONTEXT)[6:] + bytes(8)), "8 bytes of zero behind the last item",
    ),
    "two abstract syntaxes": (
        of(item(0x20, b"\1\0\0\0" + item(0x30, ECHO.encode()) * 2 + item(0x40, IMPLICIT.encode()))),
        "an item of type 30H in presentation context 1",
    ),
    "an ID twice": (of(CONTEXT, CONTEXT), "presentation context 1 twice"),
}  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running


def is_served(wire: Wire, context: int) -> bool:
    """Whether a C-ECHO over a context is answered with Success, and the release then."""
    wire.send(message(context, command_set(request(0x0030, ECHO, False))))
    (answer,) = messages([wire.receive()])
    wire.send(RELEASE)
    return answer.number(0x0900) == 0x0000 and wire.receive() == RELEASED


@pytest.mark.parametrize("what", TAKEN)
def test_what_means_nothing_is_left_out_and_told(node: RunningNode, what: str) -> None:
    opening, words = TAKEN[what]
    mark = node.mark()
    with Wire(node.port) as wire:
        wire.send(opening)
        assert wire.receive()[0] == ACCEPTED
        assert is_served(wire, 1)
    line = node.wait_for_log("unusual A-ASSOCIATE-RQ", after=mark)
    assert "address=127.0.0.1" in line
    assert words in line


def test_an_ordinary_request_is_nothing_to_tell_of(node: RunningNode) -> None:
    mark = node.mark()
    padded = item(0x52, b"1.2.3\0")  # as some pad every UID
    for opening in (of(CONTEXT), with_user_information(LENGTH, padded)):
        with Wire(node.port) as wire:
            wire.send(opening)
            assert wire.receive()[0] == ACCEPTED
            assert is_served(wire, 1)
    node.wait_for_log("association closed", count=2, after=mark)
    assert not node.logged("unusual", after=mark)


@pytest.mark.parametrize(("called", "calling", "reason"), [
    (bytes(16), b"BYTES".ljust(16), 7), (b" " * 16, b"BYTES".ljust(16), 7),
    (b"MINIPACS".ljust(16), bytes(16), 3), (b"MINIPACS".ljust(16), b" " * 16, 3),
    (b"MINIPACS".ljust(16), b"\0BYTES".ljust(16), 3), (b"OTHER".ljust(16, b"\0"),
    b"BYTES".ljust(16), 7),
])  # fmt: skip
def test_a_title_that_is_blank_or_anothers_is_rejected_as_such(
    node: RunningNode, called: bytes, calling: bytes, reason: int
) -> None:
    with Wire(node.port) as wire:
        wire.send(titled(called, calling))
        assert wire.receive() == pdu(REJECTED, bytes([0, 1, 1, reason]))


def test_a_version_without_bit_0_is_rejected(node: RunningNode) -> None:
    with Wire(node.port) as wire:
        wire.send(of(CONTEXT, version=2))
        assert wire.receive() == pdu(REJECTED, bytes([0, 1, 2, 2]))


@pytest.mark.parametrize("bytes_", [
    pdu(1, b"\0\1"), of(item(0x20, b"\1", length=200)), pdu(1, of(CONTEXT)[6:] + b"\x20\0"),
], ids=["too short", "an item beyond the end", "half an item"])  # fmt: skip
def test_what_is_no_request_is_aborted(node: RunningNode, bytes_: bytes) -> None:
    mark = node.mark()
    with Wire(node.port) as wire:
        wire.send(bytes_)
        assert wire.receive()[0] == ABORTED
    node.wait_for_log("protocol error", after=mark)


def answered_contexts(answer: bytes) -> dict[int, int]:
    """Result by context ID of an A-ASSOCIATE-AC."""
    found, start = {}, 74
    while start < len(answer):
        kind, length = struct.unpack_from(">BxH", answer, start)
        if kind == 0x21:
            found[answer[start + 4]] = answer[start + 6]
        start += 4 + length
    return found


def test_even_numbers_and_more_contexts_than_odd_ones_are_answered(node: RunningNode) -> None:
    contexts = [context_item(number, ECHO, [IMPLICIT]) for number in range(256)]
    with Wire(node.port) as wire:
        wire.send(of(*contexts))
        assert answered_contexts(wire.receive()) == dict.fromkeys(range(256), 0)
        assert is_served(wire, 254)


@pytest.mark.parametrize("name", ["0.0", "", "hello", "1.2.840.10008.1.1x", "1.2.3.", "h\xe9"])
def test_an_abstract_syntax_that_is_no_uid_is_not_supported(node: RunningNode, name: str) -> None:
    inside = item(0x30, name.encode("latin-1")) + item(0x40, IMPLICIT.encode())
    with Wire(node.port) as wire:
        wire.send(of(CONTEXT, item(0x20, b"\3\0\0\0" + inside)))
        assert answered_contexts(wire.receive()) == {1: 0, 3: 3}
        assert is_served(wire, 1)


def test_an_instance_is_stored_over_an_even_context(node: RunningNode) -> None:
    with Wire(node.port) as wire:
        wire.send(of(context_item(2, CT, [EXPLICIT])))
        assert answered_contexts(wire.receive()) == {2: 0}
        store = command_set(request(0x0001, CT, True, (0x0700, us(0)), (0x1000, uid("1.4"))))
        wire.send(message(2, store, encoded(ct("1.2", "1.3", "1.4"))))
        (answer,) = messages([wire.receive()])
        assert answer.number(0x0900) == 0x0000
        wire.send(RELEASE)
        assert wire.receive() == RELEASED


# ---- the answers of peers

Answer = Callable[[bytes], bytes]


def answer_to(
    asked: bytes, *, titles: bytes = b"", version: int = 1, items: bytes = b"",
    ui: bytes | None = None, rejected_syntax: bool = True, syntax: bytes = IMPLICIT.encode(),
) -> bytes:  # fmt: skip
    """An A-ASSOCIATE-AC to the node's A-ASSOCIATE-RQ, in which it is asked for Verification."""
    body = bytearray(asked[6:74])
    body[0:2] = struct.pack(">H", version)
    if titles:
        body[4:36] = titles
    taken = item(0x21, bytes([1, 0, 0, 0]) + item(0x40, syntax))
    other = item(0x21, bytes([3, 0, 3, 0]) + (item(0x40, b"") if rejected_syntax else b""))
    named = user_information() if ui is None else ui
    return pdu(ACCEPTED, bytes(body) + items + APPLICATION + taken + other + named)


ODD_ANSWERS: dict[str, Answer] = {
    "an unknown item": lambda asked: answer_to(asked, items=item(0x99, b"x")),
    "titles of NUL": lambda asked: answer_to(asked, titles=bytes(32)),
    "titles of rubbish": lambda asked: answer_to(asked, titles=b"\xff\x00\n\\" * 8),
    "other bits of the version": lambda asked: answer_to(asked, version=3),
    "a padded syntax": lambda asked: answer_to(asked, syntax=IMPLICIT.encode() + b"\0"),
    "rejected without a syntax": lambda asked: answer_to(asked, rejected_syntax=False),
    "no user information": lambda asked: answer_to(asked, ui=b""),
    "a version name with a backslash": lambda asked: answer_to(
        asked, ui=item(0x50, LENGTH + CLASS + item(0x55, b"V\\1"))
    ),
    "a long version name": lambda asked: answer_to(
        asked, ui=item(0x50, LENGTH + CLASS + item(0x55, b"A" * 24))
    ),
    "unknown user information": lambda asked: answer_to(
        asked, ui=user_information(item(0x60, b"x"))
    ),
    "zero bytes behind": lambda asked: pdu(ACCEPTED, answer_to(asked)[6:] + bytes(4)),
}


def read_pdu(connection: socket.socket) -> bytes:
    """A PDU, nothing where the connection was closed."""
    head = connection.recv(6, socket.MSG_WAITALL)
    rest = struct.unpack(">I", head[2:])[0] if head else 0
    return head + connection.recv(rest, socket.MSG_WAITALL)


@contextmanager
def peer(answer: Answer) -> Iterator[int]:
    """A peer that answers an association so, then C-ECHO and the release; its port."""

    def serve() -> None:
        connection, _ = door.accept()
        with connection:
            connection.settimeout(CLIENT_SECONDS)
            connection.sendall(answer(read_pdu(connection)))
            if not read_pdu(connection).startswith(b"\x04"):
                return
            elements = request(0x8030, ECHO, False, (0x0120, us(1)), (0x0900, us(0)))
            command = command_set([one for one in elements if one[0] != 0x0110])
            connection.sendall(pdu(0x04, value(1, 0x03, command)))
            read_pdu(connection)
            connection.sendall(RELEASED)

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(CLIENT_SECONDS)


def echoed(folder: Path, port: int) -> str:
    tables = {"peers": {"PEER": {"host": "127.0.0.1", "port": port, "acse_timeout": 50}}}
    wide = {**os.environ, "COLUMNS": "300"}
    return run("peers", "-c", RunningNode(folder, tables).config, env=wide).stdout


@pytest.mark.parametrize("what", ODD_ANSWERS)
def test_an_odd_answer_is_an_answer(tmp_path: Path, what: str) -> None:
    with peer(ODD_ANSWERS[what]) as port:
        assert "answered in" in echoed(tmp_path, port)


@pytest.mark.parametrize("answer", [
    lambda asked: pdu(ACCEPTED, b"\0\1"),
    lambda asked: pdu(ACCEPTED, answer_to(asked)[6:] + b"\x21\0\xff\xff\1"),
    lambda asked: pdu(0x99, b"abc"), lambda asked: asked, lambda asked: RELEASED,
    lambda asked: b"HTTP/1.1 400 Bad Request\r\n\r\n",
], ids=["too short", "an item beyond the end", "an unknown PDU", "the request", "another's answer",
        "HTTP"])  # fmt: skip
def test_an_answer_that_cannot_be_read_ends_the_attempt_at_once(
    tmp_path: Path, answer: Answer
) -> None:
    """And not by acse_timeout, which is told in other words."""
    with peer(answer) as port:
        assert "answers what is no A-ASSOCIATE-AC: " in echoed(tmp_path, port)


REJECTIONS = {
    (1, 1, 7): "rejects the association: Called AE title not recognised",
    (2, 3, 2): "rejects the association: Local limit exceeded",
    (1, 1, 10): "rejects it: result 1, source 1, reason 10",
    (2, 9, 0): "rejects it: result 2, source 9, reason 0",
    (0, 1, 1): "rejects it: result 0, source 1, reason 1",
    (9, 9, 9): "rejects it: result 9, source 9, reason 9",
    (1,): "rejects it: result 1, no source, no reason",
    (1, 1, 7, 0, 0): "rejects the association: Called AE title not recognised",
}


@pytest.mark.parametrize("values", REJECTIONS)
def test_a_rejection_is_one_at_once_with_whatever_values(
    tmp_path: Path, values: tuple[int, ...]
) -> None:
    """And neither aborted, nor waited for until acse_timeout, which is told in other words."""
    with peer(lambda asked: pdu(REJECTED, bytes([0, *values]))) as port:
        assert REJECTIONS[values] in echoed(tmp_path, port)


ABORTS = [bytes(4), b"\0\0\2\1", b"\0\0\x09\x09", b"\0\0\2\x63", b"\xff" * 4, b"", bytes(9)]


@pytest.mark.parametrize("body", ABORTS, ids=lambda body: body.hex() or "nothing")
def test_an_abort_is_one_with_whatever_values(
    node: RunningNode, tmp_path: Path, body: bytes
) -> None:
    mark = node.mark()
    with Wire(node.port) as wire:
        wire.send(of(CONTEXT))
        assert wire.receive()[0] == ACCEPTED
        wire.send(pdu(ABORTED, body))
        assert wire.receive() == b""
    node.wait_for_log("association closed", "by=abort", after=mark)
    assert not node.logged("protocol error", after=mark)
    with peer(lambda asked: pdu(ABORTED, body)) as port:
        assert "ended the association at once" in echoed(tmp_path, port)
