"""The forwarding process: it follows the journal, and has a thread for each destination.

Nothing that it does, or that a destination does to it, holds up a store.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from scp.config import Settings
from scp.forwarding.destination import DestinationSender
from scp.forwarding.journal_follower import JournalFollower
from scp.forwarding.notices import NoticeSender
from scp.forwarding.shared import ForwardingContext
from scp.forwarding.tellers import TELLERS
from scp.network.association import access
from scp.network.tls import Contexts
from scp.runtime import AuditTrail, child, log, memory, trail
from storage import Archive
from storage.diagnostics import Event, ResourceError
from storage.outbox import Outbox, database, standings

logger = logging.getLogger(__name__)

# What `ps` shows.
NAME = "forwarder"
# How soon the process is started again, at first, and where it ends again and again.
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 2.0, 60.0
# How long what is under way may take once it is to end.
GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
# Lower than that of the workers: who sends should not notice.
_NICENESS = 5


class Forwarder:
    """The process, seen from the supervisor, which calls `tend` every few seconds."""

    def __init__(self, settings: Settings, tls: Contexts) -> None:
        self._settings, self._tls = settings, tls
        # One at a time: two would send the same.
        self._processes = child.KeptProcesses(
            NAME, lambda _: _run(self._settings, self._tls), child.tell_end(NAME, logger),
            retry_seconds=(_RETRY_SECONDS, _MOST_RETRY_SECONDS), grace_seconds=GRACE_SECONDS + 1,
            takes_turns=True,
        )  # fmt: skip

    def begin(self) -> None:
        """Take the place in the journal where it begins; before the workers store."""
        data = self._settings.storage.path
        try:
            if self._settings.destinations:
                database.prepare(data, self._settings.storage.sync)
            else:
                database.leave(data)
        except (ResourceError, OSError) as error:
            logger.error("forwarding does not begin: %s", log.one_line(error))

    def tend(self) -> None:
        """Start it where it does not run, and see to its end where it should."""
        self._processes.tend(1 if self._settings.destinations else 0)

    def renew(self, settings: Settings, tls: Contexts) -> None:
        """Go by these settings from now on."""
        began = bool(self._settings.destinations)
        self._settings, self._tls = settings, tls
        if began != bool(settings.destinations):
            self.begin()
        self._processes.restart()

    def stop(self) -> None:
        """Have it end, and not start again."""
        self._processes.stop()

    def end(self) -> None:
        """Wait for its end."""
        self._processes.end()


def _run(settings: Settings, tls: Contexts) -> None:
    """The process. Raises where it cannot go on: another one begins anew."""
    memory.bound()
    os.nice(_NICENESS)
    storage = settings.storage
    database.prepare(storage.path, storage.sync)
    post = ForwardingContext(
        settings, tls, Archive(storage.path, storage.sync), Outbox(storage.path, storage.sync),
        AuditTrail(*trail(settings)),
    )  # fmt: skip
    if gone := post.outbox.drop_notices(settings.notices):
        logger.warning(Event("notices dropped", "nobody is to be told any more", to=",".join(gone)))
    waiting = {title: one.waiting for title, one in standings(post.outbox).items() if one.waiting}
    rules = sorted({title for rule in settings.forward for title in rule.to})
    work: list[Callable[[], None]] = [JournalFollower(post).run]
    for name, (title, kind) in settings.notices.items():
        work.append(NoticeSender(post, name, title, TELLERS[kind](post, title)).run)
    for title in sorted({*rules, *waiting} - settings.notices.keys()):
        peer = access.destination(settings, title)
        if peer is None:
            logger.warning(
                Event(
                    "forwarding waits",
                    "no host and port under [peers]",
                    destination=title,
                    instances=waiting[title],
                )
            )
            continue
        work.append(DestinationSender(post, title, peer).run)
    logger.info(
        Event("forwarding", to=",".join(settings.destinations), waiting=sum(waiting.values()))
    )
    _run_all(post, work)


def _run_all(post: ForwardingContext, work: list[Callable[[], None]]) -> None:
    """Do all at once until SIGTERM; raises what one of them raises."""
    raised: list[BaseException] = []

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # handed on below
            logger.debug("details", exc_info=True)
            raised.append(error)
            post.stopped.set()

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    # Blocked since the supervisor's start: it is waited for, and interrupts nothing.
    while not post.stopped.is_set() and not signal.sigtimedwait((signal.SIGTERM,), _LOOK_SECONDS):
        pass
    post.stopped.set()
    deadline = time.monotonic() + GRACE_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    if raised:
        logger.error("forwarding begins again: %s", log.one_line(raised[0]))
        raise raised[0]
