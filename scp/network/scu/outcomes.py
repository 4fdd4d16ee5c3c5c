"""What a retrieve sends, for whom, and how each sub-operation ends."""

import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from storage import Location

INTERNAL = "internal error, see the log"
# A pending response is due for every instance of few, else for every so many.
FEW = 50


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


class Supply:
    """What is left to send, for one association."""

    def __init__(self, held: deque[Location], stopped: threading.Event) -> None:
        self._held = held
        self._stopped = stopped

    def take(self) -> Location | None:
        """The next instance."""
        if self._stopped.is_set():
            return None
        try:
            return self._held.popleft()
        except IndexError:  # another lane was faster
            return None

    def give_back(self, location: Location) -> None:
        """Have one back that was not sent."""
        self._held.appendleft(location)

    def is_stopped(self) -> bool:
        """Whether no more are to be sent."""
        return self._stopped.is_set()
