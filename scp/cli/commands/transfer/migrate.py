"""`minipacs migrate`: an archive brought from a folder to where several nodes have it, or back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    DryRun,
    load,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Settings, sharing
from scp.node import opened
from scp.runtime import tell
from storage import Archive
from storage.diagnostics import FolderError
from storage.files import is_free
from storage.maintenance.migration import (
    Migrated,
    living_nodes,
    migrate,
    prepared_target,
    survey,
)
from storage.maintenance.recovery import is_left_behind

app = Commands()


@app.command("migrate")
def migrate_archive(
    to: Annotated[
        Path,
        typer.Option("--to", metavar="CONFIG", help="The configuration of where it is to go."),
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring the archive to that of another configuration, or what is new; the node may run."""
    there = load(to)
    with refusals_shown():
        place = sharing.place_of(there)  # whose keys another user need not be able to read
    settings = settings_as_owner(path)
    with refusals_shown():
        sharing.share(there, place)
        if dry_run:
            tell_of(settings, there, as_json)
            return
        done = run(settings, there, as_json)
    raise typer.Exit(1 if done.faults or (done.to_do and not done.served) else 0)


def run(settings: Settings, there: Settings, as_json: bool = False) -> Migrated:
    """Bring it there, and say what was done. Raises ArchiveError."""
    started = time.monotonic()
    with _source(settings, there) as archive:
        filling = prepared_target(there.storage.path, there.storage.sync)
        with shown("migrate") as progress, filling as target:
            done = migrate(
                archive, target, settings.storage.charset, progress, lambda: _servers(settings),
                settings.worklist_folder,
            )  # fmt: skip
    seconds = round(time.monotonic() - started, 3)
    counts = {"copied": done.copied, "unchanged": done.unchanged, "removed": done.removed,
              "superseded": done.superseded, "lines": done.lines, "entries": done.entries,
              "queued": done.queued}  # fmt: skip
    faults = len(done.faults)
    tell(settings, "migrate", to=str(there.source), bytes=done.bytes, **counts, faults=faults,
         complete=done.is_complete, seconds=seconds)  # fmt: skip
    if as_json:
        say_json({"to": str(there.source), **asdict(done), "complete": done.is_complete,
                  "seconds": seconds})  # fmt: skip
        return done
    say(*done.notes, *done.faults)
    words = ", ".join(f"{name}={count}" for name, count in (*counts.items(), ("faults", faults)))
    say(f"{settings.source} to {there.source}: {words}, {size(done.bytes)}, seconds={seconds:.1f}")
    if done.is_complete:
        say("complete: nodes may be started on it")
    for line in done.to_do:
        say(f"not complete: {line}")
    if done.faults:
        say("not complete: mend, restore or delete what is told of, then run this again")
    return done


def tell_of(settings: Settings, there: Settings, as_json: bool = False) -> None:
    """Say what would be brought; nothing is made or written. Raises ArchiveError."""
    with _source(settings, there) as archive, shown("migrate") as progress:
        done = survey(
            archive, there.storage.path, settings.storage.charset, progress, _servers(settings),
            settings.worklist_folder,
        )  # fmt: skip
    if as_json:
        say_json({"to": str(there.source), **asdict(done)})
        return
    say(*done.notes)
    say(
        f"{settings.source} to {there.source} would bring: copied={done.copied}, "
        f"unchanged={done.unchanged}, removed={done.removed}, superseded={done.superseded}, "
        f"lines={done.lines}, entries={done.entries}, queued={done.queued}, {size(done.bytes)}"
    )
    if done.served:
        say(
            f"{', '.join(done.served)}: serves the archive; what comes meanwhile is brought too, "
            "and its queue with the run behind its end"
        )


@contextmanager
def _source(settings: Settings, there: Settings) -> Iterator[Archive]:
    """The archive that is brought elsewhere. Raises FolderError."""
    data = settings.storage.path
    if data.resolve() == there.storage.path.resolve():
        raise FolderError(
            f"{there.source}: [storage] path: is that of {settings.source}; name another folder"
        )
    with opened(settings) as archive:
        if not settings.store and is_left_behind(data):
            raise FolderError(f"{data}: a process ended uncleanly; start its node once, or `check`")
        yield archive


def _servers(settings: Settings) -> list[str]:
    """Who serves the archive that is brought elsewhere."""
    if settings.store:
        return living_nodes(settings.storage.path)
    return [] if is_free(settings.storage.path) else [f"the node of {settings.storage.path}"]
