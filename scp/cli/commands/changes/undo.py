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
from scp.node.acts.actor import Actor
from scp.node.acts.correcting import undo as undo_correction
from storage.maintenance.changes import correction

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
        found = correction.to_undo(archive.tree.data, number)
        say(*words_of(found))
        if not ask("Undo?"):
            say("nothing undone")
            return
        undo_correction(Actor.of_command(settings), archive, found)
        say(f"undone {number}")
