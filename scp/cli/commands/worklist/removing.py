"""`minipacs worklist remove`: an entry taken away, as if nobody had ordered it."""

import typer

from scp.cli.commands.worklist import common
from scp.cli.commands.worklist.showing import Name
from scp.cli.options import DEFAULT_CONFIG, ConfigPath, DryRun, Yes, asking
from scp.cli.output import rows, say
from scp.network.services.worklist import rules_of
from scp.runtime import tell
from storage.worklist import EVER


def remove(
    name: Name, dry_run: DryRun = False, yes: Yes = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Take an entry away, with the file that it lies in; `cancel` only ends it. Asks first.

    What else lies in the same file goes with it, and is shown before.
    """
    with common.opened(path) as (settings, worklist):
        found = common.named(settings, worklist, name)
        files = list(dict.fromkeys(one.held.file for one in found))
        known = worklist.known(EVER, rules_of(settings.worklist))
        gone = [one for one in known if one.held.file in files]
        with rows.Columns() as form:
            for one in gone:
                form.add(common.row_of(one))
        if dry_run:
            say(f"would remove entries={len(gone)}")
            return
        if not asking(yes)(f"Remove {'this' if len(gone) == 1 else f'these {len(gone)}'}?"):
            say("nothing changed")
            raise typer.Exit(1)
        for file in files:
            worklist.remove(file)
        for one in gone:
            entry = one.entry
            tell(settings, "worklist-remove", accession=entry.accession, study=entry.study_uid,
                 step=entry.step_id)  # fmt: skip
    say(f"removed entries={len(gone)}")
