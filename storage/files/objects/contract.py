"""What a store of objects does, wherever they lie."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.files import FileFacts

# An object's bytes: in memory, one part behind the other, or a file.
Source = Sequence[bytes | bytearray | memoryview] | Path


@dataclass(frozen=True)
class HeldObject:
    """What a store tells of an object; without `facts` it came there by other hands.

    `bytes` counts those of the whole file.
    """

    bytes: int
    facts: FileFacts | None


@dataclass(frozen=True)
class ListedObject:
    """An object as a list has it; `since`, in seconds since 1970, it lies there."""

    key: str
    bytes: int
    since: float


class ObjectStore(Protocol):
    """Objects by key, each whole or not there; safe to use from many threads, hosts and nodes.

    An object is never changed: what replaces it has a key of its own. Every method raises
    StoreError where the store does not do what is asked: as ResourceError it says what is wrong
    and what to do, as OSError it is one of those that reading a file raises.
    """

    name: str  # what a user knows it by

    def adopt(self, identity: str) -> None:
        """Have the store be an archive's, by its identity, where it is nobody's yet.

        Who removes what no row names would else remove what is another's. Raises StoreError, also
        where it is another archive's.
        """

    def identity(self) -> str:
        """Whose it is; empty: nobody's. Raises StoreError."""

    def put(self, key: str, source: Source, facts: FileFacts) -> None:
        """Have an object; it outlasts a power cut when this returns.

        Where that raises there may be one all the same, of which nobody knows. Raises StoreError,
        also where there is another object under the key, and OSError of a file.
        """

    def open(self, key: str) -> BinaryIO:
        """An object to be read and sought in, for the caller to close.

        Raises FileNotFoundError, StoreError; so may each read, where the object goes meanwhile.
        """

    def expect(self, keys: Iterable[str], whole: bool = True) -> None:
        """Begin to read objects that are opened soon, as far as the store finds that worthwhile.

        `whole`: all of each is going to be read.
        """

    def held(self, key: str) -> HeldObject:
        """What the store knows of an object. Raises FileNotFoundError, StoreError."""

    def remove(self, key: str) -> None:
        """Have no object under a key any more, whether there was one or not. Raises StoreError."""

    def list(self, *above: str) -> Iterator[ListedObject]:
        """All objects, or those of a study or series by UIDs, in no order. Raises StoreError."""

    def probe(self) -> None:
        """See that objects can be written, read, listed and removed here. Raises StoreError."""
