"""`minipacs delete`: what leaves the archive, for superseded/."""

from collections.abc import Sequence

import typer

from scp.cli.commands.changes.audited import each
from scp.cli.options import (
    DEFAULT_CONFIG,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    asking,
    refusals_shown,
    required,
    selection,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, shown, size
from scp.config import Settings
from scp.node import changing
from storage.maintenance.changes import Named, deletion

app = Commands()


@app.command()
@takes(named=required)
def delete(
    named: "Sequence[Named]",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take patients, studies, series or instances out of the archive, into superseded/."""
    settings = settings_as_owner(path)
    with refusals_shown():
        found = run(settings, named, asking(yes))
    raise typer.Exit(0 if found else 1)


def run(settings: Settings, named: Sequence[Named], ask: Ask) -> bool:
    """Move what is selected to superseded/, or nothing where some of it is not held.

    Whether it was done. Raises ArchiveError.
    """
    with changing(settings) as archive:
        instances, absent = selection.held(archive, named, settings.storage.charset)
        if absent:
            selection.tell_absent(absent)
            if instances:
                say("nothing deleted")
            return False
        held = size(sum(one.file_bytes for one in instances))
        studies = len({one.uids[0] for one in instances})
        text = f"{selection.words(named)}: studies={studies}, instances={len(instances)}, {held}"
        if not ask(f"{text}. Delete?"):
            say("nothing deleted")
            return False
        with shown("delete") as progress:
            progress.begin("deleting", len(instances), "files")
            done = each(settings, "delete", deletion.delete(archive, instances), progress)
        say(f"deleted instances={done}: `minipacs restore` brings them back")
        return True
