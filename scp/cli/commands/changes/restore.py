"""`minipacs restore`: what was deleted comes back from superseded/."""

from collections.abc import Sequence

import typer

from scp.cli.commands.changes.audited import each
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    required,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, say_json, shown
from scp.config import Settings
from scp.node import changing
from storage import Archive
from storage.maintenance.changes import KeptFiles, Matching, Named, deletion

app = Commands()


@app.command()
@takes(named=required)
def restore(
    named: "Sequence[Named]",
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring back from superseded/ what was deleted."""
    if described := [one for one in named if isinstance(one, Matching)]:
        raise failure(
            f"{described[0]}: what was deleted is in no index; takes UIDs, --patient and --all"
        )
    settings = settings_as_owner(path)
    with refusals_shown():
        found = run(settings, named, as_json)
    raise typer.Exit(0 if found else 1)


def run(settings: Settings, named: Sequence[Named], as_json: bool = False) -> bool:
    """Bring back what is selected; whether there was some of each. Raises ArchiveError."""
    charset = settings.storage.charset
    with changing(settings) as archive:
        files = KeptFiles((), only_last=True)
        absent: list[str] = []
        for one in named:
            found = deletion.restorable(archive, one, charset)
            files.add(found)
            absent += [] if found else [str(one)]
        for words in () if as_json else absent:
            say(f"{words}: nothing in superseded/ that is not held")
        done = _restored(settings, archive, files) if files else 0
    if as_json:
        say_json({"restored": done, "absent": absent})
    elif files:
        say(f"restored instances={done}")
    return not absent


def _restored(settings: Settings, archive: Archive, files: KeptFiles) -> int:
    """How many instances that were."""
    with shown("restore") as progress:
        progress.begin("restoring", len(files), "files")
        restored = deletion.restore(archive, files, settings.storage.charset)
        return each(settings, "restore", restored, progress)
