"""What the index asks of the database that it lies in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from storage.index.engines.added_keys import AddedKeys
from storage.index.engines.added_values import AddedValues
from storage.index.engines.statements import Statements
from storage.journal import Journal

# Ends what is under way by raising.
Stop = Callable[[], None]


def never() -> None:
    """Do not stop."""


class Engine(Statements, Protocol):
    """A database, with a connection for each thread; safe to use from many threads."""

    @property
    def entered(self) -> dict[Any, Any]:
        """What was entered while the rows above instances were only added to.

        For `storage.index.entities`, in a transaction that writes. An UPDATE or DELETE of such a
        row, by whomever, empties it; so does a transaction that is taken back.
        """

    @property
    def added_keys(self) -> AddedKeys:
        """The keys that were added to it."""

    @property
    def added_values(self) -> AddedValues:
        """The values that it holds for these."""

    def connect(self) -> None:
        """Have a connection for the calling thread. Raises ResourceError."""

    def execute_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that gives nothing, with each of some rows of values."""

    def stream(self, statement: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of a statement, as they are asked for."""

    def reading(self) -> AbstractContextManager[None]:
        """Turn a failure to read the index into ResourceError."""

    def at_one_time(self) -> AbstractContextManager[None]:
        """Have several statements see one state of the index."""

    def write(self, work: Callable[[], None]) -> None:
        """Run what writes in such a transaction, which may be that of other threads' works too.

        It may be run by one of them, and twice; it is committed when this returns. Raises as
        `writing`, and what the work raises, which takes nothing from the others.
        """

    def interruptible(self, stop: Stop) -> AbstractContextManager[None]:
        """Ask `stop` while the calling thread's statements run; what it raises ends them."""

    def connected(self) -> AbstractContextManager[None]:
        """Have the calling thread's connection end with the block."""

    def close_thread(self) -> None:
        """Close the calling thread's connection."""

    def make_lasting(self) -> None:
        """See that all that can be read by now outlasts a crash of the database.

        Where others may see what was written before it does, and a file is not behind each row.
        Raises ResourceError.
        """

    def sync_commits(self) -> None:
        """Have a commit of the calling thread outlast a power cut, from now on."""

    def mark(self, journal: Journal, name: str, position: int) -> None:
        """Note how far it holds the lines `name` of a journal, where that lies apart from it.

        Raises OSError, ResourceError.
        """

    def version(self) -> int:
        """The number that tells which tables these are; 0: they are not whole yet."""

    def set_version(self, version: int) -> None:
        """Set it."""
