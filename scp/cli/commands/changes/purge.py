"""`minipacs purge`: what has been in superseded/ for long goes for good."""

from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Ask,
    Commands,
    ConfigPath,
    DryRun,
    Yes,
    age_in_seconds,
    asking,
    failure,
    refusals_shown,
    require_no_question,
    settings_as_owner,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Settings
from scp.node import opened
from scp.node.acts.actor import Actor
from storage.maintenance.changes import KeptFiles, deletion

app = Commands()


@app.command()
def purge(
    older_than: Annotated[
        str, typer.Option(metavar="30d", help="Hours, days or weeks: 12h, 30d, 8w.")
    ],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete for good what has been in superseded/ for a time."""
    try:
        age = age_in_seconds(older_than)
    except ValueError as error:
        raise failure(f"--older-than: {error}") from None
    require_no_question(as_json, yes, dry_run)
    settings = settings_as_owner(path)
    with refusals_shown():
        run(settings, age, dry_run, asking(yes), as_json)


def run(settings: Settings, age: float, dry_run: bool, ask: Ask, as_json: bool = False) -> None:
    """Delete for good what has been in superseded/ for `age` seconds. Raises ArchiveError."""
    with opened(settings) as archive:
        files = KeptFiles(deletion.older(deletion.all_superseded(archive), age))
        held = files.bytes
        text = f"superseded/: files={len(files)}, {size(held)}"
        due, nothing = {"files": len(files), "bytes": held}, {"files": 0, "bytes": 0}
        if dry_run or not files:
            if as_json:
                say_json({"due": due, "purged": nothing})
            else:
                say(f"{text} to be purged")
            return
        if not ask(f"{text}. Delete for good?"):
            say("nothing purged")
            return
        with shown("purge") as progress:
            progress.begin("purging", len(files), "files")
            purged = (one.uids for one in deletion.purge(files, archive))
            done = Actor.of_command(settings).each("purge", purged, progress)
    if as_json:
        say_json({"due": due, "purged": due})
    else:
        say(f"purged files={done}")
