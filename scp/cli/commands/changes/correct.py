"""`minipacs correct`: other values, beside the stored bytes."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from scp.cli.commands.changes.corrections import (
    Reason,
    Shown,
    corrections_refused,
    held_of,
    make,
)
from scp.cli.options import (
    DEFAULT_CONFIG,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    asking,
    required,
    settings_as_owner,
    takes,
)
from scp.cli.output import say
from scp.config import Settings
from scp.node import opened
from storage import Archive, Level, Location
from storage.diagnostics import FolderError
from storage.dicom.values import BY_KEYWORD, stored_at
from storage.index import patients
from storage.journal.corrections import PATIENT_ID
from storage.maintenance.changes import (
    Named,
    Selection,
    UncorrectableError,
    at_level,
    checked,
    correction,
    selected,
)

app = Commands()

_PERSON = frozenset(one.keyword for one in stored_at(Level.PATIENT))


@app.command()
@takes(named=required)
def correct(
    values: Annotated[list[str], typer.Argument(metavar="Keyword=VALUE")],
    named: "Sequence[Named]",
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have patients, studies, series or instances shown and sent with other values."""
    settings = settings_as_owner(path)
    with corrections_refused():
        run(settings, named, parsed(values), reason, asking(yes))


def parsed(assignments: Sequence[str]) -> dict[str, str]:
    """Keyword -> value of texts such as PatientName=Doe^Jane. Raises UncorrectableError."""
    found: dict[str, str] = {}
    for text in assignments:
        keyword, is_one, value = text.partition("=")
        if not is_one or not keyword:
            raise UncorrectableError(
                f'takes Keyword=VALUE such as PatientName=Doe^Jane, not "{text}"'
            )
        if keyword in found:
            raise UncorrectableError(f"{keyword}: is given twice")
        found[keyword] = value.strip(" ")
    return found


def run(
    settings: Settings,
    named: Sequence[Named],
    values: Mapping[str, str],
    reason: str,
    ask: Ask,
) -> None:
    """Give what is selected other values. Raises ArchiveError, UncorrectableError."""
    with opened(settings) as archive:
        selections = _entities(archive, named, values, settings.storage.charset)
        for one in selections:
            checked(one.level, values)
        held = held_of(archive, selections)
        _check_patients(archive, selections, values)
        before: dict[Selection, Shown] = {}
        for one, instances in held.items():
            if one.level is Level.STUDY and PATIENT_ID not in values and _PERSON & values.keys():
                _tell_of_others(archive, one, instances)
            before[one] = correction.shown(archive, (one.level, one.uid), instances, values)
            if before[one] == {keyword: [text] for keyword, text in values.items()}:
                raise UncorrectableError(f"{one}: has just these values")
        make(settings, archive, held, before, values, reason, ask)


def _entities(
    archive: Archive, named: Sequence[Named], values: Mapping[str, str], charset: str
) -> list[Selection]:
    """What is named; of what is described, the studies, or what of them the values are of.

    Raises FolderError where nothing is held that a description fits.
    """
    levels = [BY_KEYWORD[keyword].level for keyword in values if keyword in BY_KEYWORD]
    level = max([Level.STUDY, *levels])
    found: dict[Selection, None] = {}
    for one in named:
        if isinstance(one, Selection):
            found[one] = None
            continue
        held = selected(archive, one, charset)
        if not held:
            raise FolderError(f"{one}: nothing is held")
        found |= dict.fromkeys(at_level(held, level))
    return list(found)


def _check_patients(
    archive: Archive, selections: Sequence[Selection], values: Mapping[str, str]
) -> None:
    """See that patients get an ID that is nobody's. Raises UncorrectableError."""
    new_id = values.get(PATIENT_ID)
    chosen = [one.uid for one in selections if one.level is Level.PATIENT]
    if not new_id or not chosen:
        return
    if patients(archive.index, new_id):
        hint = f"minipacs merge-patient {chosen[0]} {new_id}"
        raise UncorrectableError(f"{PATIENT_ID}: {new_id} is held: `{hint}`")
    if len(chosen) > 1:
        raise UncorrectableError(f"{PATIENT_ID}: takes one --patient: one ID is of one patient")


def _tell_of_others(archive: Archive, selection: Selection, held: Sequence[Location]) -> None:
    """Say where a patient has other studies: a correction of one study shows in that one alone."""
    shown = correction.shown(archive, (selection.level, selection.uid), held, [PATIENT_ID])
    for patient_id in shown[PATIENT_ID]:
        of_patient = selected(archive, Selection(Level.PATIENT, patient_id))
        others = {one.uids[0] for one in of_patient} - {selection.uid}
        if patient_id and others:
            say(
                f"patient {patient_id} has studies={len(others)} beside this one, which stay as "
                f"they are: `minipacs correct --patient {patient_id}` corrects all"
            )
