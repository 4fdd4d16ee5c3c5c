"""What waits for one destination, taken there: at its own pace, and until it is there."""

import logging
import threading
import time
from collections import Counter

from scp.config import Peer
from scp.forwarding import commitment_scu
from scp.forwarding.commitment_scu import NotAskedError
from scp.forwarding.shared import ForwardingContext
from scp.network.scu import Cause, Delivery, Pause, Result, SubOperationOutcome
from scp.runtime import MANY
from storage.diagnostics import Event
from storage.outbox import QueuedInstance, commitment_requests, is_held

logger = logging.getLogger(__name__)

# Between attempts, the last of these again and again: of an instance, and of a destination.
RETRY_SECONDS = (5.0, 15.0, 60.0, 180.0, 300.0)
# How often an instance is sent that its destination refuses for what it is.
ATTEMPTS = 4
# How often the queue is looked at, while nothing comes.
LOOK_SECONDS = 0.25
# How long what was sent is gathered before the destination is asked to commit to it.
ASK_SECONDS = 5.0
# How long a report may take, and how often it is asked for.
REPORT_SECONDS, REPORTS = 4 * 3600.0, 3
# How much longer than a look took it is until the next.
_REST = 20
# Instances that are thought of at a time.
_MOST = 500
_OUT_OF_RESOURCES = range(0xA700, 0xA800)  # PS3.4 B.2.3


class DestinationSender:
    """Sends to one destination, in a thread of its own."""

    def __init__(self, post: ForwardingContext, title: str, peer: Peer) -> None:
        self._post = post
        self._title = title
        self._peer = peer
        self._lock = threading.Lock()  # the lanes of a delivery note what they sent
        self._items: dict[tuple[str, str, str], QueuedInstance] = {}
        self._ended: Counter[Result | Cause] = Counter()
        self._bytes = 0
        self._last_error = ""
        self._tries, self._next_try = 0, 0.0
        self._commits: bool | None = None  # not known until it was asked
        self._asks, self._next_ask = 0, time.monotonic() + ASK_SECONDS
        self._next_report = 0.0

    def run(self) -> None:
        """Send, until all is to stop. Raises ResourceError where queue or archive are broken."""
        # A study may go on in what came while nothing was sent.
        while not self._post.followed.wait(LOOK_SECONDS) and not self._post.stopped.is_set():
            pass
        while not self._post.stopped.is_set():
            now = time.monotonic()
            if self._next_try > now and not self._post.outbox.is_blamed(self._title):
                self._tries, self._next_try = 0, now  # somebody wants it tried at once
            if self._next_try <= now and (items := self._due()):
                self._send(items)
                continue
            # A queue that is long is not looked through all the time.
            took = time.monotonic() - now
            if self._next_ask <= now:
                self._ask()
            self._post.stopped.wait(max(LOOK_SECONDS, took * _REST))

    def _due(self) -> list[QueuedInstance]:
        """What can be sent now; what is held no more is forgotten."""
        found = []
        for item in self._post.outbox.due(self._title, _MOST):
            if is_held(self._post.archive, item.location):
                found.append(item)
            else:
                self._post.outbox.drop(item)
        return found

    def _send(self, items: list[QueuedInstance]) -> None:
        started = time.monotonic()
        self._items = {item.location.uids: item for item in items}
        self._ended.clear()
        self._bytes, self._last_error = 0, ""
        locations = [item.location for item in items]
        delivery = Delivery(
            self._post.origin, self._title, self._peer, locations, Pause(), self._note
        )
        try:
            for _ in delivery:
                if self._post.stopped.is_set():
                    delivery.stop()
        finally:
            delivery.stop()
        self._tell(time.monotonic() - started)
        self._set_pace()

    def _note(self, outcome: SubOperationOutcome) -> None:
        """Write down what became of an instance, before another is sent."""
        item = self._items[outcome.location.uids]
        failed = outcome.result is Result.FAILED
        with self._lock:
            self._ended[outcome.cause if failed else outcome.result] += 1
            if failed:
                self._last_error = outcome.words
            else:
                self._bytes += outcome.location.file_bytes
        if not failed:
            self._post.outbox.sent(self._title, item, self._commits is not False)
        elif outcome.cause is not Cause.DESTINATION:
            self._fail(item, outcome)

    def _fail(self, item: QueuedInstance, outcome: SubOperationOutcome) -> None:
        busy = outcome.status in _OUT_OF_RESOURCES
        for_good = not busy and outcome.cause is Cause.INSTANCE and item.attempts + 1 >= ATTEMPTS
        delay = None if for_good else _delay(item.attempts)
        self._post.outbox.failed(item, outcome.words, delay)
        logger.warning(
            Event(
                "not forwarded",
                outcome.words,
                "given up" if delay is None else f"again in seconds={delay:g}",
                destination=self._title,
                instance=item.location.uids[2],
                attempt=item.attempts + 1,
            )
        )

    def _tell(self, seconds: float) -> None:
        """For log, audit trail and statistics."""
        ended, sent = self._ended, self._sent
        if self._last_error:
            self._post.outbox.blame(self._title, self._last_error)
        refused = ended[Cause.INSTANCE] + ended[Cause.ASSOCIATION]
        if not sent + refused:
            return
        logger.info(
            Event(
                "forwarded",
                destination=self._title,
                sent=ended[Result.COMPLETED],
                failed=refused,
                warned=ended[Result.WARNED],
                left=len(self._items) - sent - refused,
                bytes=self._bytes,
                seconds=seconds,
            )
        )
        studies = list(dict.fromkeys(study for study, _, _ in self._items))[:MANY]
        self._post.audit.write(
            "forward", destination=self._title, studies=studies, sent=sent,
            failed=refused, warned=ended[Result.WARNED], bytes=self._bytes,
            seconds=round(seconds, 3),
        )  # fmt: skip

    @property
    def _sent(self) -> int:
        return self._ended[Result.COMPLETED] + self._ended[Result.WARNED]

    def _set_pace(self) -> None:
        """Give a destination time that is not there, or takes nothing at all."""
        lost = self._ended[Cause.DESTINATION] + self._ended[Cause.ASSOCIATION]
        if self._sent:
            self._tries = 0
            self._next_ask = max(self._next_ask, time.monotonic() + ASK_SECONDS)
        if not lost:
            return
        delay = _delay(self._tries)
        self._tries, self._next_try = self._tries + 1, time.monotonic() + delay
        logger.warning(
            Event(
                "forwarding waits",
                self._last_error,
                f"again in seconds={delay:g}",
                destination=self._title,
            )
        )

    def _ask(self) -> None:
        """Have the destination commit to what it took, where it does that (PS3.4 J.3)."""
        self._next_ask = time.monotonic() + ASK_SECONDS
        outbox = self._post.outbox
        if self._next_report <= time.monotonic():
            self._next_report = time.monotonic() + REPORT_SECONDS / 100
            self._tell_late(
                *commitment_requests.ask_again(outbox, self._title, REPORT_SECONDS, REPORTS)
            )
        if self._commits is False or not commitment_requests.is_any(outbox, self._title):
            return
        try:
            self._commits = commitment_scu.ask(self._post, self._title, self._peer)
            self._asks = 0
        except NotAskedError as error:
            delay = _delay(self._asks)
            self._asks, self._next_ask = self._asks + 1, time.monotonic() + delay
            words = f"{self._title} at {self._peer.host}:{self._peer.port} {error}"
            outbox.blame(self._title, words)
            logger.warning(
                Event(
                    "commitment not asked",
                    words,
                    f"again in seconds={delay:g}",
                    destination=self._title,
                )
            )
        if self._commits is False:
            logger.info(
                Event("commitment not asked", "it commits to nothing", destination=self._title),
            )
            commitment_requests.not_asked(outbox, self._title)

    def _tell_late(self, again: int, given_up: int) -> None:
        if again or given_up:
            logger.warning(
                Event(
                    "commitment not reported",
                    destination=self._title,
                    asked_again=again,
                    given_up=given_up,
                )
            )


def _delay(attempt: int) -> float:
    return RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
