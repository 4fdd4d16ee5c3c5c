"""`minipacs import`: files from disk through the same door as C-STORE, by several processes."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    ownership,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import FileProgress, Shown, say, shown
from scp.config import Settings
from scp.network.dimse import sop_classes
from scp.node import archive_to_store, open_to_store
from scp.runtime import MANY, child, tell
from storage.archive import Importer, ImportSource, Taken, UnusablePath, under
from storage.diagnostics import ArchiveError, ResourceError
from storage.files import words_of
from storage.maintenance.recovery import settle_index

app = Commands()

# Who sent it, for the journal.
SENDER = "import"
# One process takes, and syncs, so much at once.
_CHUNK_FILES, _CHUNK_BYTES = 64, 32 << 20

# What became of sources, and why not all were tried.
Result = tuple[list[Taken], str]


def _found(paths: list[Path]) -> list[Path]:
    """The paths, which lead to something that can be seen; else the command ends."""
    for path in paths:
        try:
            path.stat()
        except PermissionError as error:
            raise typer.BadParameter(f"Path '{path}': {words_of(error)}.") from None
        except OSError:
            raise typer.BadParameter(f"Path '{path}' does not exist.") from None
    return paths


@app.command(name="import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            callback=_found,
            help="Files, folders, DICOMDIR or zip archives.",
        ),
    ],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take in files from disk as if they were sent; the node may run meanwhile."""
    settings = settings_as_owner(path, ownership.IMPORTS)
    with refusals_shown():
        whole = run(settings, paths, settings.node.workers or os.cpu_count() or 1)
    raise typer.Exit(0 if whole else 1)


@dataclass
class Summary:
    """What became of all sources."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    bytes: int = 0
    studies: dict[str, None] = field(default_factory=dict)
    ended_by: str = ""

    def add(self, taken: Taken) -> None:
        """Count one."""
        self.bytes += taken.size
        if taken.refused:
            self.refused += 1
        else:
            self.outcomes[taken.outcome] += 1
        if taken.study and len(self.studies) < MANY:
            self.studies[taken.study] = None

    @property
    def files(self) -> int:
        """How many were looked at."""
        return self.outcomes.total() + self.refused

    def __str__(self) -> str:
        parts = [f"{outcome}={count}" for outcome, count in sorted(self.outcomes.items())]
        return ", ".join([f"files={self.files}", *parts, f"refused={self.refused}"])


def run(settings: Settings, paths: list[Path], processes: int) -> bool:
    """Import, and show what becomes of it; whether all that was there is held now.

    Raises ArchiveError where it cannot begin.
    """
    owns = _open(settings)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _pool(settings, processes) as pool, shown("import") as progress:
        summary = _Import(pool, paths, progress).run(2 * processes)
    if owns:
        settle_index(settings.storage.path)
    seconds = time.monotonic() - started
    _tell_audit(settings, summary, seconds)
    rate = summary.files / seconds
    say(f"{summary}, bytes={summary.bytes}, seconds={seconds:.1f}, files/s={rate:.0f}")
    if summary.ended_by:
        say(f"minipacs: {summary.ended_by}", err=True)
    return not (summary.refused or summary.ended_by)


def _open(settings: Settings) -> bool:
    """Have a data folder that can be stored to; whether no node has it. Raises FolderError."""
    with shown("import") as progress:
        return open_to_store(settings, FileProgress(progress, "making the index anew"))


def _pool(settings: Settings, processes: int) -> ProcessPoolExecutor:
    """The processes, started."""
    pool = ProcessPoolExecutor(
        processes, get_context("fork"), initializer=_begin, initargs=(settings, os.getpid())
    )
    # Before they ignore it, Ctrl-C would have each show where it was.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(int).result()  # forked now, while there is one thread
    except BrokenExecutor as error:
        raise ResourceError(f"{settings.storage.path}: no process can work on it") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


_of_process: list[Importer] = []


def _begin(settings: Settings, parent: int) -> None:
    child.end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees to the end
    # The parent's would make it one more result, and the parent wait for ever.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    archive = archive_to_store(settings)
    _of_process.append(Importer(archive, settings.storage.charset, SENDER, _objection))


def _take(chunk: list[ImportSource]) -> Result:
    """What became of the sources of a chunk, and why not all were tried."""
    try:
        return _of_process[0].take(chunk), ""
    except ArchiveError as error:
        return [], str(error)


def _objection(sop_class: str, syntax: str) -> str:
    """Why C-STORE would not take it."""
    if not sop_classes.is_storage(sop_class):
        return f"SOP class {sop_class} is none that is stored"
    if syntax not in sop_classes.STORAGE_SYNTAXES:
        return f"Transfer syntax {syntax} is none that is taken"
    return ""


class _Import:
    """One run over the paths: processes are given what there is, not much ahead of them."""

    def __init__(self, pool: ProcessPoolExecutor, paths: list[Path], progress: Shown) -> None:
        self.summary = Summary()
        self._pool = pool
        self._paths = paths
        self._progress = progress
        self._waiting: set[Future[Result]] = set()

    def run(self, ahead: int) -> Summary:
        """Import; `ahead` chunks may wait for a process."""
        try:
            self._measure()
            for chunk in self._chunks():
                if self.summary.ended_by:
                    break
                self._waiting.add(self._pool.submit(_take, chunk))
                while len(self._waiting) > ahead:
                    self._note()
        except KeyboardInterrupt:
            self.summary.ended_by = "interrupted: run it again to go on"
        while self._waiting:
            self._note()
        return self.summary

    def _measure(self) -> None:
        """Have the progress know how much there is, where somebody looks at it."""
        if self._progress.wants_total:
            self._progress.begin("looking for files", 0)
            found = (one.size for one in under(self._paths) if isinstance(one, ImportSource))
            self._progress.begin("importing", sum(found))

    def _chunks(self) -> Iterator[list[ImportSource]]:
        chunk: list[ImportSource] = []
        size = 0
        for found in under(self._paths):
            if isinstance(found, UnusablePath):
                self._refuse(Taken(found.path, 0, refused=found.reason))
                continue
            chunk.append(found)
            size += found.size
            if len(chunk) >= _CHUNK_FILES or size >= _CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _note(self) -> None:
        """Wait for a chunk, and count what became of it."""
        done, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                taken, ended_by = future.result()
            except BrokenExecutor:  # and with it all that wait
                taken, ended_by = [], "a process of it was killed: run it again to go on"
            self.summary.ended_by = self.summary.ended_by or ended_by
            for one in taken:
                if one.refused:
                    self._refuse(one)
                else:
                    self.summary.add(one)
                self._progress.advance(one.size)
        self._progress.name(f"{self.summary.files} files")

    def _refuse(self, one: Taken) -> None:
        self.summary.add(one)
        self._progress.say(f"{one.source}: {one.refused}")


def _tell_audit(settings: Settings, summary: Summary, seconds: float) -> None:
    tell(
        settings, "import", files=summary.files, bytes=summary.bytes,
        outcomes=summary.outcomes, refused=summary.refused, studies=list(summary.studies),
        ended_by=summary.ended_by, seconds=round(seconds, 3),
    )  # fmt: skip
