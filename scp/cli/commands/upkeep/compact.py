"""`minipacs compact`: what nothing needs any more of the journal gives back its room."""

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    DryRun,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Settings
from scp.node import opened
from scp.runtime import child
from storage.maintenance.compaction import Compaction
from storage.maintenance.compaction import compact as compact_journal

app = Commands()


@app.command()
def compact(
    dry_run: DryRun = False, as_json: AsJson = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Have the journal give back the room of what is gone; the node does it once a day."""
    settings = settings_as_owner(path)
    with refusals_shown():
        done = run(settings, dry_run)
    if as_json:
        say_json(vars(done))
    else:
        say(_words(done, dry_run))
    raise typer.Exit(1 if done.stopped else 0)


def run(settings: Settings, dry_run: bool) -> Compaction:
    """Compact the journal, or see what that would do. Raises ArchiveError."""
    child.be_nice()  # a node may serve
    with opened(settings) as archive, shown("compact") as progress:
        return compact_journal(archive, progress, dry_run)


def _words(done: Compaction, dry_run: bool) -> str:
    told = f"segments={done.segments} lines={done.lines}, {size(done.bytes)}"
    words = f"{told} to be given back" if dry_run else f"compacted {told} given back"
    return f"{words}; {done.stopped}" if done.stopped else words
