"""`minipacs delete`: what leaves the archive, for superseded/."""

from collections.abc import Sequence

import typer

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
from scp.node.acts.actor import Actor
from scp.node.acts.deleting import Deletion
from storage.maintenance.changes import Named, in_words

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
        plan = Deletion.planned(archive, named, settings.storage.charset)
        instances, absent = plan.instances, plan.absent
        studies, held = plan.studies, plan.bytes
        counts = f"studies={studies}, instances={len(instances)}, {size(held)}"
        text = f"{in_words(named)}: {counts}"
        is_wanted = not absent and not dry_run and ask(f"{text}. Delete?")
        done = 0
        if is_wanted:
            with shown("delete") as progress:
                done = plan.run(Actor.of_command(settings), archive, progress)
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
