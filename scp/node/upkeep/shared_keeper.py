"""What is to be done for an archive that several nodes share, while this one serves.

There is nothing to catch up with: what was committed is the truth. All that takes the database is
done by a process of its own, so that the supervisor never waits for one that does not answer.
"""

import logging
import signal
import time

from scp.config import Settings
from scp.node.upkeep.membership import Membership
from scp.runtime import Attempts, child, memory
from storage.journal import Journal, journal_of, keep_near

logger = logging.getLogger(__name__)

NAME = "upkeep"  # what `ps` shows
LOOK_SECONDS = 5.0
# Has it end for another that comes in its place, with other settings.
_RENEW = signal.SIGHUP
_RETRY_SECONDS, _MOST_RETRY_SECONDS = 2.0, 60.0
_GRACE_SECONDS = 2.0


class SharedKeeper:
    """The process, seen from the supervisor, which calls `tend` every few seconds."""

    is_whole = True  # what answers is told by who asks it

    def __init__(self, settings: Settings, run: int) -> None:
        """`run`: as which one of the nodes it serves."""
        self._settings = settings
        self._processes = child.KeptProcesses(
            NAME, lambda _: _run(self._settings, run), child.tell_end(NAME, logger),
            retry_seconds=(_RETRY_SECONDS, _MOST_RETRY_SECONDS), grace_seconds=_GRACE_SECONDS,
            takes_turns=True, to_renew=(_RENEW, _GRACE_SECONDS),
        )  # fmt: skip

    def begin(self, charset: str) -> None:
        """Nothing is to be waited for."""

    def left_behind(self) -> None:
        """Nothing is: of what was not committed nobody was told."""

    def tend(self, charset: str) -> None:
        """Start it where it does not run."""
        self._processes.tend(1)

    def renew(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings
        self._processes.restart()

    def end(self) -> None:
        """Wait for its end."""
        self._processes.end()


def _run(settings: Settings, run: int) -> None:
    """Look, until SIGTERM, or until another one comes in its place."""
    child.be_nice()
    memory.bound()
    data, attempts = settings.storage.path, Attempts()
    journal = journal_of(data, sync=False)
    membership = Membership(settings, run)
    # Blocked since the supervisor's start: they are waited for, and interrupt nothing.
    while not (told := signal.sigtimedwait((signal.SIGTERM, _RENEW), LOOK_SECONDS)):
        membership.tend()
        attempts.attempt("the journal's catalogue is behind", lambda: _read(journal), None)
    if told.si_signo == signal.SIGTERM:
        membership.leave()


def _read(journal: Journal) -> None:
    """Have the catalogue tell what the journal does: who asks it first then waits for none."""
    while keep_near(journal):
        time.sleep(0)
