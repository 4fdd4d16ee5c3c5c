"""`minipacs undo`: a correction taken back."""

from typing import Annotated

import typer

from scp.cli.commands.changes.corrections import corrections_refused, words_of
from scp.cli.options import (
    DEFAULT_CONFIG,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    asking,
    settings_as_owner,
)
from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell, user
from storage.journal.corrections import in_force
from storage.maintenance.changes import UncorrectableError, correction

app = Commands()


@app.command()
def undo(
    number: Annotated[int, typer.Argument(help="Of a correction, as `history` tells.")],
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take a correction back."""
    settings = settings_as_owner(path)
    with corrections_refused():
        run(settings, number, asking(yes))


def run(settings: Settings, number: int, ask: Ask) -> None:
    """Take a correction back. Raises ArchiveError, UncorrectableError."""
    with opened(settings) as archive:
        archive.require_whole()
        found = in_force(archive.tree.data).by_number(number)
        if found is None:
            raise UncorrectableError(f"{number}: no correction has this number; `minipacs history`")
        if found.undone:
            raise UncorrectableError(f"{number}: is undone already: {found.undone}")
        say(*words_of(found))
        if not ask("Undo?"):
            say("nothing undone")
            return
        correction.undo(archive.tree, number, user())
        tell(settings, "undo", number=number, level=found.entity[0].name, key=found.entity[1])
        say(f"undone {number}")
