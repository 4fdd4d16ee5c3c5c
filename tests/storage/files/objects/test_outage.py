"""A store that is away: one call looks whether it is back, others fail at once."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from storage.files.objects.s3 import Bucket, Patience, open_bucket
from storage.files.objects.store_faults import Outage, StoreError


class Clock:
    """A time that passes where it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Calls:
    """Calls of a store, each of which takes a time of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._outage = Outage(self.clock)

    def end(
        self, error: Exception | None, seconds: float = 1, then: Callable[[], object] = bool
    ) -> str:
        """How a call ends that fails so, behind `then`: or whether it asks the store at all."""
        try:
            with self._outage.noted():
                then()
                self.clock.now += seconds
                if error:
                    raise error
        except (StoreError, FileNotFoundError) as raised:
            return "failed" if raised is error else f"not asked: {raised}"
        return "answered"


def away() -> StoreError:
    return StoreError("no store answers", is_away=True)


@pytest.mark.parametrize(("took", "rests"), [(0.5, 0.5), (4, 4), (60, 5)])
def test_while_a_store_is_away_nobody_asks_it_for_as_long_as_a_look_took(
    took: float, rests: float
) -> None:
    calls = Calls()
    assert calls.end(away(), took) == "failed"
    calls.clock.now += rests - 0.1
    assert calls.end(None) == "not asked: no store answers"
    calls.clock.now += 0.2
    assert calls.end(None) == "answered"
    assert calls.end(None) == "answered"


def test_one_looks_and_others_fail_meanwhile_until_it_is_back() -> None:
    calls = Calls()
    calls.end(away())
    calls.clock.now += 2
    others: list[str] = []
    assert calls.end(away(), then=lambda: others.append(calls.end(None))) == "failed"
    assert others == ["not asked: no store answers"]
    calls.clock.now += 2
    assert calls.end(StoreError("busy")) == "failed"  # who looked has ended; it is back
    assert calls.end(None, then=lambda: others.append(calls.end(None))) == "answered"
    assert others[1:] == ["answered"]


@pytest.mark.parametrize("answer", [StoreError("busy"), FileNotFoundError(), None], ids=str)
def test_a_call_that_fails_beside_one_that_is_answered_is_no_outage(
    answer: Exception | None,
) -> None:
    calls = Calls()
    assert calls.end(away(), then=lambda: calls.end(answer)) == "failed"
    assert calls.end(None) == "answered"


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
    endpoint: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if each connection took a second."""
    url, connections = endpoint
    patience = Patience(connect=1, answer=1, request=2, tries=1, trying=1)
    store = open_bucket(Bucket("images", url, "key", "secret", patience=patience))
    clock = Clock()
    monkeypatch.setattr(store, "_outage", Outage(lambda: clock.now + connections[0]))
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
