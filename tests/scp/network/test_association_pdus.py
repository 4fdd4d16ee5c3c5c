"""What of an A-ASSOCIATE is looked at, and told where it is odd."""

import struct

import pytest
from support import IMPLICIT
from support.network.wire import APPLICATION_CONTEXT, item, pdu, user_information

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
