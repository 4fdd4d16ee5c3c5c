"""`minipacs worklist export`: entries as files that other worklists and people take."""

import csv
import io
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydicom.uid import ExplicitVRLittleEndian

from scp.cli.commands.worklist import common
from scp.cli.options import DEFAULT_CONFIG, ConfigPath, failure
from scp.cli.output import say
from scp.network.dimse import MODALITY_WORKLIST, identifier
from storage.dicom import part10
from storage.worklist import Known
from storage.worklist.entries import to_json, to_values


class Form(StrEnum):
    """What is written."""

    WL = "wl"
    JSON = "json"
    CSV = "csv"


def export(
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="A folder; of CSV a file that is not there.")
    ],
    form: Annotated[
        Form, typer.Option("--format", help="wl: DICOM files, as wlmscpfs and Orthanc take them.")
    ] = Form.WL,
    date: common.OfDay = "",
    state: common.OfState = None,
    ever: common.OfEver = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write entries as DICOM files, as the DICOM JSON Model, or as a table."""
    with common.opened(path) as (settings, worklist):
        found = common.chosen(settings, worklist, date, state, ever)
    try:
        if form is Form.CSV:
            with destination.open("x", encoding="utf-8", newline="") as file:
                file.write(_table(found))
        else:
            destination.mkdir(parents=True, exist_ok=True)
            for one in found:
                _write(destination, one, form)
    except OSError as error:
        raise failure(f"{error.filename or destination}: {error.strerror}") from None
    say(f"exported entries={len(found)}")


def _write(folder: Path, one: Known, form: Form) -> None:
    path = folder / f"{Path(one.held.file).stem}-{one.held.row_id}.{form}"
    if form is Form.JSON:
        path.write_text(
            json.dumps(to_json(one.entry.elements), ensure_ascii=False, indent=1), "utf-8"
        )
        return
    syntax = str(ExplicitVRLittleEndian)
    head = part10.header(MODALITY_WORKLIST, f"{one.entry.study_uid}"[:64], syntax)
    path.write_bytes(head + identifier.encode(one.entry.elements, syntax))


def _table(found: list[Known]) -> str:
    values = [to_values(one.entry) | {"ScheduledProcedureStepStatus": str(one.state)}
              for one in found]  # fmt: skip
    columns = list(dict.fromkeys(keyword for one in values for keyword in one))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(values)
    return out.getvalue()
