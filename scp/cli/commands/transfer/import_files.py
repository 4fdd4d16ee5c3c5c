"""`minipacs import`: files from disk through the same door as C-STORE, by several processes."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, TextIO

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    ownership,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import FileProgress, Shown, imported, say, say_json, shown
from scp.config import Settings
from scp.network.dimse import sop_classes
from scp.node import archive_to_store, open_to_store
from scp.runtime import child, tell
from storage.archive import (
    STANDARD_INPUT,
    Importer,
    ImportSource,
    Stream,
    Taken,
    UnusablePath,
    under,
)
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
# Makes what a process takes sources with.
Making = Callable[[], Importer]


def _found(paths: list[Path]) -> list[Path]:
    """The paths, which lead to something that can be seen; else the command ends."""
    if STANDARD_INPUT in paths and sys.stdin.isatty():
        raise typer.BadParameter("Path '-': standard input is a terminal, not a file.")
    for path in paths:
        try:
            if path != STANDARD_INPUT:
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
            help="Files, folders, DICOMDIR, zip or tar archives; -: a file or an archive from "
            "standard input.",
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what is refused, and why, to a file, a line for each."
        ),
    ] = None,
    by_data_set: Annotated[
        bool,
        typer.Option(
            "--data-set-uids",
            help="Take files whose header names another SOP Instance UID or SOP Class UID than "
            "their data set, as what the data set says; else they are refused.",
        ),
    ] = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take in files from disk as if they were sent; the node may run meanwhile."""
    settings = settings_as_owner(path, ownership.IMPORTS)
    with refusals_shown(), ExitStack() as stack:
        lines = stack.enter_context(_opened(report)) if report else None
        workers = settings.node.workers or os.cpu_count() or 1
        refusals = imported.Refusals(lines, as_json)
        whole = run(settings, paths, workers, refusals, by_data_set)
    raise typer.Exit(0 if whole else 1)


def _opened(report: Path) -> TextIO:
    try:
        return report.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise failure(f"--report {report}: {words_of(error)}") from None


def run(
    settings: Settings,
    paths: list[Path],
    processes: int,
    refusals: imported.Refusals,
    by_data_set: bool,
) -> bool:
    """Import, and show what becomes of it; whether all that was there is held now.

    Raises ArchiveError where it cannot begin.
    """
    owns = _open(settings)
    started = time.monotonic()
    making = partial(_importer, settings, by_data_set)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _pool(settings, making, processes) as pool, shown("import") as progress:
        summary = _Import(making, pool, paths, progress, refusals).run(2 * processes)
    if owns:
        settle_index(settings.storage.path)
    seconds = time.monotonic() - started
    _tell_audit(settings, summary, seconds)
    if refusals.as_json:
        say_json(summary.as_json(seconds))
    else:
        rate = summary.files / seconds
        counts = f"{summary}, bytes={summary.bytes}, seconds={seconds:.1f}, files/s={rate:.0f}"
        say(*summary.not_taken.lines(), counts)
    if summary.ended_by:
        say(f"minipacs: {summary.ended_by}", err=True)
    return not (summary.refused or summary.ended_by)


def _open(settings: Settings) -> bool:
    """Have a data folder that can be stored to; whether no node has it. Raises FolderError."""
    with shown("import") as progress:
        return open_to_store(settings, FileProgress(progress, "making the index anew"))


def _pool(settings: Settings, making: Making, processes: int) -> ProcessPoolExecutor:
    """The processes, started."""
    try:
        return child.pool(processes, partial(_begin, making))
    except BrokenExecutor as error:
        raise ResourceError(f"{settings.storage.path}: no process can work on it") from error


_of_process: list[Importer] = []


def _begin(making: Making) -> None:
    _of_process.append(making())


def _importer(settings: Settings, by_data_set: bool) -> Importer:
    archive = archive_to_store(settings)
    return Importer(archive, settings.storage.charset, SENDER, sop_classes.objection, by_data_set)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Have SIGINT and SIGTERM wait: what is being stored is brought to its end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _take(chunk: list[ImportSource]) -> Result:
    """What became of the sources of a chunk, and why not all were tried."""
    try:
        return _of_process[0].take(chunk), ""
    except ArchiveError as error:
        return [], str(error)


class _Import:
    """One run over the paths: processes are given what there is, not much ahead of them."""

    def __init__(
        self, making: Making, pool: ProcessPoolExecutor, paths: list[Path], progress: Shown,
        refusals: imported.Refusals,
    ) -> None:  # fmt: skip
        self.summary = imported.Summary()
        self._making, self._refusals = making, refusals
        self._pool = pool
        self._paths = paths
        self._progress = progress
        self._waiting: set[Future[Result]] = set()

    def run(self, ahead: int) -> imported.Summary:
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
            sizes: list[int] = []
            for one in under(self._paths):
                if isinstance(one, Stream):  # how much is in it is known when it was read
                    sizes = []
                    break
                sizes.append(one.size if isinstance(one, ImportSource) else 0)
            self._progress.begin("importing", sum(sizes))

    def _chunks(self) -> Iterator[list[ImportSource]]:
        chunk: list[ImportSource] = []
        size = 0
        for found in under(self._paths):
            if isinstance(found, UnusablePath):
                self._refuse(Taken(found.path, 0, refused=found.reason))
                continue
            if isinstance(found, Stream):
                self._take_stream(found)
                if self.summary.ended_by:
                    return
                continue
            chunk.append(found)
            size += found.size
            if len(chunk) >= _CHUNK_FILES or size >= _CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _take_stream(self, stream: Stream) -> None:
        """Take the members of a stream here: there is one that can read it."""
        importer = self._making()
        try:
            found = stream.members()
            for first in found:
                batch = self._batch(chain([first], found))
                self._count(importer.take(batch, _uninterrupted))
        except ArchiveError as error:
            self.summary.ended_by = self.summary.ended_by or str(error)
        finally:
            importer.archive.close_thread()

    def _batch(self, members: Iterable[ImportSource | UnusablePath]) -> Iterator[ImportSource]:
        """So many of the members as are synced together."""
        count = size = 0
        for member in members:
            if isinstance(member, UnusablePath):
                self._refuse(Taken(member.path, 0, refused=member.reason))
                return
            yield member
            count, size = count + 1, size + member.size
            if count >= _CHUNK_FILES or size >= _CHUNK_BYTES:
                return

    def _note(self) -> None:
        """Wait for a chunk, and count what became of it."""
        done, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                taken, ended_by = future.result()
            except BrokenExecutor:  # and with it all that wait
                taken, ended_by = [], "a process of it was killed: run it again to go on"
            self.summary.ended_by = self.summary.ended_by or ended_by
            self._count(taken)

    def _count(self, taken: list[Taken]) -> None:
        for one in taken:
            if one.refused:
                self._refuse(one)
            else:
                self.summary.add(one)
            self._progress.advance(one.size)
        self._progress.name(f"{self.summary.files} files")

    def _refuse(self, one: Taken) -> None:
        self.summary.add(one)
        self._refusals.say(f"{one.source}: {one.refused}", self._progress)


def _tell_audit(settings: Settings, summary: imported.Summary, seconds: float) -> None:
    tell(
        settings, "import", files=summary.files, bytes=summary.bytes,
        outcomes=summary.outcomes, refused=summary.refused, studies=list(summary.studies),
        ended_by=summary.ended_by, seconds=round(seconds, 3),
    )  # fmt: skip
