"""What the commands on corrections share: how one is asked for, written down and told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from scp.cli.options import Ask, failure, refusals_shown
from scp.cli.output import say
from scp.config import Settings
from scp.node.acts.actor import Actor
from scp.node.acts.correcting import CorrectionPlan
from storage import Archive
from storage.diagnostics import ArchiveError
from storage.journal.corrections import Correction
from storage.maintenance.changes import Selection, UncorrectableError, in_words

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the history.")]


@contextmanager
def corrections_refused() -> Iterator[None]:
    """What cannot be corrected ends the command with its words, as other refusals do."""
    try:
        with refusals_shown():
            yield
    except UncorrectableError as error:
        raise failure(str(error)) from None


def make(settings: Settings, archive: Archive, plan: CorrectionPlan, reason: str, ask: Ask) -> None:
    """Ask, and write a correction down for each entity. Raises ArchiveError, UncorrectableError."""
    for patient_id, count in plan.others.items():
        say(
            f"patient {patient_id} has studies={count} beside this one, which stay as "
            f"they are: `minipacs correct --patient {patient_id}` corrects all"
        )
    for selection, shown in plan.before.items():
        if len(plan.held) > 1:
            say(f"{selection}:")
        for keyword, text in plan.values.items():
            say(_change(shown[keyword], keyword, text))
    named = ", ".join(f"{one}: instances={len(found)}" for one, found in plan.held.items())
    if not ask(f"{named}. Correct?"):
        say("nothing corrected")
        return
    left = list(plan.held)
    try:
        for selection, made in plan.made(Actor.of_command(settings), archive, reason):
            number, count = made.number, len(plan.held[selection])
            say(f"corrected {number}: instances={count}; `minipacs undo {number}` undoes it")
            left.remove(selection)
    except (ArchiveError, UncorrectableError, KeyboardInterrupt):
        if len(plan.held) > 1:
            say(f"not corrected: {in_words(left)}", err=True)
        raise


def words_of(one: Correction) -> list[str]:
    """A correction in lines: who made it, when and of what, and each change."""
    level, key = one.entity
    what = f"{one.number}  {one.at}  {one.user}  {Selection(level, key)}"
    what += " merged" if one.merge else ""
    what += f"  ({one.reason})" if one.reason else ""
    what += f"  undone {one.undone}" if one.undone else ""
    changes = (_change(one.before.get(name, []), name, text) for name, text in one.values.items())
    return [what, *(f"    {change}" for change in changes)]


def _change(before: Sequence[str], keyword: str, text: str) -> str:
    return f"{keyword}: {', '.join(map(repr, before)) or '-'} -> {text!r}"
