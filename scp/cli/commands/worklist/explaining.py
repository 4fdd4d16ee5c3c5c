"""`minipacs worklist explain`: what a modality asked last, and which key hid which entry."""

from typing import Annotated

import typer
from pydicom.datadict import keyword_for_tag

from scp.cli.commands.worklist import common
from scp.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath
from scp.cli.output import rows, say, say_json
from scp.config import Service, Settings, Worklist
from storage.dicom.data_sets import Elements
from storage.worklist import Known, Question, day_before
from storage.worklist.entries import STEP_SEQUENCE


def explain(
    title: Annotated[str, typer.Argument(metavar="AET", help="The AE title that it calls with.")],
    date: Annotated[
        str, typer.Option("--date", metavar="DAY", help="Entries of this day; left out: today.")
    ] = "today",
    ever: common.OfEver = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Tell what a modality asked last, and of each entry of the day why it was shown or not.

    Of its last five queries with --all. Exit code 1 where it has asked nothing.
    """
    with common.opened(path) as (settings, worklist):
        asked = worklist.questions(title)[: None if ever else 1]
        entries = common.chosen(settings, worklist, date)
    explained = [_explained(settings, one, entries) for one in asked]
    if as_json:
        say_json(explained)
    else:
        for one in explained:
            _show(one)
        if not asked:
            say(f"{title} has asked for no worklist", *_hints(settings, title))
    raise typer.Exit(0 if asked else 1)


def _hints(settings: Settings, title: str) -> list[str]:
    """Why nothing may have come of a modality."""
    found = []
    if settings.worklist is None:
        found.append(f"{settings.source} has no [worklist]: its presentation context is refused")
    peer = settings.peer(title)
    if peer is None and not settings.access.any_peer:
        found.append(f"{settings.source} has no [peers.{title}], and [access] any_peer is false")
    if peer is not None and Service.WORKLIST not in peer.allow:
        found.append(f'[peers.{title}] allow has no "worklist"')
    return found


def _explained(settings: Settings, question: Question, entries: list[Known]) -> dict[str, object]:
    return {
        "peer": question.peer,
        "address": question.address,
        "at": common.moment_of(question.at / 1000),
        "answers": question.answers,
        "asked": _asked(question),
        "entries": [
            {
                "accession": one.entry.accession,
                "step": one.entry.step_id,
                "patient": one.entry.patient_id,
                "name": one.entry.patient_name,
                "hidden": _hidden(settings.worklist or Worklist(), question, one),
            }
            for one in entries
        ],
    }


def _asked(question: Question) -> dict[str, str]:
    """The keys that have a value, in the items of sequences too."""
    found = _valued(question.query.keys, "")
    if question.query.station:
        found["ScheduledStationAETitle"] = f"{question.query.station} (by own_station)"
    return found


def _valued(keys: Elements, inside: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag, key in keys.items():
        name = inside + (keyword_for_tag(tag) or str(tag))
        if key.items is None:
            found |= {name: key.text} if key.text else {}
            continue
        for item in key.items:
            found |= _valued(item, "" if tag == STEP_SEQUENCE else f"{name}.")
    return found


def _hidden(settings: Worklist, question: Question, one: Known) -> list[str]:
    """What hid an entry; nothing where it was to be shown."""
    found = []
    if one.state not in settings.serve:
        found.append(
            f"it is {one.state} by {one.standing.by}, which [worklist] serve does not have"
        )
    if one.entry.day < day_before(settings.keep):
        found.append(f"its day is past by more than [worklist] keep, {settings.keep} days")
    for key in question.query.hidden_by(one.entry, str(one.state)):
        found.append(f"{key.keyword}: asked {key.asked}, is {key.held or 'empty'}")
    return found


def _show(explained: dict[str, object]) -> None:
    asked, entries = explained["asked"], explained["entries"]
    assert isinstance(asked, dict)
    assert isinstance(entries, list)
    keys = ", ".join(f"{name}={value}" for name, value in asked.items()) or "everything"
    say(f"{explained['peer']} at {explained['at']} from {explained['address']}: asked for {keys}; "
        f"answers={explained['answers']}")  # fmt: skip
    with rows.Columns(folded=4) as form:
        for one in entries:
            form.add({
                "Accession": one["accession"],
                "Step": one["step"],
                "PatientID": one["patient"],
                "PatientName": one["name"],
                "Hidden by": "; ".join(one["hidden"]) or "nothing: it is shown",
            })  # fmt: skip
