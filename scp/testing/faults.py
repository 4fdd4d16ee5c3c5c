"""What can be made to go wrong between a program and the node that it is tested against."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from scp.network.dimse import Status

ASSOCIATION = "association"


class Fault(StrEnum):
    """What happens to an association that is asked for, or to a request over one.

    REFUSE and BUSY are answers, of the association or of the request: no, and not now. STALL is
    no answer, until it is cleared. ABORT ends the association, or keeps it from beginning.
    """

    REFUSE = "refuse"
    BUSY = "busy"
    STALL = "stall"
    ABORT = "abort"


# Result, source and reason of the A-ASSOCIATE-RJ (PS3.8 table 9-21).
REJECTIONS = {
    Fault.REFUSE: (1, 1, 7),  # for good: the called AE title is not recognized
    Fault.BUSY: (2, 3, 2),  # for now: local limit exceeded
}
# The status of a response, by the service that is asked for.
STATUSES: dict[str, dict[Fault, Status]] = {
    "C-ECHO": {Fault.REFUSE: Status.SOP_CLASS_NOT_SUPPORTED},
    "C-STORE": {Fault.REFUSE: Status.NOT_AUTHORIZED, Fault.BUSY: Status.OUT_OF_RESOURCES},
    "C-FIND": {Fault.REFUSE: Status.SOP_CLASS_NOT_SUPPORTED, Fault.BUSY: Status.OUT_OF_RESOURCES},
    "C-MOVE": {Fault.REFUSE: Status.NOT_AUTHORIZED, Fault.BUSY: Status.UNABLE_TO_COUNT_MATCHES},
    "C-GET": {Fault.REFUSE: Status.NOT_AUTHORIZED, Fault.BUSY: Status.UNABLE_TO_COUNT_MATCHES},
    "N-ACTION": {Fault.REFUSE: Status.NOT_AUTHORIZED, Fault.BUSY: Status.RESOURCE_LIMITATION},
    "N-EVENT-REPORT": {},
}
# Requests that the node makes of the program: those it can only keep from being answered.
_OF_NODE = frozenset({Fault.STALL, Fault.ABORT})


@dataclass
class Injected:
    """A fault that was asked for; as a context manager it is cleared behind the block.

    `happened` is how often it has come to pass, `due` is set with the first time.
    """

    fault: Fault
    on: str
    after: int
    times: int | None
    happened: int = 0
    due: threading.Event = field(default_factory=threading.Event)
    cleared: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.clear()

    def clear(self) -> None:
        """Let it happen no more; what it stalls goes on."""
        self.cleared.set()

    def happens(self) -> bool:
        """Whether it happens now, as one more is asked for of what it is on."""
        if self.cleared.is_set() or self.happened == self.times:
            return False
        if self.after:
            self.after -= 1
            return False
        self.happened += 1
        self.due.set()
        return True


class Faults:
    """Those of one node, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._injected: list[Injected] = []
        self._lock = threading.Lock()

    def inject(self, fault: str, on: str, after: int, times: int | None) -> Injected:
        """Raises ValueError for what is no fault, or none that can happen to what is named."""
        made = Injected(_fault_of(fault), _checked_on(on), after, times)
        has_answer = made.fault in (REJECTIONS if on == ASSOCIATION else STATUSES[on])
        if made.fault not in _OF_NODE and not has_answer:
            raise ValueError(f"{on}: has no answer that says {made.fault}")
        with self._lock:
            self._injected.append(made)
        return made

    def due(self, on: str, by_node: bool = False) -> Injected | None:
        """What happens to an association or a request that is asked for now.

        `by_node`: the node asks, as for the sub-operations of a C-GET.
        """
        with self._lock:
            of_this = (one for one in self._injected if one.on == on)
            possible = (one for one in of_this if not by_node or one.fault in _OF_NODE)
            return next((one for one in possible if one.happens()), None)

    def clear(self) -> None:
        """Let nothing happen any more; what is stalled goes on."""
        with self._lock:
            for one in self._injected:
                one.clear()
            self._injected.clear()


def _fault_of(name: str) -> Fault:
    return Fault(_one_of(name, Fault))


def _checked_on(name: str) -> str:
    return _one_of(name, (ASSOCIATION, *STATUSES))


def _one_of(name: str, names: Iterable[str]) -> str:
    if name not in (known := [str(one) for one in names]):
        raise ValueError(f"{name}: takes one of {', '.join(known)}")
    return name
