"""What `minipacs check` shows: faults as lines or as JSON, and how far it is."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scp.settings import Settings
from storage import Archive
from storage.checking import check, counts, held_bytes
from storage.database import index_path
from storage.errors import FolderError
from storage.faults import Fault
from storage.upkeep import fault_of_index

logger = logging.getLogger(__name__)

_LOG_SECONDS = 15
_HELD = {"patient": "patients", "study": "studies", "series": "series", "image": "instances"}


def run(settings: Settings, repair: bool, as_json: bool) -> int:
    """Check, and show what is found; returns how many faults are left. Raises ArchiveError."""
    storage = settings.storage
    _look_at(settings)
    archive = Archive(storage.path, storage.sync)
    found: list[Fault] = []
    faults = left = 0
    try:
        with _progress() as shown:
            for fault in check(archive, storage.charset, repair, shown):
                faults += 1
                left += not fault.mended
                if as_json:
                    found.append(fault)
                else:
                    shown.say(str(fault))
        held, size = counts(archive), held_bytes(archive)
    finally:
        archive.close_thread()
    if as_json:
        document: dict[str, Any] = {"held": {_HELD[level]: n for level, n in held.items()}}
        document["held"]["bytes"] = size
        document["faults"] = [fault.as_json() for fault in found]
        typer.echo(json.dumps(document, indent=2))
    else:
        entities = ", ".join(f"{level}={count}" for level, count in held.items())
        mended = f", mended={faults - left}, left={left}" if repair else ""
        typer.echo(f"held {entities}, faults={faults}{mended}")
    return left


def _look_at(settings: Settings) -> None:
    """Raise FolderError unless there is a data folder with an index that is whole."""
    data = settings.storage.path
    where = f"{settings.source}: [storage] path: {data}"
    try:
        for folder in (data, data / "tree"):
            next(folder.iterdir(), None)
    except OSError as error:
        raise FolderError(f"{where}: {error.filename or data}: {error.strerror}") from error
    if fault := fault_of_index(index_path(data), look_through=False):
        raise FolderError(f"{data}: index {fault}; `minipacs rebuild` makes it anew")


class Shown:
    """Logs now and then how far a check is; `say` prints a line."""

    def __init__(self) -> None:
        self._what, self._total, self._done = "", 0, 0
        self._logged = time.monotonic()

    def begin(self, what: str, total: int) -> None:
        """What comes now, and how much of it there is; 0: nobody knows."""
        self._what, self._total, self._done = what, total, 0

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._done += count
        if time.monotonic() - self._logged < _LOG_SECONDS:
            return
        self._logged = time.monotonic()
        of = f" of={self._total}" if self._total else ""
        logger.info("check %s bytes=%d%s", self._what, self._done, of)

    def say(self, line: str) -> None:
        """Print a line to stdout."""
        typer.echo(line)


class Bar(Shown):
    """A progress bar on a terminal."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def begin(self, what: str, total: int) -> None:
        """What comes now, and how much of it there is; 0: nobody knows."""
        self._progress.reset(self._task, description=what, total=total or None)

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._progress.advance(self._task, count)

    def say(self, line: str) -> None:
        """Print a line to stdout, which may be the terminal that the bar is on."""
        self._progress.stop()
        typer.echo(line)
        self._progress.start()


@contextmanager
def _progress() -> Iterator[Shown]:
    if not sys.stderr.isatty():
        yield Shown()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        yield Bar(progress)
