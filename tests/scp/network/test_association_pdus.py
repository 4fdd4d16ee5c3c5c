"""What of an A-ASSOCIATE is looked at, and told where it is odd."""

import struct

import pytest
from support import CT, ECHO, IMPLICIT
from support.network.wire import (
    APPLICATION_CONTEXT,
    association_request,
    item,
    pdu,
    role_item,
    user_information,
)

from scp.network.upper_layer import association_pdus

ANSWER = struct.pack(">H66x", 1)  # version, titles and what is reserved (PS3.8 table 9-17)


def answer(result: int, inside: bytes) -> bytes:
    """An A-ASSOCIATE-AC with one presentation context."""
    context = item(0x21, bytes([1, 0, result, 0]) + inside)
    return pdu(0x02, ANSWER + item(0x10, APPLICATION_CONTEXT) + context + user_information())


@pytest.mark.parametrize("inside", [
    b"", item(0x40, b""), item(0x40, b"none\xff"), item(0x41, b"x"), item(0x40, b"", length=9),
], ids=["nothing", "empty", "no UID", "another item", "an item beyond the end"])  # fmt: skip
@pytest.mark.parametrize("result", [1, 2, 3, 4])
def test_what_a_rejected_context_holds_is_not_tested(result: int, inside: bytes) -> None:
    """Its transfer syntax "shall not be tested when received" (PS3.8 table 9-18)."""
    read = association_pdus.read(memoryview(answer(result, inside)), is_request=False)
    assert read.oddities == []
    assert item(0x21, bytes([1, 0, result, 0]) + item(0x40, IMPLICIT.encode())) in read.data


def test_an_accepted_context_without_a_syntax_is_told_and_taken_for_rejected() -> None:
    read = association_pdus.read(memoryview(answer(0, item(0x40, b"none\xff"))), is_request=False)
    assert read.oddities == [r"for a UID 'none\xff'"]
    assert item(0x21, bytes([1, 0, 4, 0]) + item(0x40, IMPLICIT.encode())) in read.data


@pytest.mark.parametrize(("proposed", "taken"), [
    ([(CT, 1, 1)], [(CT, 1, 1)]),
    ([(CT, 0, 1), (ECHO, 0, 1)], [(CT, 0, 1), (ECHO, 0, 1)]),
    ([(CT, 0, 0)], []),
    ([(CT, 0, 0), (ECHO, 0, 1)], [(ECHO, 0, 1)]),
    ([(CT, 1, 0), (CT, 0, 1)], [(CT, 1, 1)]),
    ([(CT, 0, 1), (ECHO, 0, 1), (CT, 1, 0)], [(CT, 1, 1), (ECHO, 0, 1)]),
    ([(CT, 0, 1), (CT, 0, 0)], [(CT, 0, 1)]),
    ([(CT, 0, 1), (CT, 0, 1)], [(CT, 0, 1)]),
])  # fmt: skip
def test_a_class_has_the_roles_that_are_proposed_for_it_anywhere(
    proposed: list[tuple[str, int, int]], taken: list[tuple[str, int, int]]
) -> None:
    """None is as if there was no selection for it, and so the default roles (PS3.7 D.3.3.4)."""
    items = [role_item(*one) for one in proposed]
    read = association_pdus.read(memoryview(association_request([], *items)), is_request=True)
    assert bytes(read.data).endswith(item(0x55, b"BYTES") + b"".join(role_item(*o) for o in taken))
    assert bool(read.oddities) == (proposed != taken)


def test_neither_role_in_an_answer_stays_a_refusal() -> None:
    refused = role_item(CT, 0, 0)
    pdu_ = pdu(0x02, ANSWER + item(0x10, APPLICATION_CONTEXT) + user_information(refused))
    assert refused in association_pdus.read(memoryview(pdu_), is_request=False).data
