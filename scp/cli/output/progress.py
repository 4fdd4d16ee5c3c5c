"""How far a command is: a bar on a terminal, else a line in the log now and then."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

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


class Bar(Shown):
    """A progress bar on a terminal, with rate and time left."""

    wants_total = True

    def __init__(self, command: str, progress: Progress) -> None:
        super().__init__(command)
        self._progress = progress
        self._task: TaskID = progress.add_task("", total=None, unit="bytes")

    def begin(self, what: str, total: int, unit: str = "bytes") -> None:
        """What comes now, and how much of it there is, in bytes or files; 0: nobody knows."""
        description = escaped(what)
        self._progress.reset(self._task, description=description, total=total or None, unit=unit)

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._progress.advance(self._task, count)

    def name(self, what: str) -> None:
        """What is being done, in other words."""
        self._progress.update(self._task, description=escaped(what))

    def say(self, line: str) -> None:
        """Print a line to stdout, which may be the terminal that the bar is on."""
        self._progress.stop()
        say(line)
        self._progress.start()


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


class _Rate(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        """Files or bytes in a second."""
        speed = task.finished_speed or task.speed or 0.0
        bytes_in_all = task.fields["unit"] == "bytes"
        return Text(f"{size(speed)}/s" if bytes_in_all else f"{speed:,.0f} files/s")


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


@contextmanager
def shown(command: str) -> Iterator[Shown]:
    """What shows how far `command` is."""
    if not sys.stderr.isatty():
        yield Shown(command)
        return
    told = TextColumn("{task.description}", markup=False)  # `[red]` may be in a file's name
    columns = told, BarColumn(), _Rate(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        yield Bar(command, progress)
