"""`minipacs find`: what is held, by any key, as a table, JSON, CSV or UIDs."""

from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    Conditions,
    ConfigPath,
    failure,
    parsed_conditions,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import rows, say
from scp.config import Settings
from scp.node import opened
from storage.archive import Asked, Entity, UnreadableError, asked
from storage.dicom.values import UNIQUE, Level

app = Commands()


class LevelName(StrEnum):
    """What is looked for."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


_LEVELS = dict(zip(LevelName, Level, strict=True))
PLURALS = dict(zip(LevelName, ("patients", "studies", "series", "instances"), strict=True))
# What is shown where nothing else is asked for; and what tells one from another, which is long.
COLUMNS = {
    Level.PATIENT: ("PatientID", "PatientName", "PatientBirthDate", "PatientSex",
                    "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"),
    Level.STUDY: ("PatientID", "PatientName", "StudyDate", "AccessionNumber", "ModalitiesInStudy",
                  "StudyDescription", "NumberOfStudyRelatedInstances"),
    Level.SERIES: ("PatientID", "PatientName", "StudyDate", "Modality", "SeriesNumber",
                   "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    Level.IMAGE: ("PatientID", "StudyDate", "Modality", "SeriesNumber", "InstanceNumber"),
}  # fmt: skip


@app.command()
def find(
    where: Conditions = None,
    level: Annotated[
        LevelName, typer.Option("--level", "-l", help="What to look for.")
    ] = LevelName.STUDY,
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            "-s",
            metavar="KEYWORD",
            help="Show this too; may be given several times, "
            "and have commas. Sender, Received, FirstReceived and Bytes are among what can be.",
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with all UIDs.")] = False,
    as_uids: Annotated[
        bool, typer.Option("--uids", help="The UID of each (of patients the ID), one a line.")
    ] = False,
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Names that sound alike are found too.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 0,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Find what is held, by any attribute: Modality=CT StudyDate=20260101- PatientName='doe*'.

    Keywords match as in a C-FIND: * and ? in text, ranges of dates and times, names whatever their
    case and accents; "" finds what is empty. Of several values of one keyword any will do.
    """
    if as_json + as_csv + as_uids > 1:
        raise failure("takes one of --json, --csv and --uids")
    settings = settings_as_owner(path)
    more = [name for one in show or () for name in one.split(",") if name]
    at = _LEVELS[level]
    columns = [] if as_uids else list(dict.fromkeys((*COLUMNS[at], *more)))
    form = (
        rows.Json() if as_json else rows.Csv() if as_csv else rows.Lines() if as_uids
        else rows.Columns()
    )  # fmt: skip
    with refusals_shown():
        wanted = asked(at, parsed_conditions(where), columns, fuzzy)
        count, fault = run(settings, wanted, form, limit)
    if isinstance(form, rows.Columns):
        say(f"{PLURALS[level]}={count}", err=True)
    if fault:
        say(f"minipacs: {fault}", err=True)
    raise typer.Exit(0 if count and not fault else 1)


def run(settings: Settings, wanted: Asked, form: rows.Form, limit: int) -> tuple[int, str]:
    """Show what is held of what is wanted; how many there are, and what was not looked at.

    Raises ArchiveError.
    """
    count = 0
    with opened(settings) as archive, form:
        found = archive.entities(wanted, settings.storage.charset)
        try:
            for entity in islice(found, limit or None):
                form.add(_row(wanted, entity, form))
                count += 1
        except UnreadableError as error:
            return count, str(error)
    return count, ""


def _row(wanted: Asked, entity: Entity, form: rows.Form) -> dict[str, object]:
    if isinstance(form, rows.Lines):
        return {"": entity.uids[UNIQUE[wanted.level].keyword]}
    if isinstance(form, rows.Columns):
        return dict(entity.values)
    return {**entity.uids, **entity.values}
