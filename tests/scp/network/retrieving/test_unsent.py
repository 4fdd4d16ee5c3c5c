"""What is left to send: taken one by one, and told of a little before its turn."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pytest

from scp.network.scu.outcomes import Unsent
from storage import Location
from storage.diagnostics import ResourceError

ALL = [Location(("1", "2", str(number)), "1.2", "1.2.1", 0, "", "") for number in range(11)]


class Torn(list[Location]):
    """Locations of which the rest cannot be read."""

    def __iter__(self) -> Iterator[Location]:
        yield from islice(super().__iter__(), 6)
        raise ResourceError("the index is gone")


def taken(unsent: Unsent) -> list[Location]:
    return list(iter(unsent.take, None))


@pytest.mark.parametrize("count", range(len(ALL) + 1))
def test_all_are_taken_in_their_order_and_told_of_once_before(count: int) -> None:
    told: list[Location] = []

    def expect(coming: Sequence[Location]) -> Sequence[Location]:
        assert 0 < len(coming) < len(ALL) - 1
        told.extend(coming)
        return [replace(one, key=f"key {one.uids[2]}") for one in coming]

    unsent = Unsent(ALL[:count])
    for number in range(count):
        assert len(unsent) == count - number
        one = unsent.take(expect)
        assert one == replace(ALL[number], key=f"key {number}")
        assert told == ALL[: len(told)]
        assert len(told) > min(number + 2, count - 1)
    assert (unsent.take(expect), len(unsent)) == (None, 0)


def test_what_is_given_back_is_the_next() -> None:
    unsent = Unsent(ALL)
    first = unsent.take()
    assert first
    unsent.give_back(first)
    assert len(unsent) == len(ALL)
    assert taken(unsent) == ALL


def test_of_a_rest_that_cannot_be_read_what_is_known_is_taken() -> None:
    unsent = Unsent(Torn(ALL))
    assert taken(unsent) == ALL[:6]
    assert len(unsent) == 0
