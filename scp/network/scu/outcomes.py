"""What a retrieve sends, for whom, and how each sub-operation ends."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from scp.copies.corrected import FEW_AHEAD
from storage import Location
from storage.diagnostics import Event, ResourceError

logger = logging.getLogger(__name__)

INTERNAL = "internal error, see the log"
# A pending response is due for every instance of few, else for every so many.
FEW = 50

Expect = Callable[[Sequence[Location]], Sequence[Location]]


def _as_they_are(coming: Sequence[Location]) -> Sequence[Location]:
    return coming


class Result(Enum):
    """How a sub-operation ended."""

    COMPLETED = auto()
    WARNED = auto()
    FAILED = auto()


class Cause(Enum):
    """What a sub-operation failed for."""

    INSTANCE = auto()  # it was refused, or could not be read or converted
    ASSOCIATION = auto()  # it ended meanwhile
    DESTINATION = auto()  # there was no association


@dataclass(frozen=True)
class SubOperationOutcome:
    """The end of one sub-operation, with words for log and Error Comment."""

    location: Location
    result: Result
    words: str = ""
    cause: Cause = Cause.INSTANCE
    status: int | None = None  # that was answered


@dataclass(frozen=True)
class Originator:
    """Who asked for the retrieve, as C-STORE requests of a C-MOVE say (PS3.7 9.1.1.1)."""

    title: str
    message_id: int
    priority: int
    named: bool  # of a C-MOVE; a C-GET's requests name none


class AssociationLost(Exception):
    """The association ended, or had to be ended, while it was needed; says how.

    `location` is the instance that was under way, if one was.
    """

    def __init__(self, words: str, location: Location | None = None) -> None:
        super().__init__(words)
        self.location = location


class Unsent:
    """Instances that are still to be sent, taken by several threads as they come to them."""

    def __init__(self, locations: Sequence[Location]) -> None:
        self._rest = iter(locations)
        self._count = len(locations)
        self._next: deque[Location] = deque()  # of these, the ones that are known already
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def take(self, expect: Expect = _as_they_are) -> Location | None:
        """The next one; None: another was faster, or it cannot be read which that is.

        `expect` is told of those behind it, a few at a time, and says how these are to be taken.
        """
        with self._lock:
            if len(self._next) <= FEW_AHEAD and (coming := self._read()):
                self._next += expect(coming)
            if not self._next:
                return None
            self._count -= 1
            return self._next.popleft()

    def _read(self) -> list[Location]:
        """Some more of the rest."""
        coming: list[Location] = []
        try:
            for location in islice(self._rest, min(FEW_AHEAD, self._count - len(self._next))):
                coming.append(location)
        except ResourceError as error:  # of the rest nobody knows which they are
            known = len(self._next) + len(coming)
            logger.error(Event("the rest is not sent", error, instances=self._count - known))
            self._count = known
        return coming

    def give_back(self, location: Location) -> None:
        """Have one back that was not sent; it is the next."""
        with self._lock:
            self._next.appendleft(location)
            self._count += 1


class Supply:
    """What is left to send, for one association."""

    def __init__(self, unsent: Unsent, stopped: threading.Event) -> None:
        self._unsent = unsent
        self._stopped = stopped

    def take(self, expect: Expect) -> Location | None:
        """The next instance."""
        return None if self._stopped.is_set() else self._unsent.take(expect)

    def give_back(self, location: Location) -> None:
        """Have one back that was not sent."""
        self._unsent.give_back(location)

    def is_stopped(self) -> bool:
        """Whether no more are to be sent."""
        return self._stopped.is_set()
