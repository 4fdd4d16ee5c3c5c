"""`minipacs worklist cancel` and `complete`: a state that a person sets, or takes back."""

from typing import Annotated

import typer

from scp.cli.commands.worklist import common
from scp.cli.commands.worklist.showing import Name
from scp.cli.options import DEFAULT_CONFIG, ConfigPath, Yes, asking
from scp.cli.output import say
from scp.config import Settings
from scp.runtime import tell, user
from storage.worklist import By, Known, State, Worklist

Undo = Annotated[
    bool, typer.Option("--undo", help="Take that back: it is again what images and steps tell.")
]


def cancel(
    name: Name, undo: Undo = False, yes: Yes = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Have an entry not be answered any more: it will not be done."""
    _decide(name, State.CANCELLED, undo, yes, path)


def complete(
    name: Name, undo: Undo = False, yes: Yes = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Have an entry not be answered any more: it was done, though nothing tells it."""
    _decide(name, State.COMPLETED, undo, yes, path)


def _decide(name: str, state: State, undo: bool, yes: bool, path: ConfigPath) -> None:
    with common.opened(path) as (settings, worklist):
        found = common.named(settings, worklist, name)
        if len(found) > 1:
            for one in found:
                say(_words(one))
            question = f"{'Take back' if undo else state} for all of these {len(found)}?"
            if not asking(yes)(question):
                say("nothing changed")
                raise typer.Exit(1)
        for one in found:
            _set(settings, worklist, one, None if undo else state)


def _set(settings: Settings, worklist: Worklist, one: Known, state: State | None) -> None:
    entry = one.entry
    worklist.decide(entry, state, By.COMMAND, user())
    told = str(state) if state else "taken back"
    tell(settings, "worklist-state", accession=entry.accession, study=entry.study_uid,
         step=entry.step_id, state=told, by="command")  # fmt: skip
    say(f"{_words(one)}: {told}, was {one.state}")


def _words(one: Known) -> str:
    entry = one.entry
    return f"accession={entry.accession} step={entry.step_id} patient={entry.patient_id}"
