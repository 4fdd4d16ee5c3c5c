"""How what is found is shown, here or at a peer: the level, the columns, the form."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from scp.cli.options import AsJson, failure
from scp.cli.output import rows, say
from storage.dicom.values import UNIQUE, Level


class LevelName(StrEnum):
    """What is looked for."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


LEVELS = dict(zip(LevelName, Level, strict=True))
_PLURALS = dict(zip(Level, ("patients", "studies", "series", "instances"), strict=True))
# What is shown where nothing else is asked for; and what tells one from another, which is long.
_COLUMNS = {
    Level.PATIENT: ("PatientID", "PatientName", "PatientBirthDate", "PatientSex",
                    "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"),
    Level.STUDY: ("PatientID", "PatientName", "StudyDate", "AccessionNumber", "ModalitiesInStudy",
                  "StudyDescription", "NumberOfStudyRelatedInstances"),
    Level.SERIES: ("PatientID", "PatientName", "StudyDate", "Modality", "SeriesNumber",
                   "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    Level.IMAGE: ("PatientID", "StudyDate", "Modality", "SeriesNumber", "InstanceNumber"),
}  # fmt: skip


@dataclass(frozen=True)
class Showing:
    """What is shown of each entity of a level, in which form, and of how many; 0: of all."""

    level: Level
    columns: list[str]
    form: rows.Form
    limit: int

    def add(self, uids: Mapping[str, object], values: Mapping[str, object]) -> None:
        """Show one: `uids` are its unique keys, by keyword, `values` the columns."""
        if isinstance(self.form, rows.Lines):
            self.form.add({"": uids[UNIQUE[self.level].keyword]})
        elif isinstance(self.form, rows.Columns):
            self.form.add(dict(values))
        else:
            self.form.add({**uids, **values})

    def ended(self, count: int, fault: str) -> typer.Exit:
        """Say how many there were, and what went wrong; what ends the command."""
        if isinstance(self.form, rows.Columns):
            say(f"{_PLURALS[self.level]}={count}", err=True)
        if fault:
            say(f"minipacs: {fault}", err=True)
        return typer.Exit(0 if count and not fault else 1)


def showing(
    level: Annotated[
        LevelName, typer.Option("--level", "-l", help="What to look for.")
    ] = LevelName.STUDY,
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            "-s",
            metavar="KEYWORD",
            help="Show this too; may be given several times, and have commas. `find` has Sender, "
            "Received, FirstReceived and Bytes among what can be.",
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with all UIDs.")] = False,
    as_uids: Annotated[
        bool, typer.Option("--uids", help="The UID of each (of patients the ID), one a line.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 0,
) -> Showing:
    """What the options say; else the command ends."""
    if as_json + as_csv + as_uids > 1:
        raise failure("takes one of --json, --csv and --uids")
    more = [name for one in show or () for name in one.split(",") if name]
    at = LEVELS[level]
    columns = [] if as_uids else list(dict.fromkeys((*_COLUMNS[at], *more)))
    form = (
        rows.Json() if as_json else rows.Csv() if as_csv else rows.Lines() if as_uids
        else rows.Columns()
    )  # fmt: skip
    return Showing(at, columns, form, limit)
