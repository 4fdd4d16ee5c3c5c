"""`minipacs worklist add`: one entry, by keywords."""

import secrets
import time
from typing import Annotated

import typer

from scp.cli.commands.worklist import common
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    DryRun,
    failure,
    parsed_conditions,
)
from scp.cli.output import say, say_json
from scp.runtime import tell
from storage.worklist import day_before
from storage.worklist.entries import EntryError, completed, from_values, to_values

_DAY, _TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"


def add(
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="Keyword=VALUE",
            help="PatientName=.. PatientID=.. Modality=CT ScheduledStationAETitle=CT01 ...",
        ),
    ],
    date: Annotated[
        str, typer.Option("--date", metavar="DAY", help="today, 2026-11-29 or 20261129.")
    ] = "today",
    at: Annotated[str, typer.Option("--time", metavar="HHMM", help="Left out: now.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have one more thing be done: prints its Accession Number and Study Instance UID.

    What is left out is filled in. An entry of the same Accession Number and step is updated.
    """
    given: dict[str, str] = {}
    for keyword, value in parsed_conditions(values):
        if keyword in given:
            raise failure(f"{keyword}: is given twice")
        given[keyword] = value
    given.setdefault(_DAY, common.day_of(date))
    given.setdefault(_TIME, at or time.strftime("%H%M"))
    given.setdefault("AccessionNumber", _number())
    with common.opened(path) as (settings, worklist):
        try:
            entries = completed(from_values(given), worklist.identity(), given["AccessionNumber"])
            worklist.check(entries)
        except EntryError as error:
            raise failure("\n".join(error.faults)) from None
        (entry,) = entries
        if not dry_run:
            (written,) = worklist.put(entries)
            tell(settings, "worklist-add", accession=entry.accession, study=entry.study_uid,
                 step=entry.step_id)  # fmt: skip
            common.warn_unserved(settings)
    if as_json:
        say_json({**to_values(entry), "file": None if dry_run else written})
        return
    done = "would be added" if dry_run else "added"
    say(f"{done} accession={entry.accession} step={entry.step_id} study={entry.study_uid}")


def _number() -> str:
    """An Accession Number that nobody has: a day, and a random number."""
    return f"{day_before(0)[2:]}{secrets.randbelow(10**8):08d}"
