"""How far a command is: a line in the log now and then."""

import logging
import time

from scp.cli.output.printing import say
from storage.diagnostics import Event, escaped

logger = logging.getLogger(__name__)

_LOG_SECONDS = 15
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class Shown:
    """Logs now and then how far `command` is; `say` prints a line."""

    wants_total = False  # whether it is worth while to count first

    def __init__(self, command: str) -> None:
        self._command = command
        self._what, self._total, self._unit, self._done = "", 0, "bytes", 0
        self._logged = time.monotonic()

    def begin(self, what: str, total: int, unit: str = "bytes") -> None:
        """What comes now, and how much of it there is, in bytes or files; 0: nobody knows."""
        self._what, self._total, self._unit, self._done = what, total, unit, 0

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._done += count
        if time.monotonic() - self._logged < _LOG_SECONDS:
            return
        self._logged = time.monotonic()
        counts = {self._unit: self._done, "of": self._total or None}
        logger.info(Event(f"{self._command} {escaped(self._what)}", **counts))

    def name(self, what: str) -> None:
        """What is being done, in other words."""
        self._what = what

    def say(self, line: str) -> None:
        """Print a line to stdout."""
        say(line)


class FileProgress:
    """Tells a `Shown` of files: called with how many are done and how many there are."""

    def __init__(self, progress: Shown, what: str) -> None:
        self._progress = progress
        self._what = what
        self._done = -1

    def __call__(self, done: int, of: int) -> None:
        """So many are done."""
        if self._done < 0:
            self._progress.begin(self._what, of, "files")
            self._done = 0
        self._progress.advance(done - self._done)
        self._done = done


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
