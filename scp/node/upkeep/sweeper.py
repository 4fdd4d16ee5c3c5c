"""Objects of a shared archive that are to go, and those that no row names: by one of its nodes."""

import logging
import os
import signal
import time

from scp.config import Settings
from scp.runtime import child
from storage.diagnostics import Event
from storage.sharing.nodes import turn
from storage.sharing.opened import shared_of
from storage.sharing.sweeping import look_through, remove_due

logger = logging.getLogger(__name__)

# How soon after a start, and how often from then on; by one of the nodes each time.
_FIRST_SECONDS = 300.0
_EVERY_SECONDS = 3600.0
# How often all objects are listed, each of which is a day old before anybody decides on it: 10^7
# take half an hour.
_LISTED_SECONDS = 86400.0
_NEARLY = 0.9


class Sweeper:
    """Has a process of its own do it; the supervisor calls `tend` every few seconds."""

    def __init__(self) -> None:
        self._process = 0
        self._due = time.monotonic() + _FIRST_SECONDS

    def tend(self, settings: Settings) -> None:
        """Do what is due."""
        if self._process and os.waitpid(self._process, os.WNOHANG)[0]:
            self._process = 0
        now = time.monotonic()
        if self._process or self._due > now:
            return
        self._due = now + _EVERY_SECONDS
        self._process = child.fork("objects not swept", lambda: run(settings))

    def end(self) -> None:
        """Have it end at once: what it has in hand goes the next time."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def run(settings: Settings) -> None:
    """Remove what is to go, and look for what no row names, where either is for this node to do.

    Raises ArchiveError.
    """
    child.be_nice()
    data = settings.storage.path
    with turn(data, "sweeping", _EVERY_SECONDS * _NEARLY) as is_ours:
        if is_ours and (removed := remove_due(shared_of(data))):
            logger.info(Event("objects swept", removed=removed))
    with turn(data, "listing", _LISTED_SECONDS * _NEARLY) as is_ours:
        if is_ours and any(vars(done := look_through(shared_of(data))).values()):
            logger.info(Event("objects without a row", **vars(done)))
