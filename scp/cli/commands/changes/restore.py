"""`minipacs restore`: what was deleted comes back from superseded/."""

from collections.abc import Sequence

import typer

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
from scp.node.acts.actor import Actor
from scp.node.acts.deleting import Restoration
from storage.maintenance.changes import Matching, Named

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
        plan = Restoration.planned(archive, named, charset)
        for words in () if as_json else plan.absent:
            say(f"{words}: nothing in superseded/ that is not held")
        done = 0
        if plan.files:
            with shown("restore") as progress:
                done = plan.run(Actor.of_command(settings), archive, charset, progress)
    if as_json:
        say_json({"restored": done, "absent": list(plan.absent)})
    elif plan.files:
        say(f"restored instances={done}")
    return not plan.absent
