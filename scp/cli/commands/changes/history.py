"""`minipacs history`: what was corrected, by whom, when and from what."""

from collections.abc import Sequence

import typer

from scp.cli.commands.changes.corrections import corrections_refused, words_of
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    selected,
    selection,
    settings_as_owner,
    takes,
)
from scp.cli.output import say, say_json
from scp.config import Settings
from scp.node import opened
from storage import Archive, Level
from storage.index import corrected_rows
from storage.journal.corrections import Correction, Entity, in_force
from storage.maintenance import changes
from storage.maintenance.changes import Named, Selection, all_held

app = Commands()


@app.command()
@takes(named=selected)
def history(
    named: "Sequence[Named]",
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Tell what was corrected, by whom, when and from what: of all, or of what is named."""
    settings = settings_as_owner(path)
    with corrections_refused():
        whole = run(settings, named, as_json)
    raise typer.Exit(0 if whole else 1)


def run(settings: Settings, named: Sequence[Named], as_json: bool) -> bool:
    """Tell what was corrected: of what is selected, or of all. Raises ArchiveError.

    Whether all that is selected is held, or was corrected once.
    """
    with opened(settings) as archive:
        found = list(in_force(archive.tree.data).all.values())
        absent = []
        if named:
            charset = settings.storage.charset
            entities = {one: _entities(archive, one, charset) for one in named}
            known = {one.entity for one in found}
            absent = [
                one
                for one in all_held(archive, named, charset)[1]
                if not isinstance(one, Selection) or (one.level, one.uid) not in known
            ]
            wanted = set[Entity]().union(*entities.values())
            found = [one for one in found if one.entity in wanted]
    selection.tell_absent(absent, err=True)
    if as_json:
        say_json([_plain(one) for one in found])
        return not absent
    for one in found:
        say(*words_of(one))
    say(f"corrections={len(found)}")
    return not absent


def _entities(archive: Archive, named: Named, charset: str) -> set[Entity]:
    """What is selected, what it is of, and what is below it."""
    found, patients = set[Entity](), set[str]()
    corrections = in_force(archive.tree.data)
    if isinstance(named, Selection):
        found.add((named.level, named.uid))
        if named.level is Level.PATIENT:
            patients.add(named.uid)
    held = changes.selected(archive, named, charset)
    for instance in held:
        found |= set(zip(list(Level)[1:], instance.uids, strict=True))
    if any(one.entity[0] is Level.PATIENT for one in corrections.all.values()):
        of = [named] if isinstance(named, Selection) else changes.at_level(held, Level.SERIES)
        for one in of:
            patients |= corrected_rows.patient_ids(archive.index, one.level, one.uid)
    for patient in patients:
        found |= {(Level.PATIENT, other) for other in corrections.patient_ids(patient)}
    return found


def _plain(one: Correction) -> dict[str, object]:
    return {
        "number": one.number, "at": one.at, "user": one.user, "level": one.entity[0].name,
        "key": one.entity[1], "before": one.before, "values": one.values, "reason": one.reason,
        "merge": one.merge, "undone": one.undone,
    }  # fmt: skip
