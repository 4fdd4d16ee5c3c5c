"""`minipacs merge-patient`: the studies of a patient become another one's."""

from typing import Annotated

import typer

from scp.cli.commands.changes.corrections import Reason, corrections_refused, make
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
from scp.node.acts.correcting import CorrectionPlan

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
    with opened(settings) as archive:
        make(settings, archive, CorrectionPlan.of_merge(archive, patient_id, into), reason, ask)
