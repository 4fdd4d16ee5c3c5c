"""What cannot be read off the tree: digests at receipt, senders, times, commitments. Append-only.

One JSON object a line. Positions are numbers that only the journal itself makes sense of: later
lines have higher ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from storage.journal.segments import FolderJournal, Line

RECEIPTS, COMMITMENTS = "receipts", "commitments"
CORRECTIONS, PINS = "corrections", "pins"
ACCEPTED = "accepted"
STEPS = "steps"
ENTRIES, ORDERS = "entries", "orders"
MIGRATED = "migrated"


class Subject(NamedTuple):
    """What a line is of, and whether it begins what a later one of the same ends for good."""

    key: bytes
    is_begin: bool
    is_over: bool = True  # where it ends: nobody asks any more


class Journal(Protocol):
    """Lines by names, wherever they lie; safe to use by many threads and processes."""

    @property
    def folder(self) -> Path:
        """Where this node has what it makes of the lines."""

    @property
    def syncs(self) -> bool:
        """Whether what is written outlasts a power cut."""

    def prepare(self) -> None:
        """Make it ready to be written, while nobody else does. Raises OSError, ResourceError."""

    def identity(self) -> str:
        """What tells this journal from others; empty where it has none yet.

        Raises OSError, ResourceError.
        """

    def make_identity(self) -> str:
        """The same, made where there is none. Raises OSError, ResourceError."""

    def compacted(self, name: str) -> int:
        """Before what position lines may have gone, which an index of an earlier day lacks.

        Raises OSError, ResourceError.
        """

    def close(self) -> None:
        """Close what is open: for who does not keep it for as long as the process lasts."""

    def now(self) -> str:
        """The time, as the next line tells it."""

    def turn(self) -> AbstractContextManager[None]:
        """Have no other node add a line for the block, where several have the journal.

        Taken before the catalogue's turn. Raises ResourceError.
        """

    def append(self, name: str, **record: Any) -> None:
        """Add a line `name`, durably. Raises ResourceError."""

    def append_all(self, name: str, records: Iterable[dict[str, Any]]) -> None:
        """Add lines, durably and together. Raises ResourceError."""

    def names(self) -> list[str]:
        """Of what there are lines. Raises OSError, ResourceError."""

    def append_lines(self, name: str, texts: Sequence[bytes]) -> None:
        """Add lines as another journal has them, durably and together. Raises ResourceError."""

    def write_line(self, name: str, line: bytes) -> int:
        """Add a line of `line_of`; returns its number, for `sync`. Raises ResourceError."""

    def sync(self, name: str, number: int) -> None:
        """See that line `number`, and those before it, are durable. Raises ResourceError."""

    def sync_lines(self, name: str) -> None:
        """See that all lines `name` that anybody has written are durable. Raises OSError."""

    def size(self, name: str) -> int:
        """The position behind the last line of `name`. Raises ResourceError."""

    def state(self, name: str) -> object:
        """Another one wherever a line of `name` was added. Raises OSError, ResourceError."""

    def tail(self, name: str, position: int) -> str:
        """A digest of what lies before a position; empty where that is not there.

        Raises OSError, ResourceError.
        """

    def end_of_lines(self, name: str, start: int, most: int) -> int:
        """How far can be read from `start` on: the last line may be still to come.

        About `most` bytes are looked at. Raises ResourceError.
        """

    def pieces(self, name: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
        """From where to where whole lines lie, about `most` bytes at a time, up to `end`.

        Raises ResourceError.
        """

    def read(
        self, name: str, start: int = 0, end: int | None = None,
        may_be: Callable[[bytes], bool] = lambda text: True,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """The records of `name` from a position on, in the order of their writing.

        Of lines that `may_be` wanted, by their text. Raises ResourceError.
        """

    def lines(self, name: str, start: int = 0, end: int | None = None) -> Iterator[Line]:
        """The lines of `name` as they are, with their positions. Raises OSError, ResourceError."""

    def faults(self) -> list[str]:
        """What was done to it behind the back of who writes it."""


_elsewhere: dict[Path, Callable[[], Journal]] = {}


def journal_of(data: Path, sync: bool) -> Journal:
    """The journal of a data folder: its files, or what was put in their place."""
    elsewhere = _elsewhere.get(data)
    return elsewhere() if elsewhere else FolderJournal(data, sync)


def put_journal_elsewhere(data: Path, opened: Callable[[], Journal]) -> None:
    """Have the journal of a data folder be another, in this process and those that it forks."""
    _elsewhere[data] = opened
