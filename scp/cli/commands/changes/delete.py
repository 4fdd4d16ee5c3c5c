"""`minipacs delete`: what leaves the archive, for superseded/."""

from collections.abc import Sequence

import typer

from scp.cli.commands.changes.audited import each
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Ask,
    Commands,
    ConfigPath,
    DryRun,
    Yes,
    asking,
    refusals_shown,
    require_no_question,
    required,
    selection,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, say_json, shown, size
from scp.config import Settings
from scp.node import changing, opened
from storage import Archive, Location
from storage.maintenance.changes import Named, deletion

app = Commands()


@app.command()
@takes(named=required)
def delete(
    named: "Sequence[Named]",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take patients, studies, series or instances out of the archive, into superseded/."""
    require_no_question(as_json, yes, dry_run)
    settings = settings_as_owner(path)
    with refusals_shown():
        found = run(settings, named, dry_run, asking(yes), as_json)
    raise typer.Exit(0 if found else 1)


def run(
    settings: Settings, named: Sequence[Named], dry_run: bool, ask: Ask, as_json: bool = False
) -> bool:
    """Move what is selected to superseded/, or nothing where some of it is not held.

    Whether it was done, or would be. Raises ArchiveError.
    """
    with (opened if dry_run else changing)(settings) as archive:
        instances, absent = selection.held(archive, named, settings.storage.charset)
        studies = len({one.uids[0] for one in instances})
        held = sum(one.file_bytes for one in instances)
        counts = f"studies={studies}, instances={len(instances)}, {size(held)}"
        text = f"{selection.words(named)}: {counts}"
        is_wanted = not absent and not dry_run and ask(f"{text}. Delete?")
        done = _deleted(settings, archive, instances) if is_wanted else 0
    if as_json:
        say_json({
            "studies": studies, "instances": len(instances), "bytes": held, "deleted": done,
            "absent": [str(one) for one in absent],
        })  # fmt: skip
    elif is_wanted:
        say(f"deleted instances={done}: `minipacs restore` brings them back")
    elif dry_run and not absent:
        say(f"{text} to be deleted")
    else:
        selection.tell_absent(absent)
        if instances:
            say("nothing deleted")
    return is_wanted or (dry_run and not absent)


def _deleted(settings: Settings, archive: Archive, instances: Sequence[Location]) -> int:
    """How many instances that were."""
    with shown("delete") as progress:
        progress.begin("deleting", len(instances), "files")
        return each(settings, "delete", deletion.delete(archive, instances), progress)
