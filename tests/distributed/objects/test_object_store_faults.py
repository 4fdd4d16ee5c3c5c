"""A bucket that fails: what was answered is there, what was not is told, and nothing waits on."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from typing import TypeVar
from uuid import uuid4

import pytest
from support.machine.seaweed import IMPATIENT, ScratchSeaweed, running_seaweed
from support.machine.store_proxy import StoreProxy, once_back

from storage.files import FileFacts
from storage.files.objects.contract import HeldObject
from storage.files.objects.keys import new_key
from storage.files.objects.remote import RemoteStore
from storage.files.objects.s3 import Bucket, open_bucket
from storage.files.objects.store_faults import StoreError

_Made = TypeVar("_Made")
UIDS = "1.2.3", "1.2.3.4", "1.2.3.4.5"
FACTS = FileFacts("1.2.840.10008.1.2.1", 12, "d" * 64, "ISO_IR 192", 1, "CT1", 2)
SMALL, LARGE = Random(1).randbytes(600_000), Random(2).randbytes(20 << 20)


@pytest.fixture
def proxy(seaweed: ScratchSeaweed) -> Iterator[StoreProxy]:
    made = StoreProxy(seaweed.endpoint)
    yield made
    made.close()


@pytest.fixture
def bucket(seaweed: ScratchSeaweed, proxy: StoreProxy) -> Bucket:
    """One behind the proxy."""
    return seaweed.bucket("shared", str(uuid4()), endpoint=proxy.endpoint)


@pytest.fixture
def store(bucket: Bucket) -> Iterator[RemoteStore]:
    made = open_bucket(bucket)
    yield made
    made.close()


@pytest.fixture
def behind(seaweed: ScratchSeaweed, bucket: Bucket) -> RemoteStore:
    """The same bucket, past the proxy."""
    return open_bucket(replace(bucket, endpoint=seaweed.endpoint))


def put(store: RemoteStore, data: bytes) -> str:
    key = new_key(UIDS)
    store.put(key, [data], FACTS)
    return key


def read(store: RemoteStore, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


def keys(store: RemoteStore) -> list[str]:
    return [one.key for one in store.list()]


PASSING = [
    {"status": 503, "code": "SlowDown"}, {"status": 500}, {"cut_request": True},
    {"cut_answer": True},
]  # fmt: skip


@pytest.mark.parametrize("fault", PASSING, ids=str)
@pytest.mark.parametrize(
    "data",
    [pytest.param(SMALL, id="at once"), pytest.param(LARGE, id="in parts", marks=pytest.mark.long)],
)
def test_what_passes_is_not_noticed_by_who_puts(
    store: RemoteStore, behind: RemoteStore, proxy: StoreProxy, data: bytes, fault: dict[str, str]
) -> None:
    key = new_key(UIDS)
    with proxy.happening(method="PUT", times=1, **fault) as happened:
        store.put(key, [data], FACTS)
    assert happened.happened == 1
    assert keys(behind) == [key]
    assert read(behind, key) == data
    assert behind.held(key) == HeldObject(len(data), FACTS)


@pytest.mark.long
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_upload_whose_end_is_not_answered_is_looked_for(
    store: RemoteStore, behind: RemoteStore, proxy: StoreProxy, method: str
) -> None:
    """Each question of it in turn: begun and ended, or its parts."""
    for past in range(3):
        key = new_key(UIDS)
        with proxy.happening(method=method, times=1, cut_answer=True, after=past):
            store.put(key, [LARGE], FACTS)
        assert behind.held(key) == HeldObject(len(LARGE), FACTS)
        assert read(behind, key) == LARGE


@pytest.mark.parametrize(
    "fault", [*PASSING, {"left_bytes": 1000}, {"left_bytes": 0}, {"short_bytes": 1000}], ids=str
)
@pytest.mark.parametrize("range_", ["bytes=0-", "bytes=262144-"], ids=["first", "next"])
def test_what_passes_is_not_noticed_by_who_reads(
    store: RemoteStore, proxy: StoreProxy, fault: dict[str, str], range_: str
) -> None:
    key = put(store, SMALL)
    with proxy.happening(method="GET", times=1, range_=range_, **fault) as happened:
        assert read(store, key) == SMALL
    assert happened.happened == 1


LASTING = [
    ({"status": 503, "code": "SlowDown"}, "busy"), ({"status": 500}, "fails"),
    ({"cut_request": True}, "connection"),
    ({"status": 403, "code": "RequestTimeTooSkewed"}, "NTP"),
    ({"status": 403, "code": "QuotaExceeded"}, "full"),
]  # fmt: skip
ASKED: dict[str, Callable[[RemoteStore, str], object]] = {
    "put": lambda store, _: put(store, SMALL),
    "put in parts": lambda store, _: put(store, LARGE),
    "open": lambda store, key: store.open(key),
    "held": lambda store, key: store.held(key),
    "list": lambda store, _: list(store.list()),
    "remove": lambda store, key: store.remove(key),
    "probe": lambda store, _: store.probe(),
    "adopt": lambda store, _: store.adopt("0" * 16),
}


@pytest.mark.parametrize(("fault", "words"), LASTING, ids=str)
def test_what_lasts_is_told_by_whatever_is_asked_and_passes_by_itself(
    store: RemoteStore, behind: RemoteStore, proxy: StoreProxy, fault: dict[str, str], words: str
) -> None:
    key = put(store, SMALL)

    def told(ask: Callable[[RemoteStore, str], object]) -> str:
        with pytest.raises(StoreError) as raised:
            ask(store, key)
        return str(raised.value)

    with proxy.happening(**fault), ThreadPoolExecutor(len(ASKED)) as threads:
        said = dict(zip(ASKED, threads.map(told, ASKED.values()), strict=True))
    bodiless = "held"  # an answer to HEAD has no code
    assert {name for name, text in said.items() if words not in text} <= {bodiless}
    assert all("s3://shared/" in text and proxy.endpoint in text for text in said.values())
    assert keys(behind) == [key]
    assert once_back(lambda: read(store, key)) == SMALL
    store.probe()


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_an_answer_that_does_not_come_is_asked_for_again(
    bucket: Bucket, proxy: StoreProxy, method: str
) -> None:
    store = open_bucket(replace(bucket, patience=IMPATIENT))
    with proxy.happening(method=method, times=1, stall=True) as happened:
        assert read(store, put(store, SMALL)) == SMALL
    assert happened.happened == 1


def test_answers_that_never_come_are_told(
    bucket: Bucket, behind: RemoteStore, proxy: StoreProxy
) -> None:
    store, key = open_bucket(replace(bucket, patience=IMPATIENT)), put(behind, SMALL)

    def told(ask: Callable[[RemoteStore, str], object]) -> str:
        with pytest.raises(StoreError) as raised:
            ask(store, key)
        return str(raised.value)

    with proxy.happening(stall=True), ThreadPoolExecutor(len(ASKED)) as threads:
        assert all("in time" in said for said in threads.map(told, ASKED.values()))
    assert keys(behind) == [key]


@pytest.mark.parametrize("fault", [{"left_bytes": 0}, {"short_bytes": 1000}], ids=str)
@pytest.mark.parametrize("range_", ["bytes=0-", "bytes=262144-"], ids=["first", "next"])
def test_an_object_that_is_cut_each_time_is_no_shorter_one(
    store: RemoteStore, proxy: StoreProxy, fault: dict[str, int], range_: str
) -> None:
    key = put(store, SMALL)
    with proxy.happening(method="GET", range_=range_, **fault), pytest.raises(StoreError):
        read(store, key)


@pytest.mark.parametrize("left", [1000, 100_000])
def test_an_answer_that_is_cut_again_and_again_is_gone_on_with_or_told(
    store: RemoteStore, proxy: StoreProxy, left: int
) -> None:
    key = put(store, SMALL)
    with proxy.happening(method="GET", left_bytes=left) as happened, suppress(StoreError):
        assert read(store, key) == SMALL
    assert happened.happened > 1
    assert once_back(lambda: read(store, key)) == SMALL


def test_an_upload_that_fails_leaves_no_parts(
    store: RemoteStore, behind: RemoteStore, proxy: StoreProxy, seaweed: ScratchSeaweed
) -> None:
    before = seaweed.uploads("shared")
    with (
        proxy.happening(method="PUT", status=403, code="AccessDenied", after=1),
        pytest.raises(StoreError, match="does not let these keys in"),
    ):
        put(store, LARGE)
    assert ("DELETE", True) in [(method, "uploadId=" in path) for method, path, _ in proxy.seen]
    assert keys(behind) == []
    assert seaweed.uploads("shared") == before


WRONG = [
    ({"access_key": "nobody"}, "does not know the access key"),
    ({"secret_key": "wrong"}, "the secret key wrong"),
    ({"access_key": "reader"}, "does not let these keys in"),
    ({"name": "missing"}, "The bucket is not there"),
    ({"name": "x"}, "such a name"),
    ({"endpoint": "http://127.0.0.1:1"}, "start it, or name another endpoint"),
    ({"endpoint": "http://no-such-host.invalid"}, "host is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("named", "words"), WRONG, ids=str)
def test_what_is_named_wrong_is_told(bucket: Bucket, named: dict[str, str], words: str) -> None:
    store = open_bucket(replace(bucket, **named))  # type: ignore[arg-type]
    for ask in (ASKED["probe"], ASKED["adopt"], ASKED["put"]):
        with pytest.raises(StoreError, match=words):
            ask(store, "")


def test_a_secret_is_in_no_words_of_a_bucket(bucket: Bucket) -> None:
    assert bucket.secret_key not in repr(bucket) + bucket.words


@pytest.mark.long
def test_a_full_bucket_is_told_and_keeps_what_it_has() -> None:
    with running_seaweed(volumes=1, volume_megabytes=8) as server:
        server.make_bucket("small")
        store = open_bucket(server.bucket("small"))
        stored: list[str] = []

        def fill() -> None:
            for _ in range(300):
                stored.append(put(store, SMALL))

        with pytest.raises(StoreError, match="s3://small at"):
            fill()
        assert len(stored) > 5
        assert all(read(store, key) == SMALL for key in stored)
        assert set(stored) <= set(keys(store))


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_a_store_that_is_killed_loses_nothing_that_it_answered(rounds: int) -> None:
    """Its process alone: SeaweedFS syncs nothing, which a power cut would tell."""
    with running_seaweed() as server:
        server.make_bucket("images")
        store = open_bucket(server.bucket("images"))
        stored: dict[str, bytes] = {}
        for number in range(rounds):
            kill_while_used(server, store, stored, number)
            server.start()
            stored[once_back(lambda: put(store, SMALL))] = SMALL
            for key, data in stored.items():
                assert once_back(partial(read, store, key)) == data
        assert set(stored) <= set(keys(store))


def kill_while_used(
    server: ScratchSeaweed, store: RemoteStore, stored: dict[str, bytes], number: int
) -> None:
    """Kill it in the midst of what four threads put and read."""
    enough, failed = threading.Semaphore(0), threading.Event()
    known, most = list(stored.items()), 9 << 20 if number else 500_000

    def use(seed: int) -> None:
        random = Random(seed)
        while not failed.is_set():
            try:
                data = random.randbytes(random.choice([5_000, 300_000, most]))
                stored[put(store, data)] = data
                if known:
                    key, expected = random.choice(known)
                    assert read(store, key) == expected
            except StoreError:
                failed.set()
            finally:
                enough.release()

    with ThreadPoolExecutor(4) as threads:
        used = [threads.submit(use, 4 * number + seed) for seed in range(4)]
        for _ in range(8 + number):
            enough.acquire(timeout=60)
        server.kill()
        for one in used:
            one.result(120)


@pytest.mark.long
def test_a_store_that_hangs_holds_nobody_up_for_ever_and_goes_on() -> None:
    with running_seaweed() as server:
        server.make_bucket("images")
        store = open_bucket(server.bucket("images", patience=IMPATIENT))
        key = put(store, SMALL)
        file = store.open(key)
        server.freeze()
        try:
            for ask in (ASKED["put"], ASKED["open"], ASKED["held"]):
                with pytest.raises(StoreError, match="in time"):
                    ask(store, key)
        finally:
            server.thaw()
        with file:

            def read_anew() -> bytes:
                file.seek(0)
                return file.read()

            assert once_back(read_anew) == SMALL
        assert read(store, once_back(lambda: put(store, SMALL))) == SMALL


def test_a_process_that_was_forked_from_one_that_used_a_store_is_told(store: RemoteStore) -> None:
    """It would hang, also with a client of its own."""
    key = put(store, SMALL)
    process = os.fork()
    if not process:
        told = 0
        for ask in (lambda: store.open(key), lambda: open_bucket(Bucket("b", "http://x", "", ""))):
            try:
                ask()
            except StoreError as error:
                told += "forked" in str(error)
        os._exit(told)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 2
    assert read(store, key) == SMALL
