"""Who is told of studies that are here, once each is quiet: at its own pace, and until it took it.

A notice is an item of the queue, without an instance: it outlasts restarts, waits, fails and is
tried again as what is sent on. What comes to a study while it is told of makes another one.
"""

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from scp.forwarding.destination import ATTEMPTS, LOOK_SECONDS, RETRY_SECONDS
from scp.forwarding.shared import ForwardingContext
from storage.diagnostics import ArchiveError, Event
from storage.outbox import QueuedInstance

logger = logging.getLogger(__name__)

_MOST = 100  # thought of at a time


class NotToldError(Exception):
    """A receiver did not take a notice, and says why.

    `is_refused`: for what it is; else it may be taken later.
    """

    def __init__(self, words: str, is_refused: bool = False) -> None:
        super().__init__(words)
        self.is_refused = is_refused


class Teller(Protocol):
    """Tells one receiver of studies."""

    def tell(self, study: str) -> int:
        """Tell of a study as it is now; returns of how many instances, 0: it is held no more.

        Raises NotToldError, ArchiveError, OSError.
        """


@dataclass
class NoticeSender:
    """Tells one receiver, in a thread of its own; `name` is what the queue calls that."""

    post: ForwardingContext
    name: str
    title: str
    teller: Teller
    _tries: int = 0
    _next_try: float = 0.0

    def run(self) -> None:
        """Tell, until all is to stop. Raises ResourceError where the queue is broken."""
        # A study may go on in what came while nobody was told.
        while not self.post.followed.wait(LOOK_SECONDS) and not self.post.stopped.is_set():
            pass
        while not self.post.stopped.is_set():
            now = time.monotonic()
            if self._next_try > now and not self.post.outbox.is_blamed(self.name):
                self._tries, self._next_try = 0, now  # somebody wants it tried at once
            due = self.post.outbox.due(self.name, _MOST) if self._next_try <= now else []
            for item in due:
                if self.post.stopped.is_set() or not self._tell(item):
                    break
            if not due:
                self.post.stopped.wait(LOOK_SECONDS)

    def _tell(self, item: QueuedInstance) -> bool:
        """Tell of a study; whether the receiver is there to be told of more."""
        study, started = item.location.uids[0], time.monotonic()
        try:
            instances = self.teller.tell(study)
        except (NotToldError, ArchiveError, OSError) as error:
            self._note_failure(item, error)
            return not isinstance(error, NotToldError) or error.is_refused
        if not instances:
            self.post.outbox.drop(item)
            return True
        self._tries = 0
        self.post.outbox.sent(self.name, item, to_be_committed=False)
        logger.info(Event("told", to=self.name, study=study, instances=instances))
        self._audit(study, time.monotonic() - started, instances=instances)
        return True

    def _note_failure(self, item: QueuedInstance, error: Exception) -> None:
        study, words = item.location.uids[0], str(error)
        self.post.outbox.blame(self.name, words)
        if isinstance(error, NotToldError) and not error.is_refused:
            delay = _delay(self._tries)
            self._tries, self._next_try = self._tries + 1, time.monotonic() + delay
            told = Event("notices wait", words, f"again in seconds={delay:g}", to=self.name)
            logger.warning(told)
            return
        given_up = item.attempts + 1 >= ATTEMPTS
        again = None if given_up else _delay(item.attempts)
        self.post.outbox.failed(item, words, again)
        then = "given up" if again is None else f"again in seconds={again:g}"
        logger.warning(
            Event("not told", words, then, to=self.name, study=study, attempt=item.attempts + 1)
        )
        if given_up:
            self._audit(study, 0.0, outcome=words)

    def _audit(self, study: str, seconds: float, **more: object) -> None:
        self.post.audit.write(
            "notify", destination=self.name, studies=[study], seconds=round(seconds, 3), **more
        )


def _delay(attempt: int) -> float:
    return RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
