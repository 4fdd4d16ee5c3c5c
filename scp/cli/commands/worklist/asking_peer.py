"""`minipacs worklist ask`: what another worklist answers, asked as a modality would."""

from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Conditions,
    ConfigPath,
    failure,
    load,
    log_for_command,
    parsed_conditions,
    peer_of,
    refusals_shown,
)
from scp.cli.output import rows, say, say_json
from scp.network.association import NoAssociationError
from scp.network.scu import PeerError, ask_worklist
from scp.network.tls import contexts
from storage.dicom.data_sets import Element, Elements
from storage.worklist.entries import STEP_SEQUENCE, Entry, EntryError, from_values, to_json

# What is shown, and asked for beside the conditions.
_SHOWN = {
    "Date": "ScheduledProcedureStepStartDate",
    "Time": "ScheduledProcedureStepStartTime",
    "Modality": "Modality",
    "Station": "ScheduledStationAETitle",
    "PatientID": "PatientID",
    "PatientName": "PatientName",
    "Accession": "AccessionNumber",
    "Step": "ScheduledProcedureStepID",
    "Procedure": "RequestedProcedureDescription",
}
_ASKED = (
    "StudyInstanceUID", "RequestedProcedureID", "PatientBirthDate", "PatientSex",
    "ScheduledProcedureStepDescription",
)  # fmt: skip


def ask(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    where: Conditions = None,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Ask a peer for its worklist, as a modality would: Modality=CT ScheduledStationAETitle=CT01.

    Exit code 1 where it answers nothing, or not to the end.
    """
    settings = load(path)
    log_for_command()
    values = dict.fromkeys((*_SHOWN.values(), *_ASKED), "") | dict(parsed_conditions(where))
    with refusals_shown():
        tls = contexts(settings)
        peer = peer_of(settings, title)
        keys = _keys(values)
    found: list[Elements] = []
    fault = ""
    try:
        for one in ask_worklist(settings, tls, title, peer, keys):
            found.append(one)
    except (NoAssociationError, PeerError) as error:
        fault = f"{title} {error}"
    if as_json:
        say_json([to_json(one) for one in found])
    else:
        _show(found)
    if fault:
        raise failure(fault, 1)
    raise typer.Exit(0 if found else 1)


def _keys(values: dict[str, str]) -> Elements:
    """The identifier; else the command ends."""
    try:
        return from_values(values)
    except EntryError as error:
        raise failure("\n".join(error.faults)) from None


def _show(found: list[Elements]) -> None:
    with rows.Columns() as form:
        for one in found:
            # A peer may leave out the sequence, or its item.
            sequence = one.get(STEP_SEQUENCE)
            step = sequence if sequence and sequence.items else Element("SQ", items=({},))
            entry = Entry({**one, STEP_SEQUENCE: step})
            form.add({name: entry.text_of(keyword) for name, keyword in _SHOWN.items()})
    say(f"entries={len(found)}", err=True)
