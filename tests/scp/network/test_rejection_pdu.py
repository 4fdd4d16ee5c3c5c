"""What is read of an A-ASSOCIATE-RJ, and what pynetdicom is given in its place."""

import itertools

import pytest
from pynetdicom.pdu import A_ASSOCIATE_RJ
from support.network.wire import ASSOCIATE_RJ, pdu

from scp.network.upper_layer.rejection_pdu import RejectionPDU, read_rejection


def rejection(*values: int) -> RejectionPDU:
    return read_rejection(memoryview(pdu(ASSOCIATE_RJ, bytes([0, *values]))))


VALUES = [(), (2,), (1, 1), *itertools.product((0, 1, 2, 3, 255), repeat=3), (2, 3, 1, 9)]


@pytest.mark.parametrize("values", VALUES)
def test_pynetdicom_takes_what_is_made_of_it(values: tuple[int, ...]) -> None:
    decoded = A_ASSOCIATE_RJ()
    decoded.decode(bytearray(rejection(*values).data))
    assert decoded.to_primitive().result == (2 if values[:1] == (2,) else 1)


@pytest.mark.parametrize("values", VALUES)
def test_only_the_result_says_whether_it_is_for_a_while(values: tuple[int, ...]) -> None:
    assert rejection(*values).is_transient == (values[:1] == (2,))


@pytest.mark.parametrize(("values", "words"), [
    ((1, 2, 2), "rejects the association: Protocol version not supported"),
    ((2, 3, 1), "rejects the association: Temporary congestion"),
    ((1, 3, 7), "rejects it: result 1, source 3, reason 7"),
    ((), "rejects it: no result, no source, no reason"),
])  # fmt: skip
def test_values_of_the_standard_are_told_in_words_and_others_as_numbers(
    values: tuple[int, ...], words: str
) -> None:
    assert rejection(*values).words == words
