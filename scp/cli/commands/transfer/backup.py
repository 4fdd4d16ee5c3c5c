"""`minipacs backup`: a copy that is whole, made while the node serves."""

import time
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import Shown, say, say_json, shown, size
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell
from storage.maintenance.backup import back_up

app = Commands()

_NOT_OURS = (
    "an archive of [index] and [store] is not backed up by minipacs: have PostgreSQL back up the "
    "database, with its archive of what was committed since (pg_basebackup, PITR), and the store "
    "keep versions or a replica of its objects, for longer than the oldest backup of the database"
)


@app.command()
def backup(
    to: Annotated[
        Path, typer.Argument(metavar="DEST", help="A folder that is empty, or a backup.")
    ],
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring a copy of the archive up to date; the node may run meanwhile."""
    settings = settings_as_owner(path)
    if settings.store:
        raise failure(_NOT_OURS)
    with refusals_shown():
        whole = run(settings, to, as_json)
    raise typer.Exit(0 if whole else 1)


class _Kept:
    """Passes on how far a backup is, and keeps what it says of files."""

    def __init__(self, progress: Shown) -> None:
        self.begin, self.advance = progress.begin, progress.advance
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def run(settings: Settings, to: Path, as_json: bool = False) -> bool:
    """Back up, and show what is done; whether all that was copied is as it was received.

    Raises ArchiveError.
    """
    started = time.monotonic()
    with opened(settings) as archive, shown("backup") as progress:
        kept = _Kept(progress)
        told = kept if as_json else progress
        done = back_up(archive, to, told, settings.worklist_folder)
    seconds = time.monotonic() - started
    counts = {"copied": done.copied, "unchanged": done.unchanged, "removed": done.removed,
              "faults": done.faults}  # fmt: skip
    tell(settings, "backup", to=str(to), bytes=done.bytes, **counts, seconds=round(seconds, 3))
    if as_json:
        document = {
            **counts,
            "faults": kept.lines,
            "bytes": done.bytes,
            "seconds": round(seconds, 3),
        }
        say_json({"to": str(to), **document})
        return not done.faults
    words = ", ".join(f"{name}={count}" for name, count in counts.items())
    say(f"backup of {settings.storage.path} to {to}: {words}, {size(done.bytes)}, "
               f"seconds={seconds:.1f}")  # fmt: skip
    return not done.faults
