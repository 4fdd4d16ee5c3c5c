"""Keys that are added to the index while the node serves, and the values that it holds for them.

The command writes down what is decided; here it is looked for, and done by a process of its own,
which may take as long as it takes to read each header once.
"""

import logging
import os
import signal
import time
from pathlib import Path

from scp.runtime import child, log
from storage.archive.finding import key_filling
from storage.diagnostics import Event

logger = logging.getLogger(__name__)

# How soon what failed is tried again.
_RETRY_SECONDS = 30.0


class KeyFiller:
    """For the supervisor, which calls `tend` every few seconds."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process = 0
        self._next_try = 0.0

    def tend(self) -> None:
        """Begin where something is to be done. Raises ResourceError."""
        if self._process:
            self._reap()
        if self._process or self._next_try > time.monotonic():
            return
        if key_filling.is_due(self._data):
            self._process = child.fork("index keys not filled", self._fill)

    def end(self) -> None:
        """End what is under way: it goes on from there the next time."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def _reap(self) -> None:
        found, status = os.waitpid(self._process, os.WNOHANG)
        if found:
            self._process = 0
            if status:  # it has said why
                self._next_try = time.monotonic() + _RETRY_SECONDS

    def _fill(self) -> None:
        child.be_nice()
        start = time.monotonic()
        key_filling.fill(self._data, log.LoggedProgress("filling the keys of the index"))
        logger.info(Event("index keys filled", seconds=time.monotonic() - start))
