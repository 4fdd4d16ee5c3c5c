"""A store that is away: one call looks whether it is back, others fail at once."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from storage.files.objects.s3 import Bucket, Patience, open_bucket
from storage.files.objects.store_faults import Outage, StoreError


def away() -> StoreError:
    return StoreError("no store answers", is_away=True)


def call(outage: Outage, error: Exception | None, then: Callable[[], object] = bool) -> str:
    """How a call ends that fails so, behind `then`: or whether it asks the store at all."""
    try:
        with outage.noted():
            then()
            if error:
                raise error
    except (StoreError, FileNotFoundError) as raised:
        return "failed" if raised is error else f"not asked: {raised}"
    return "answered"


def test_while_a_store_is_away_nobody_asks_it_until_it_is_time_to_look() -> None:
    outage = Outage(rest_seconds=3600)
    assert call(outage, away()) == "failed"
    assert call(outage, None) == "not asked: no store answers"


def test_one_looks_and_others_fail_meanwhile_until_it_is_back() -> None:
    outage = Outage(rest_seconds=0)
    call(outage, away())
    others: list[str] = []
    call(outage, away(), lambda: others.append(call(outage, None)))
    assert others == ["not asked: no store answers"]
    assert call(outage, StoreError("busy")) == "failed"  # who looked has ended; it is back
    assert call(outage, None, lambda: others.append(call(outage, None))) == "answered"
    assert others[1:] == ["answered"]


@pytest.mark.parametrize("answer", [StoreError("busy"), FileNotFoundError(), None], ids=str)
def test_a_call_that_fails_beside_one_that_is_answered_is_no_outage(
    answer: Exception | None,
) -> None:
    outage = Outage(rest_seconds=3600)
    call(outage, away(), lambda: call(outage, answer))
    assert call(outage, None) == "answered"


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[int]]]:
    """Where connections are ended at once, and how many there were."""
    count = [0]

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            count[0] += 1
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", count
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_of_many_objects_the_first_alone_waits_for_a_store_that_is_away(
    endpoint: tuple[str, list[int]],
) -> None:
    url, connections = endpoint
    patience = Patience(connect=1, answer=1, request=2, tries=1, trying=1)
    store = open_bucket(Bucket("images", url, "key", "secret", patience=patience))
    with pytest.raises(StoreError) as first:
        store.open("tree/1/2/3.dcm")
    asked = connections[0]
    assert asked
    for number in range(20):
        with pytest.raises(StoreError) as other:
            store.open(f"tree/1/2/{number}.dcm")
        assert str(other.value) == str(first.value)
    assert connections[0] == asked
    store.close()
