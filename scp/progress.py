"""How far a command is: a bar on a terminal, else a line in the log now and then."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

logger = logging.getLogger(__name__)

_LOG_SECONDS = 15


class Shown:
    """Logs now and then how far `command` is; `say` prints a line."""

    wants_total = False  # whether it is worth while to count first

    def __init__(self, command: str) -> None:
        self._command = command
        self._what, self._total, self._done = "", 0, 0
        self._logged = time.monotonic()

    def begin(self, what: str, total: int) -> None:
        """What comes now, and how many bytes of it there are; 0: nobody knows."""
        self._what, self._total, self._done = what, total, 0

    def advance(self, count: int) -> None:
        """How many bytes more are done."""
        self._done += count
        if time.monotonic() - self._logged < _LOG_SECONDS:
            return
        self._logged = time.monotonic()
        of = f" of={self._total}" if self._total else ""
        logger.info("%s %s bytes=%d%s", self._command, self._what, self._done, of)

    def name(self, what: str) -> None:
        """What is being done, in other words."""
        self._what = what

    def say(self, line: str) -> None:
        """Print a line to stdout."""
        typer.echo(line)


class Bar(Shown):
    """A progress bar on a terminal, with rate and time left."""

    wants_total = True

    def __init__(self, command: str, progress: Progress) -> None:
        super().__init__(command)
        self._progress = progress
        self._task: TaskID = progress.add_task("", total=None)

    def begin(self, what: str, total: int) -> None:
        """What comes now, and how many bytes of it there are; 0: nobody knows."""
        self._progress.reset(self._task, description=what, total=total or None)

    def advance(self, count: int) -> None:
        """How many bytes more are done."""
        self._progress.advance(self._task, count)

    def name(self, what: str) -> None:
        """What is being done, in other words."""
        self._progress.update(self._task, description=what)

    def say(self, line: str) -> None:
        """Print a line to stdout, which may be the terminal that the bar is on."""
        self._progress.stop()
        typer.echo(line)
        self._progress.start()


@contextmanager
def shown(command: str) -> Iterator[Shown]:
    """What shows how far `command` is."""
    if not sys.stderr.isatty():
        yield Shown(command)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        yield Bar(command, progress)
