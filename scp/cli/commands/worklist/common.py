"""What the commands on the worklist share: it opened, entries chosen, rows of them."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from scp.cli.options import failure, refusals_shown, settings_as_owner
from scp.cli.output import say
from scp.config import Settings
from scp.network.services.worklist import rules_of
from scp.node import require_shared
from storage.diagnostics import FolderError
from storage.journal import journal_of
from storage.worklist import EVER, Known, State, Worklist, day_before

OfDay = Annotated[
    str, typer.Option("--date", metavar="DAY", help="Of one day: today, 2026-11-29 or 20261129.")
]
OfState = Annotated[
    list[State] | None,
    typer.Option(
        "--state", case_sensitive=False, help="In this state; may be given several times."
    ),
]
OfEver = Annotated[bool, typer.Option("--all", help="Also those of days that are long past.")]
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_USUAL_DAYS = 7


@contextmanager
def opened(path: Path) -> Iterator[tuple[Settings, Worklist]]:
    """Settings and worklist, for one command; what is refused ends it."""
    settings = settings_as_owner(path)
    storage = settings.storage
    with refusals_shown():
        if settings.store:
            require_shared(settings)
        elif not storage.path.is_dir():
            where = f"{settings.source}: [storage] path"
            raise FolderError(f"{where}: {storage.path}: No such file or directory")
        journal = journal_of(storage.path, storage.sync)
        worklist = Worklist(storage.path, journal, settings.worklist_folder, storage.charset)
        try:
            yield settings, worklist
        finally:
            worklist.close()
            journal.close()


def warn_unserved(settings: Settings) -> None:
    """Say so where nobody is answered what is put into the worklist."""
    if settings.worklist is None:
        say(f"minipacs: {settings.source} has no [worklist]: no modality is answered", err=True)


def day_of(text: str) -> str:
    """A date of --date, YYYYMMDD; empty of nothing; else the command ends."""
    if text == "today":
        return day_before(0)
    if not text:
        return ""
    match = _DAY.fullmatch(text)
    if not match:
        raise failure(f'--date: takes today, 2026-11-29 or 20261129, not "{text}"')
    return "".join(match.groups())


def chosen(
    settings: Settings, worklist: Worklist, date: str = "", states: list[State] | None = None,
    ever: bool = False,
) -> list[Known]:  # fmt: skip
    """The entries that the options say: of those that modalities may see, if they say nothing."""
    day = day_of(date)
    keep = settings.worklist.keep if settings.worklist else _USUAL_DAYS
    since = EVER if ever else day or day_before(keep)
    found = worklist.known(since, rules_of(settings.worklist))
    return [
        one
        for one in found
        if (not day or one.entry.day == day) and (not states or one.state in states)
    ]


def named(settings: Settings, worklist: Worklist, text: str) -> list[Known]:
    """The entries of an Accession Number, Study Instance UID, step, file or Patient ID.

    Of the surest of these that it is. NUMBER/STEP is one step. Else the command ends.
    """
    known = worklist.known(EVER, rules_of(settings.worklist))
    found = [one for one in known if text in _names(one)]
    if found:
        first = min(_names(one).index(text) for one in found)
        return [one for one in found if _names(one)[first] == text]
    raise failure(
        f"{text}: no entry has it as Accession Number, Study Instance UID, step, file or Patient "
        "ID; `minipacs worklist list --all` shows all", 1,
    )  # fmt: skip


def _names(known: Known) -> tuple[str, ...]:
    """What an entry is called by, the surest first."""
    entry = known.entry
    numbers = entry.accession, entry.study_uid
    steps = (f"{number}/{entry.step_id}" for number in numbers)
    return (*numbers, *steps, entry.step_id, known.held.file, entry.patient_id)


def row_of(known: Known) -> dict[str, object]:
    """What a table shows of an entry."""
    entry = known.entry
    return {
        "Date": entry.day,
        "Time": entry.time[:4],
        "Modality": entry.modality,
        "Station": entry.text_of("ScheduledStationAETitle"),
        "PatientID": entry.patient_id,
        "PatientName": entry.patient_name,
        "Accession": entry.accession,
        "Step": entry.step_id,
        "State": str(known.state),
        "By": str(known.standing.by),
    }


def plain_of(known: Known) -> dict[str, Any]:
    """The same for a machine, with what tells of it."""
    entry, evidence = known.entry, known.evidence
    arrived, since = evidence.arrived, known.standing.since
    return {
        "study": entry.study_uid,
        "accession": entry.accession,
        "step": entry.step_id,
        "procedure": entry.procedure_id,
        "patient": entry.patient_id,
        "name": entry.patient_name,
        "date": entry.day,
        "time": entry.time,
        "modality": entry.modality,
        "stations": list(entry.stations),
        "state": str(known.state),
        "by": str(known.standing.by),
        "since": moment_of(since) if since else None,
        "performed": [{"uid": p.uid, "status": p.status} for p in evidence.performed],
        "instances": arrived.instances if arrived else 0,
        "file": known.held.file,
    }


def moment_of(seconds: float) -> str:
    """A time as it is here, to the second and with its zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


def say_faults(worklist: Worklist) -> int:
    """Say what of the folder is not taken; how much that is."""
    faults = worklist.faults()
    for one in faults:
        where = worklist.folder / one.file if worklist.folder else one.file
        say(f"minipacs: {where}: not taken: {one.words}", err=True)
    return len(faults)
