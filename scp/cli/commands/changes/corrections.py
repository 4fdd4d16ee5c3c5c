"""What the commands on corrections share: how one is asked for, written down and told."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from scp.cli.options import Ask, failure, refusals_shown
from scp.cli.options import selection as selecting
from scp.cli.output import say
from scp.config import Settings
from scp.runtime import tell, user
from storage import Archive, Location
from storage.diagnostics import ArchiveError, FolderError
from storage.journal.corrections import Correction
from storage.maintenance.changes import Selection, UncorrectableError, correction, selected

# Keyword -> the different values that instances are shown with.
Shown = Mapping[str, list[str]]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the history.")]


@contextmanager
def corrections_refused() -> Iterator[None]:
    """What cannot be corrected ends the command with its words, as other refusals do."""
    try:
        with refusals_shown():
            yield
    except UncorrectableError as error:
        raise failure(str(error)) from None


def make(
    settings: Settings,
    archive: Archive,
    held: Mapping[Selection, Sequence[Location]],
    before: Mapping[Selection, Shown],
    values: Mapping[str, str],
    reason: str,
    ask: Ask,
    is_merge: bool = False,
) -> None:
    """Ask, and write a correction down for each entity; `before` is what is shown of each."""
    for selection, shown in before.items():
        if len(held) > 1:
            say(f"{selection}:")
        for keyword, text in values.items():
            say(_change(shown[keyword], keyword, text))
    named = ", ".join(f"{one}: instances={len(instances)}" for one, instances in held.items())
    if not ask(f"{named}. Correct?"):
        say("nothing corrected")
        return
    left = list(held)
    try:
        for selection, instances in held.items():
            _write(settings, archive, selection, instances, values, reason, is_merge)
            left.remove(selection)
    except (ArchiveError, KeyboardInterrupt):
        if len(held) > 1:
            say(f"not corrected: {selecting.words(left)}", err=True)
        raise


def _write(
    settings: Settings,
    archive: Archive,
    selection: Selection,
    held: Sequence[Location],
    values: Mapping[str, str],
    reason: str,
    is_merge: bool,
) -> None:
    """Write a correction down, and say so."""
    entity = selection.level, selection.uid
    made = correction.correct(
        archive.tree, entity, values, user=user(),
        before=correction.shown(archive, entity, held, values), reason=reason, merge=is_merge,
    )  # fmt: skip
    tell(
        settings, "merge" if is_merge else "correct", number=made.number,
        level=selection.level.name, key=selection.uid, attributes=sorted(values),
        instances=len(held), reason=reason,
    )  # fmt: skip
    say(f"corrected {made.number}: instances={len(held)}; `minipacs undo {made.number}` undoes it")


def held_of(
    archive: Archive, selections: Sequence[Selection]
) -> dict[Selection, Sequence[Location]]:
    """The instances of each. Raises FolderError where one has none."""
    held = {one: selected(archive, one) for one in selections}
    absent = [one for one, instances in held.items() if not instances]
    if absent:
        raise FolderError(f"{selecting.words(absent)}: nothing is held")
    return held


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
