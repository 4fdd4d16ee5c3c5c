"""`minipacs worklist show`: all of an entry, and what tells of it."""

from typing import Annotated

import typer

from scp.cli.commands.worklist import common
from scp.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath
from scp.cli.output import rows, say, say_json
from storage.worklist import Known
from storage.worklist.entries import to_values

Name = Annotated[
    str,
    typer.Argument(
        metavar="ENTRY",
        help="Accession Number, Study Instance UID, step, file or Patient ID; NUMBER/STEP.",
    ),
]


def show(name: Name, as_json: AsJson = False, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Show an entry, where it lies, and what tells that it was done."""
    with common.opened(path) as (settings, worklist):
        found = common.named(settings, worklist, name)
    if as_json:
        say_json([{**common.plain_of(one), "values": to_values(one.entry)} for one in found])
        return
    for one in found:
        _show(one)


def _show(one: Known) -> None:
    with rows.Columns(folded=1, has_titles=False) as form:
        for keyword, value in to_values(one.entry).items():
            form.add({"keyword": keyword, "value": value})
    since = f" since {common.moment_of(one.standing.since)}" if one.standing.since else ""
    say(f"state={one.state} by={one.standing.by}{since} file={one.held.file}")
    for step in one.evidence.performed:
        say(f"performed step={step.uid} status={step.status} "
            f"changed={common.moment_of(step.changed)}")  # fmt: skip
    if arrived := one.evidence.arrived:
        first, last = common.moment_of(arrived.first), common.moment_of(arrived.last)
        words = f"instances={arrived.instances} first={first} last={last}"
        say(f"arrived study={arrived.study_uid} {words}")
    for came in one.conflicts:
        say(f"conflict study={came.study_uid} patient={came.patient_id} name={came.patient_name}")
