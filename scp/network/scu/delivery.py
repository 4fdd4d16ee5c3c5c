"""The associations that take instances to a destination: for a C-MOVE (PS3.4 C.4.2.2) or not."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from scp.config import Peer, Settings
from scp.copies.corrected import Copies
from scp.network.association import NoAssociationError, Obstacle, Proposal, associate
from scp.network.scu.batches import batches
from scp.network.scu.outcomes import (
    FEW,
    INTERNAL,
    AssociationLost,
    Cause,
    Originator,
    Result,
    SubOperationOutcome,
    Supply,
    Unsent,
)
from scp.network.scu.patience import pauses
from scp.network.scu.store import Sender
from scp.network.tls import Contexts
from scp.runtime import one_line
from storage import Location
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# How often the requestor is thought of while nothing happens.
_TICK_SECONDS = 0.1
# How long a destination may hold up the final response with its A-RELEASE-RP.
_RELEASE_SECONDS = 1.0


class _NotReachedError(AssociationLost):
    """There was no association, and another attempt would not make one."""


class _BusyError(_NotReachedError):
    """The destination takes no association just now."""


class _NotTakenError(_NotReachedError):
    """The destination is there, and takes none of what it was to get."""


# What may be otherwise a moment later is tried once more.
_OF_OBSTACLES = {
    Obstacle.NOTHING_ACCEPTED: _NotTakenError,
    Obstacle.BUSY: _BusyError,
    Obstacle.UNREACHABLE: AssociationLost,
    Obstacle.ENDED: AssociationLost,
}


class Waiting(Protocol):
    """What the thread that iterates waits in."""

    def step(self, seconds: float) -> object:
        """Wait, for so long at most."""

    def wake(self) -> None:
        """End the wait, or the next one; from any thread."""


class Pause:
    """Waiting where there is no association to look after meanwhile."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def step(self, seconds: float) -> object:
        """Wait, for so long at most."""
        self._event.wait(seconds)
        self._event.clear()
        return None

    def wake(self) -> None:
        """End the wait, or the next one; from any thread."""
        self._event.set()


@dataclass(frozen=True)
class Origin:
    """What is sent from, and in whose name."""

    settings: Settings
    tls: Contexts
    copies: Copies
    originator: Originator


class Delivery:
    """Sends instances to a destination, in threads of its own, `sends` at once.

    Iterate for the outcomes, and for None when nothing has happened for a while. One association
    that is lost is opened once more; what no association is left for has failed.

    `note` is called with each outcome before anything else is sent on its association.
    """

    def __init__(
        self,
        origin: Origin,
        title: str,
        peer: Peer,
        locations: Sequence[Location],
        waiting: Waiting,
        note: Callable[[SubOperationOutcome], None] = lambda outcome: None,
    ) -> None:
        self._note = note
        self._origin = origin
        self._title = title
        self._peer = peer
        self._batches = batches(locations, peer.transfer_syntaxes)
        self._outcomes: deque[SubOperationOutcome | None] = deque()
        # Who reports needs not be woken more often than a response is due: of many, for the first
        # one and then for every so many.
        self._batch = 1
        self._next_batch = 1 if len(locations) <= FEW else FEW
        self._waiting = waiting
        self._stopped = threading.Event()
        self._reconnect = threading.Semaphore(1)
        self._asking_again = threading.Lock()
        self._loss, self._cause = "", Cause.DESTINATION

    def stop(self) -> None:
        """Send no more; what is under way still ends."""
        self._stopped.set()

    def __iter__(self) -> Iterator[SubOperationOutcome | None]:
        for proposals, held in self._batches:
            if self._stopped.is_set():
                return
            lanes = [
                threading.Thread(target=self._run, args=(proposals, held), daemon=True)
                for _ in range(min(self._peer.sends, len(held)))
            ]
            for lane in lanes:
                lane.start()
            yield from self._drain(len(lanes))
            while not self._stopped.is_set() and (location := held.take()):
                left = SubOperationOutcome(location, Result.FAILED, self._loss, self._cause)
                self._note(left)
                yield left
            # A destination may take one association at a time; but none waits for its release.
            for lane in lanes:
                lane.join(_RELEASE_SECONDS)

    def _drain(self, running: int) -> Iterator[SubOperationOutcome | None]:
        """The outcomes of the lanes, until all have ended; each puts None when it does."""
        while running:
            if not self._outcomes:
                # What a requestor sends, a C-CANCEL, ends the wait too.
                self._waiting.step(_TICK_SECONDS)
            if not self._outcomes:
                yield None
                continue
            outcome = self._outcomes.popleft()
            if outcome is None:
                running -= 1
                continue
            yield outcome

    def _put(self, outcome: SubOperationOutcome | None) -> None:
        if outcome:
            self._note(outcome)
        self._outcomes.append(outcome)
        if outcome is None or len(self._outcomes) >= self._batch:
            self._batch = self._next_batch
            self._waiting.wake()

    def _run(self, proposals: list[Proposal], held: Unsent) -> None:
        """A lane: an association, and one more where it is lost, until nothing is held."""
        sender = None
        try:
            while held and not self._stopped.is_set():
                try:
                    if sender := self._connect_when_free(proposals, held):
                        self._send_over(sender, held)
                except _NotReachedError:
                    raise
                except AssociationLost:
                    sender = None
                    if not self._reconnect.acquire(blocking=False):
                        raise
        except AssociationLost as error:
            self._loss = self._told(error)
            taken = not isinstance(error, _NotTakenError)
            self._cause = Cause.DESTINATION if taken else Cause.INSTANCE
        except Exception as error:
            logger.error(Event("delivery failed", one_line(error), destination=self._title))
            self._loss = INTERNAL
        finally:
            self._put(None)
        if sender:
            sender.release()

    def _connect_when_free(self, proposals: list[Proposal], held: Unsent) -> Sender | None:
        """As `_connect`, and asked again while the destination is busy; None: nothing is left.

        One lane asks again at a time. A destination may count all that ask as associations: of
        one that takes a single one, lanes that ask together would each be rejected, for ever.
        """
        asked = pauses(self._origin.settings, self._peer)
        try:
            return self._connect(proposals)
        except _BusyError as error:
            refusal = error
        with self._asking_again:
            for pause in asked:
                self._rest(pause, held)
                if not held or self._stopped.is_set():
                    return None
                try:
                    return self._connect(proposals)
                except _BusyError as error:
                    refusal = error
        raise refusal

    def _rest(self, seconds: float, held: Unsent) -> None:
        """Wait, while there is something left that others do not send meanwhile."""
        until = time.monotonic() + seconds
        while held and not self._stopped.is_set() and time.monotonic() < until:
            self._stopped.wait(_TICK_SECONDS)

    def _send_over(self, sender: Sender, held: Unsent) -> None:
        # Of several lanes none takes more than it sends: another might be without work.
        ahead = self._peer.sends == 1
        try:
            for outcome in sender.send_all(Supply(held, self._stopped), ahead):
                self._put(outcome)
        except AssociationLost as error:
            # It may be what ended the association, so it is not tried again.
            if error.location:
                words = self._told(error)
                self._put(
                    SubOperationOutcome(error.location, Result.FAILED, words, Cause.ASSOCIATION)
                )
            raise

    def _told(self, error: AssociationLost) -> str:
        # An Error Comment has 64 characters (PS3.7 C.1): what it is comes before where.
        return f"{self._title} {error} ({self._peer.host}:{self._peer.port})"

    def _connect(self, proposals: list[Proposal]) -> Sender:
        """A sender on an association with the destination. Raises AssociationLost."""
        if not proposals:
            raise _NotTakenError("is offered none of the stored transfer syntaxes by [peers]")
        origin, peer = self._origin, self._peer
        try:
            association = associate(origin.settings, origin.tls, self._title, peer, proposals)
        except NoAssociationError as error:
            raise _OF_OBSTACLES.get(error.obstacle, _NotReachedError)(str(error)) from error
        return Sender(
            association,
            origin.copies,
            origin.originator,
            peer.dimse_timeout or origin.settings.limits.dimse_timeout,
            self._stopped.is_set,
        )
