"""What waits for one destination, taken there: at its own pace, and until it is there."""

import logging
import threading
import time
from collections import Counter
from math import inf

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
# By how much shorter a wait for reports is that come elsewhere, while more is to be sent.
_IMPATIENCE = 10
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
        self._left: dict[tuple[str, str, str], QueuedInstance] = {}
        self._ended: Counter[Result | Cause] = Counter()
        self._bytes = 0
        self._last_error = ""
        self._tries, self._next_try = 0, 0.0
        self._commits: bool | None = None  # not known until it was asked
        self._unreported = 0  # how often it reported nothing at once, since it did
        self._gathers = False  # something was sent since it was asked
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
            items = self._to_send() if self._next_try <= now else []
            took = time.monotonic() - now
            if self._next_ask <= now:
                self._ask(is_busy=bool(items))
            if items:
                self._send(items)
            else:  # a queue that is long is not looked through all the time
                self._post.stopped.wait(max(LOOK_SECONDS, took * _REST))

    def _to_send(self) -> list[QueuedInstance]:
        """What a delivery left that was stopped to ask, else what is due."""
        left, self._left = self._left, {}
        return [*left.values()] or self._due()

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
        self._left = dict(self._items)
        self._ended.clear()
        self._bytes, self._last_error = 0, ""
        locations = [item.location for item in items]
        delivery = Delivery(
            self._post.origin, self._title, self._peer, locations, Pause(), self._note
        )
        try:
            for _ in delivery:
                if self._post.stopped.is_set() or self._is_ask_due:
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
            self._left.pop(outcome.location.uids, None)
            self._ended[outcome.cause if failed else outcome.result] += 1
            if failed:
                self._last_error = outcome.words
            else:
                self._bytes += outcome.location.file_bytes
                self._gather()
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
        if not lost:
            return
        self._left = {}
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

    def _gather(self) -> None:
        """Have it asked for what was sent a while after the first, however much follows."""
        if not self._gathers:
            self._gathers = True
            self._next_ask = max(self._next_ask, time.monotonic() + ASK_SECONDS)

    @property
    def _is_ask_due(self) -> bool:
        """Whether it is to be asked before more is sent: it may take one association at a time."""
        return self._gathers and self._commits is not False and self._next_ask <= time.monotonic()

    def _ask(self, is_busy: bool) -> None:
        """Have the destination commit to what it took, where it does that (PS3.4 J.3).

        `is_busy`: more waits to be sent, which has half of the time at least.
        """
        started = time.monotonic()
        self._expect_late_reports()
        self._gathers = commitment_requests.is_any(self._post.outbox, self._title)
        delay = ASK_SECONDS
        if self._gathers and self._commits is not False:
            try:
                self._request(*self._times(is_busy))
            except NotAskedError as error:
                delay = max(_delay(self._asks), time.monotonic() - started)
                self._asks += 1
                self._tell_not_asked(error, delay)
        now = time.monotonic()
        self._next_ask = now + max(delay, now - started)

    def _request(self, longest: float, patience: float) -> None:
        """Make requests. Raises NotAskedError."""
        outbox = self._post.outbox
        answer = commitment_scu.ask(self._post, self._title, self._peer, longest, patience)
        self._commits, self._asks = answer.commits, 0
        self._unreported = 0 if answer.reported else self._unreported + 1
        commitment_requests.granted(outbox, self._title)
        if not answer.commits:
            logger.info(
                Event("commitment not asked", "it commits to nothing", destination=self._title),
            )
            commitment_requests.not_asked(outbox, self._title)
        self._gathers = commitment_requests.is_any(outbox, self._title)

    def _times(self, is_busy: bool) -> tuple[float, float]:
        """How long requests may take, and reports: less where more waits and none ever came."""
        if not is_busy:
            return inf, commitment_scu.REPORT_SECONDS
        return ASK_SECONDS, commitment_scu.REPORT_SECONDS / min(self._unreported + 1, _IMPATIENCE)

    def _tell_not_asked(self, error: NotAskedError, delay: float) -> None:
        words = f"{self._title} at {self._peer.host}:{self._peer.port} {error}"
        commitment_requests.not_granted(self._post.outbox, self._title, words)
        logger.warning(
            Event(
                "commitment not asked",
                words,
                f"again in seconds={delay:g}",
                destination=self._title,
            )
        )

    def _expect_late_reports(self) -> None:
        """Have what no report came of for long asked for again."""
        if self._next_report > time.monotonic():
            return
        self._next_report = time.monotonic() + REPORT_SECONDS / 100
        again, given_up = commitment_requests.ask_again(
            self._post.outbox, self._title, REPORT_SECONDS, REPORTS
        )
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
