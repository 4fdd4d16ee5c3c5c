"""`minipacs backup`: a copy that is whole, made while the node serves."""

import time
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import say, shown, size
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell
from storage.maintenance.backup import back_up

app = Commands()


@app.command()
def backup(
    to: Annotated[
        Path, typer.Argument(metavar="DEST", help="A folder that is empty, or a backup.")
    ],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring a copy of the archive up to date; the node may run meanwhile."""
    settings = settings_as_owner(path)
    with refusals_shown():
        whole = run(settings, to)
    raise typer.Exit(0 if whole else 1)


def run(settings: Settings, to: Path) -> bool:
    """Back up, and show what is done; whether all that was copied is as it was received.

    Raises ArchiveError.
    """
    started = time.monotonic()
    with opened(settings) as archive, shown("backup") as progress:
        done = back_up(archive, to, progress)
    seconds = time.monotonic() - started
    counts = {"copied": done.copied, "unchanged": done.unchanged, "removed": done.removed,
              "faults": done.faults}  # fmt: skip
    tell(settings, "backup", to=str(to), bytes=done.bytes, **counts, seconds=round(seconds, 3))
    words = ", ".join(f"{name}={count}" for name, count in counts.items())
    say(f"backup of {settings.storage.path} to {to}: {words}, {size(done.bytes)}, "
               f"seconds={seconds:.1f}")  # fmt: skip
    return not done.faults
