"""What a store of objects promises, whichever it is: a bucket, a shared folder, memory."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import SEEK_CUR, SEEK_END
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from obstore.store import MemoryStore
from support.machine.ceph import ScratchCeph
from support.machine.seaweed import ScratchSeaweed

from storage.diagnostics import FolderError, ResourceError
from storage.files import FileFacts
from storage.files.digests import status_of
from storage.files.objects import remote
from storage.files.objects.cache import CacheFolder
from storage.files.objects.contract import HeldObject, ObjectStore
from storage.files.objects.keys import new_key, uids_of
from storage.files.objects.ranges import FIRST_BYTES
from storage.files.objects.remote import RemoteStore
from storage.files.objects.s3 import Bucket, open_bucket
from storage.files.objects.shared_folder import SharedFolder
from storage.files.objects.store_faults import StoreError, TakenError

UIDS = "1.2.3", "1.2.3.4", "1.2.3.4.5"
ARCHIVE = "0123456789abcdef"
FACTS = FileFacts(
    "1.2.840.10008.1.2.1", 12, "d" * 64, "ISO_IR 100\\ISO 2022 IR 87",
    1_700_000_000_123_456_789, "CT 1/Ä", 1_700_000_000_123,
)  # fmt: skip
STORES = ["folder", "bucket", "memory",
          *(pytest.param(name, marks=pytest.mark.long)
            for name in ("bucket with a cache", "bucket of Ceph"))]  # fmt: skip


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    kind = request.param
    made: ObjectStore
    if kind == "folder":
        made = SharedFolder(tmp_path)
    elif kind == "memory":
        made = RemoteStore(MemoryStore(), "memory")
    else:
        server: ScratchSeaweed | ScratchCeph = request.getfixturevalue(
            "ceph" if "Ceph" in kind else "seaweed"
        )
        cache = CacheFolder(tmp_path / "cache", 1 << 30) if "cache" in kind else None
        made = open_bucket(server.bucket("shared", f"{uuid4()}/of-test"), cache)
    made.adopt(ARCHIVE)
    yield made
    if isinstance(made, RemoteStore):
        made.close()


every_store = pytest.mark.parametrize("store", STORES, indirect=True)


def bytes_of(size: int) -> bytes:
    return Random(size).randbytes(size)


def put(store: ObjectStore, data: bytes, uids: tuple[str, str, str] = UIDS) -> str:
    key = new_key(uids)
    store.put(key, [data], FACTS)
    return key


def read(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


# Below, at and above what is read first, what is read at most, and what goes in one piece.
_MORE = [pytest.param(size, marks=pytest.mark.long) for size in (132, 8 << 20, 20 << 20)]
SIZES = [1, FIRST_BYTES, FIRST_BYTES + 1, 3_000_000, (8 << 20) + 1, *_MORE]


@every_store
@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_read(store: ObjectStore, size: int) -> None:
    data = bytes_of(size)
    key = put(store, data)
    for _ in range(2):  # from the cache, if there is one
        with store.open(key) as file:
            assert status_of(file).bytes == size
            assert status_of(file).arrived == FACTS.arrived
            assert sha256(file.read()).digest() == sha256(data).digest()
            assert not file.read(1)
    assert store.held(key) == HeldObject(size, FACTS)


@every_store
@pytest.mark.parametrize("size", [1_000, (8 << 20) + 1])
def test_a_file_and_parts_in_memory_are_put_alike(
    store: ObjectStore, size: int, tmp_path: Path
) -> None:
    data = bytes_of(size)
    (tmp_path / "spooled").write_bytes(data)
    of_file, of_parts = new_key(UIDS), new_key(UIDS)
    store.put(of_file, tmp_path / "spooled", FACTS)
    store.put(of_parts, [data[:300], bytearray(data[300:500]), memoryview(data)[500:]], FACTS)
    assert read(store, of_file) == read(store, of_parts) == data


@every_store
def test_a_file_is_read_from_any_place(store: ObjectStore) -> None:
    data, random = bytes_of(2_500_000), Random(1)
    key = put(store, data)
    with store.open(key) as file:
        assert file.readable()
        assert file.seekable()
        assert file.seek(0, SEEK_END) == len(data)
        assert file.read() == b""
        for _ in range(60):
            at, size = random.randrange(len(data) + 10), random.choice([0, 1, 8, 5_000, 700_000])
            assert file.seek(at) == file.tell() == at
            assert file.read(size) == data[at : at + size]
        file.seek(-10, SEEK_END)
        file.seek(-10, SEEK_CUR)
        assert file.read() == data[-20:]
        buffer = bytearray(1_000_000)
        file.seek(200_000)
        count = file.readinto(buffer)  # type: ignore[attr-defined]
        assert buffer[:count] == data[200_000 : 200_000 + count]
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)


@every_store
def test_many_read_and_put_at_once(store: ObjectStore) -> None:
    def work(number: int) -> str:
        key = put(store, data := bytes_of(400_000 + number), ("1.2", "1.2.3", f"1.2.3.{number}"))
        assert read(store, key) == data
        return key

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(work, range(24)))
    assert {one.key for one in store.list()} == set(keys)


@every_store
def test_who_asks_for_what_is_not_there_is_told(store: ObjectStore) -> None:
    key = new_key(UIDS)
    with pytest.raises(FileNotFoundError) as raised:
        store.open(key)
    assert raised.value.strerror
    with pytest.raises(FileNotFoundError):
        store.held(key)
    store.remove(key)


@every_store
def test_what_is_removed_is_gone_and_nothing_else(store: ObjectStore) -> None:
    first, second = put(store, b"first"), put(store, b"second")
    assert read(store, first) == b"first"
    store.remove(first)
    with pytest.raises(FileNotFoundError):
        store.open(first)
    assert read(store, second) == b"second"
    assert [one.key for one in store.list()] == [second]
    store.remove(second)
    store.remove(second)
    assert list(store.list()) == []
    assert read(store, put(store, b"third")) == b"third"


@every_store
def test_an_object_takes_the_place_of_no_other(store: ObjectStore) -> None:
    key = put(store, b"one")
    with pytest.raises(TakenError):
        store.put(key, [b"another"], FileFacts("1.2", 1, "e" * 64))
    assert read(store, key) == b"one"
    assert store.held(key) == HeldObject(3, FACTS)


@every_store
def test_of_one_instance_there_may_be_many(store: ObjectStore) -> None:
    keys = [put(store, bytes_of(number)) for number in range(1, 6)]
    assert len(set(keys)) == 5
    assert {uids_of(key) for key in keys} == {UIDS}
    assert [len(read(store, key)) for key in keys] == [1, 2, 3, 4, 5]


@every_store
def test_objects_are_listed_by_what_they_are_below(store: ObjectStore) -> None:
    of_uids = {
        uids: put(store, bytes_of(50), uids)
        for uids in [UIDS, ("1.2.3", "1.2.3.9", "1.1"), ("1.2.30", "1.2.3.4", "1.1")]
    }
    assert {one.key for one in store.list()} == set(of_uids.values())
    assert {one.bytes for one in store.list()} == {50}
    by_study = [one.key for one in store.list("1.2.3")]
    assert sorted(by_study) == sorted(key for uids, key in of_uids.items() if uids[0] == "1.2.3")
    assert [one.key for one in store.list("1.2.3", "1.2.3.4")] == [of_uids[UIDS]]
    assert list(store.list("9.9")) == []
    (one,) = store.list("1.2.30")
    (again,) = store.list("1.2.30")
    assert one.since == again.since > FACTS.received / 1000


@pytest.mark.long
@every_store
def test_more_objects_than_one_page_are_listed(store: ObjectStore) -> None:
    """S3 gives 1,000 of them at once."""
    wanted = 1_001 if store.name.startswith("s3:") else 30
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: put(store, b"x"), range(wanted)))
    assert {one.key for one in store.list()} == keys


@every_store
def test_what_is_expected_is_read_as_what_is_not(store: ObjectStore) -> None:
    data = [bytes_of(300_000 + number) for number in range(12)]
    keys = [put(store, one) for one in data]
    gone = new_key(UIDS)
    store.expect([gone, *keys])
    assert [read(store, key) for key in keys] == data
    with pytest.raises(FileNotFoundError):
        store.open(gone)


@every_store
def test_a_store_belongs_to_one_archive(store: ObjectStore) -> None:
    put(store, b"one")
    store.adopt(ARCHIVE)
    with pytest.raises(ResourceError, match="another archive's"):
        store.adopt("f" * 16)
    store.adopt(ARCHIVE)


@every_store
def test_a_store_is_tried_out_without_a_trace(store: ObjectStore) -> None:
    key = put(store, b"one")
    store.probe()
    assert [one.key for one in store.list()] == [key]


def test_a_bucket_without_what_it_takes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(FolderError, match=r'pip install "minipacs\[s3\]"'):
        open_bucket(Bucket("images", "http://127.0.0.1:1", "key", "secret"))


@pytest.mark.long
@pytest.mark.parametrize("size", [5 << 30])
def test_more_than_5_gb_are_put_from_a_file_and_read(
    seaweed: ScratchSeaweed, tmp_path: Path, size: int
) -> None:
    """S3 takes no more than that at once. All of it is a hole, but for its ends."""
    path = tmp_path / "spooled"
    with path.open("wb") as file:
        file.write(b"first")
        file.truncate(size)
        file.seek(0, SEEK_END)
        file.write(b"last")
    store, key = open_bucket(seaweed.bucket("shared", str(uuid4()))), new_key(UIDS)
    store.put(key, path, FACTS)
    assert store.held(key) == HeldObject(size + 4, FACTS)
    with store.open(key) as file:
        assert file.read(7) == b"first\0\0"
        file.seek(-6, SEEK_END)
        assert file.read() == b"\0\0last"
        file.seek(3 << 30)
        assert file.read(10 << 20) == bytes(10 << 20)
    store.remove(key)


def test_a_large_object_is_never_in_memory_as_a_whole(seaweed: ScratchSeaweed) -> None:
    store = open_bucket(seaweed.bucket("shared", str(uuid4())))
    asked: list[int] = []
    once = remote.RemoteStore._range

    def ranged(self: RemoteStore, key: str, start: int, end: int) -> memoryview:
        asked.append(end - start)
        return once(self, key, start, end)

    key = put(store, data := bytes_of(30 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote.RemoteStore, "_range", ranged)
        assert read(store, key) == data
    assert max(asked) == 4 << 20
    assert sum(asked) + FIRST_BYTES == len(data)


def test_who_reads_a_header_asks_once(seaweed: ScratchSeaweed) -> None:
    store = open_bucket(seaweed.bucket("shared", str(uuid4())))
    key = put(store, bytes_of(3_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote.RemoteStore, "_range", None)
        with store.open(key) as file:
            file.read(64 << 10)
            file.seek(0)
            assert len(file.read(100 << 10)) == 100 << 10


def test_what_failed_before_it_was_asked_for_is_asked_again() -> None:
    store = RemoteStore(MemoryStore(), "memory")
    key = put(store, b"one")
    begun = threading.Event()

    def fail(*_: object) -> None:
        begun.set()
        raise StoreError("The object store is busy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_begin", fail)
        store.expect([key])
        assert begun.wait(30)
    assert read(store, key) == b"one"
    store.close()


def test_threads_end_with_their_store_and_its_files_are_read_to_their_end() -> None:
    store = RemoteStore(MemoryStore(), "memory")
    data = bytes_of(3_000_000)
    key = put(store, data)
    store.expect([new_key(UIDS)])
    with store.open(key) as file:
        store.close()
        assert file.read(100_000) + file.read() == data
    for thread in threading.enumerate():
        if thread.name.startswith("objects"):
            thread.join(30)
            assert not thread.is_alive()
