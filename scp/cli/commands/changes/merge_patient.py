"""`minipacs merge-patient`: the studies of a patient become another one's."""

from typing import Annotated

import typer

from scp.cli.commands.changes.corrections import Reason, corrections_refused, held_of, make
from scp.cli.options import (
    DEFAULT_CONFIG,
    Ask,
    Commands,
    ConfigPath,
    Yes,
    asking,
    settings_as_owner,
)
from scp.config import Settings
from scp.node import opened
from storage import Level
from storage.index import OF_PERSON, patients
from storage.maintenance.changes import Selection, UncorrectableError, correction

app = Commands()


@app.command("merge-patient")
def merge_patient(
    patient: Annotated[str, typer.Argument(metavar="FROM", help="A Patient ID.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The Patient ID to be theirs.")],
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have the studies of a patient be another one's, also those that are still to come."""
    settings = settings_as_owner(path)
    with corrections_refused():
        run(settings, patient, into, reason, asking(yes))


def run(settings: Settings, patient_id: str, into: str, reason: str, ask: Ask) -> None:
    """Have all of a patient be of another one. Raises ArchiveError, UncorrectableError."""
    if patient_id == into:
        raise UncorrectableError(f"{into}: takes two patients, not the same one twice")
    with opened(settings) as archive:
        archive.require_whole()
        merged = Selection(Level.PATIENT, patient_id)
        held = held_of(archive, [merged])
        found = {one: patients(archive.index, one) for one in (patient_id, into)}
        for one, rows in found.items():
            if len(rows) != 1:
                words = "is of several issuers: correct their studies" if rows else "is not held"
                raise UncorrectableError(f"patient {one}: {words}")
        ((texts, *_),) = (found[into],)
        told = dict(zip(OF_PERSON, texts, strict=True))
        # What is not known of the one is not forgotten of the other.
        values = {name: text for name, text in told.items() if text or name == OF_PERSON[1]}
        shown = correction.shown(archive, (merged.level, merged.uid), held[merged], values)
        make(settings, archive, held, {merged: shown}, values, reason, ask, is_merge=True)
