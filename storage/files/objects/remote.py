"""Objects behind an interface of the network's, by `obstore`: S3, and memory for tests."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from storage.files import FileFacts, FileStatus
from storage.files.objects.cache import CacheFolder
from storage.files.objects.contract import HeldObject, ListedObject, Source
from storage.files.objects.forks import using
from storage.files.objects.keys import MARK, TREE, uuid7
from storage.files.objects.metadata import facts_from, texts_of
from storage.files.objects.ranges import FIRST_BYTES, ObjectFile
from storage.files.objects.store_faults import Outage, StoreError, TakenError, told

if TYPE_CHECKING:
    from obstore import Attributes, GetResult
    from obstore.store import ObjectStore as Client

_Made = TypeVar("_Made")

# What is larger goes in parts; with each of these so much more is in memory.
_IN_ONE_BYTES = 8 << 20
_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
_MOST_PARTS = 10_000  # of S3
_READERS = 8
# Objects of which the beginning is read before they are asked for; of those that are read whole so
# much, than which most are no larger.
_EXPECTED = 8
_EXPECTED_BYTES = 1 << 20
_NANOSECONDS = 1_000_000_000
# Of what is read and of what is written once; a client asks again itself where it knows it may.
_TRIES = 2


@dataclass(frozen=True)
class _Beginning:
    status: FileStatus
    facts: FileFacts | None
    data: memoryview


class RemoteStore:
    """Objects by an `obstore` client, whose bounds in time and tries are its own.

    What was read is kept in `cache`, where there is one.
    """

    def __init__(self, client: "Client", name: str, cache: CacheFolder | None = None) -> None:
        self.name = name
        self._client = client
        self._cache = cache
        self._outage = Outage()
        self._readers = ThreadPoolExecutor(_READERS, "objects")
        self._expected: OrderedDict[str, Future[_Beginning]] = OrderedDict()
        self._lock = Lock()

    def adopt(self, identity: str) -> None:
        """By an object that is there once. Raises StoreError."""
        import obstore

        own = identity.encode()
        with suppress(TakenError):
            self._asked(lambda: obstore.put(self._client, MARK, own, mode="create"))
        if self.identity() != identity:
            words = "These are another archive's objects"
            raise StoreError(f"{words}: {self.name}; name another bucket or prefix", is_final=True)

    def identity(self) -> str:
        """By that object. Raises StoreError."""
        import obstore

        try:
            found = self._asked(lambda: obstore.get(self._client, MARK).bytes())
        except FileNotFoundError:
            return ""
        return bytes(found).decode(errors="replace")

    def put(self, key: str, source: Source, facts: FileFacts) -> None:
        """Have an object, sent at once or in parts. Raises StoreError, OSError of a file.

        Nobody else has its key: so it may be sent again where the answer got lost, and where it
        is found there then it came with what was sent first.
        """
        size = source.stat().st_size if isinstance(source, Path) else sum(map(len, source))
        send = self._send if size <= _IN_ONE_BYTES else self._send_in_parts
        held = HeldObject(size, facts)
        with self._outage.noted():
            for left in reversed(range(_TRIES)):
                try:
                    send(key, source, size, texts_of(facts))
                    return
                except StoreError as error:
                    # What is large is not sent again before it was looked for.
                    is_doubtful = isinstance(error, TakenError) or send == self._send_in_parts
                    if is_doubtful and self._has(key, held):
                        return
                    if error.is_final or not left:
                        raise

    def open(self, key: str) -> BinaryIO:
        """An object; raises FileNotFoundError, StoreError."""
        if self._cache and (kept := self._cache.open(key)):
            return kept
        begun = self._as_expected(key) or self._begin(key)

        def read(start: int, end: int) -> memoryview:
            return self._asked(lambda: self._range(key, start, end))

        taker = self._cache.keeping(key, begun.status) if self._cache else None
        made = ObjectFile(begun.status, begun.data, read, self._readers, taker)
        return cast(BinaryIO, made)

    def expect(self, keys: Iterable[str], whole: bool = True) -> None:
        """Read the beginnings of objects beside; of those that nobody opens the oldest go."""
        for key in keys:
            if self._cache and self._cache.has(key):
                continue
            with self._lock:
                if key not in self._expected:
                    most = _EXPECTED_BYTES if whole else FIRST_BYTES
                    begun = self._readers.submit(self._begin, key, most)
                    self._expected[key] = begun
                while len(self._expected) > _EXPECTED:
                    self._expected.popitem(last=False)[1].cancel()

    def _as_expected(self, key: str) -> _Beginning | None:
        """What was read before it was asked for; None: nothing, or the store failed then."""
        with self._lock:
            expected = self._expected.pop(key, None)
        with suppress(StoreError):
            return expected.result() if expected else None
        return None

    def held(self, key: str) -> HeldObject:
        """By asking for no bytes of it. Raises FileNotFoundError, StoreError."""
        return self._asked(lambda: self._held(key))

    def remove(self, key: str) -> None:
        """Raises StoreError."""
        import obstore

        with suppress(FileNotFoundError):
            self._asked(lambda: obstore.delete(self._client, key))
        if self._cache:
            self._cache.remove(key)

    def list(self, *above: str) -> Iterator[ListedObject]:
        """As they are asked for, a page at a time. Raises StoreError."""
        import obstore

        pages = self._once(lambda: iter(obstore.list(self._client, "/".join((TREE, *above)))))
        while page := self._once(lambda: next(pages, None)):
            for one in page:
                yield ListedObject(one["path"], one["size"], one["last_modified"].timestamp())

    def probe(self) -> None:
        """Write, read, list and remove a small object. Raises StoreError."""
        import obstore

        key, data = f"probe/{uuid7()}", b"minipacs"
        self._asked(lambda: obstore.put(self._client, key, data, mode="overwrite"))
        try:
            if bytes(self._asked(lambda: self._range(key, 0, len(data)))) != data:
                raise StoreError(f"The object store gives other bytes back: {self.name}")
            listed = self._once(lambda: next(iter(obstore.list(self._client, "probe")), []))
            if key not in (one["path"] for one in listed):
                raise StoreError(f"The object store does not list what it holds: {self.name}")
        except FileNotFoundError as error:
            raise StoreError(f"The object store has not what it was given: {self.name}") from error
        finally:
            self._asked(lambda: obstore.delete(self._client, key))

    def close(self) -> None:
        """Let go of what is being read beside."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _send(self, key: str, source: Source, size: int, texts: dict[str, str]) -> None:
        """Send all at once, unless there is something under the key.

        It is signed with a digest of its bytes (AWS Signature Version 4): none changes on the way.
        """
        import obstore

        whole = [source.read_bytes()] if isinstance(source, Path) else source
        self._once(lambda: obstore.put(
            self._client, key, whole, attributes=_attributes(texts), mode="create"
        ))  # fmt: skip

    def _send_in_parts(self, key: str, source: Source, size: int, texts: dict[str, str]) -> None:
        """Send it in parts, which the client takes back where one of them fails."""
        import obstore

        part = max(_PART_BYTES, -(-size // (_MOST_PARTS - 1)))
        try:
            self._once(lambda: obstore.put(
                self._client, key, source, attributes=_attributes(texts), use_multipart=True,
                chunk_size=part, max_concurrency=_PARTS_AT_ONCE,
            ))  # fmt: skip
        except FileNotFoundError as error:  # the upload: it was ended by what was asked before
            raise StoreError(f"The object store has no such upload: {self.name}") from error

    def _has(self, key: str, held: HeldObject) -> bool:
        """Whether an object is there although its sending failed."""
        try:
            return self._once(lambda: self._held(key)) == held
        except OSError:
            return False

    def _begin(self, key: str, most: int = FIRST_BYTES) -> _Beginning:
        return self._asked(lambda: self._beginning(key, most))

    def _beginning(self, key: str, most: int) -> _Beginning:
        import obstore

        found = obstore.get(self._client, key, options={"range": (0, most)})
        size, facts = found.meta["size"], facts_from(_texts(found))
        arrived = facts.arrived if facts else 0
        arrived = arrived or int(found.meta["last_modified"].timestamp() * _NANOSECONDS)
        data = self._whole(found, min(size, most))
        return _Beginning(FileStatus(size, arrived), facts, data)

    def _range(self, key: str, start: int, end: int) -> memoryview:
        import obstore

        found = obstore.get(self._client, key, options={"range": (start, end)})
        return self._whole(found, end - start)

    def _whole(self, found: "GetResult", size: int) -> memoryview:
        data = memoryview(cast(Any, found.bytes()))
        if len(data) != size:
            words = f"The object store gives {len(data)} bytes of {size}"
            raise StoreError(f"{words}: {self.name}; see to it, and to what lies between")
        return data

    def _held(self, key: str) -> HeldObject:
        import obstore

        found = obstore.get(self._client, key, options={"head": True})
        return HeldObject(found.meta["size"], facts_from(_texts(found)))

    def _asked(self, work: Callable[[], _Made]) -> _Made:
        """What reads, or may be done twice, again where it fails half-way."""
        with self._outage.noted():
            for _ in range(_TRIES - 1):
                try:
                    return self._once(work)
                except StoreError as error:
                    if error.is_final:
                        raise
            return self._once(work)

    def _once(self, work: Callable[[], _Made]) -> _Made:
        from obstore.exceptions import AlreadyExistsError, BaseError

        using()
        try:
            return work()
        except StoreError:
            raise
        except AlreadyExistsError as error:
            words = "There is another object under the key"
            raise TakenError(f"{words}: {self.name}", is_final=True) from error
        except (BaseError, FileNotFoundError, ValueError) as error:
            raise told(error, self.name) from error


def _attributes(texts: dict[str, str]) -> "Attributes":
    return cast("Attributes", {"Content-Type": "application/dicom", **texts})


def _texts(found: "GetResult") -> dict[str, str]:
    return {str(name): str(text) for name, text in found.attributes.items()}
