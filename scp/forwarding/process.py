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
from scp.runtime import Attempts, AuditTrail, child, log, memory, trail
from storage import Archive
from storage.diagnostics import Event, ResourceError
from storage.outbox import Outbox, database, standings
from storage.sharing.nodes import LOOK_SECONDS, Jobs, Lease, LeaseLostError, jobs_of, turn
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

# What `ps` shows.
NAME = "forwarder"
# Of the nodes of one archive one has it at a time.
JOB = "forwarding"
# How soon the process is started again, at first, and where it ends again and again.
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 2.0, 60.0
# How long what is under way may take once it is to end.
GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_WAITS = "it cannot be seen which node forwards"
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
        data, sync = self._settings.storage.path, self._settings.storage.sync
        fault = ""
        try:
            if shared_place(data):  # of which this process opens nothing
                if self._settings.destinations:
                    fault = child.fault_apart(NAME, lambda: database.prepare(data, sync))
            elif self._settings.destinations:
                database.prepare(data, sync)
            else:
                database.leave(data)
        except (ResourceError, OSError) as error:
            fault = log.one_line(error)
        if fault:
            logger.error("forwarding does not begin: %s", fault)

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


def leave_queue(settings: Settings) -> bool:
    """Follow the journal no more, of several nodes once none does; whether that is so.

    Raises ResourceError.
    """
    with turn(settings.storage.path, JOB, 0.0) as is_ours:
        if is_ours:
            database.leave(settings.storage.path)
        return is_ours


def _run(settings: Settings, tls: Contexts) -> None:
    """The process. Raises where it cannot go on: another one begins anew."""
    memory.bound()
    os.nice(_NICENESS)
    storage = settings.storage
    database.prepare(storage.path, storage.sync)
    jobs = jobs_of(storage.path)
    if jobs is None:
        _forward(settings, tls, None)
    elif lease := _awaited(jobs):
        with lease:
            _forward(settings, tls, lease)


def _awaited(jobs: Jobs) -> Lease | None:
    """The job, once it is for this node of several to do; None where it is to end before."""
    attempts = Attempts()
    while True:
        try:
            if lease := jobs.take(JOB):
                return lease
            attempts.tell(_WAITS, "")
        except ResourceError as error:  # which may pass
            attempts.tell(_WAITS, log.one_line(error))
        if child.awaited((signal.SIGTERM,), LOOK_SECONDS):
            return None


def _forward(settings: Settings, tls: Contexts, lease: Lease | None) -> None:
    storage = settings.storage
    outbox = Outbox(storage.path, storage.sync, lease)
    post = ForwardingContext(
        settings, tls, Archive(storage.path, storage.sync), outbox, AuditTrail(*trail(settings)),
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
    _run_all(post, work, lease)


def _run_all(post: ForwardingContext, work: list[Callable[[], None]], lease: Lease | None) -> None:
    """Do all at once until SIGTERM; raises what one of them raises, and where a lease is lost."""
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
    while not post.stopped.is_set() and not child.awaited((signal.SIGTERM,), _LOOK_SECONDS):
        if lease and not lease.is_held:
            raised.append(LeaseLostError("another node may have the job by now"))
            break
    post.stopped.set()
    deadline = time.monotonic() + GRACE_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    if lease and any(thread.is_alive() for thread in threads):
        lease.leave_to_end()  # what is under way ends with the process, a moment later
    if raised:
        logger.error("forwarding begins again: %s", log.one_line(raised[0]))
        raise raised[0]
