"""`minipacs worklist list`: the entries and what became of them, and what is wrong."""

from typing import Annotated

import typer

from scp.cli.commands.worklist import common
from scp.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, failure
from scp.cli.output import rows, say, say_json
from scp.config import Settings
from scp.node import opened
from storage.dicom.values import Level
from storage.index import search
from storage.worklist import Known, State, Worklist, day_before, instances

_WAITING = frozenset({State.SCHEDULED, State.ARRIVED, State.READY})


def list_entries(
    date: common.OfDay = "",
    state: common.OfState = None,
    ever: common.OfEver = False,
    missing: Annotated[
        bool,
        typer.Option(
            "--missing",
            help="What never arrived: of days past, and of what modalities say they have made.",
        ),
    ] = False,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Images with an entry's numbers, of other patients.")
    ] = False,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Show the entries of the last days and those to come, and what became of them.

    Files that are not taken are told on standard error; exit code 1 with any, and where --missing
    or --conflicts finds something.
    """
    if missing and conflicts:
        raise failure("takes one of --missing and --conflicts")
    with common.opened(path) as (settings, worklist):
        found = common.chosen(settings, worklist, date, state, ever)
        if missing:
            lines = _missing(settings, worklist, found)
        elif conflicts:
            lines = [(one, _conflicting(one)) for one in found if one.conflicts]
        else:
            lines = [(one, {}) for one in found]
        faults = common.say_faults(worklist)
    if as_json:
        say_json([{**common.plain_of(one), **more} for one, more in lines])
    else:
        _show(lines)
    is_wrong = faults or ((missing or conflicts) and lines)
    raise typer.Exit(1 if is_wrong else 0)


_Line = tuple[Known, dict[str, object]]


def _show(lines: list[_Line]) -> None:
    with rows.Columns() as form:
        for one, more in lines:
            form.add({**common.row_of(one), **({"": more["words"]} if more else {})})
    say(f"entries={len(lines)}", err=True)


def _missing(settings: Settings, worklist: Worklist, found: list[Known]) -> list[_Line]:
    """Entries of days past for which nothing came, and steps whose instances are not all here."""
    lines: list[_Line] = []
    today = day_before(0)
    with opened(settings) as archive:
        archive.require_whole()
        for one in found:
            if one.state in _WAITING and one.entry.day < today:
                lines.append((one, {"words": "nothing arrived", "missing": []}))
                continue
            made: dict[str, None] = {}
            for step in one.evidence.performed:
                made |= dict.fromkeys(instances(worklist.step(step.uid).elements))
            with archive.index.engine.reading():
                lacking = [
                    uid for uid in made if not search.by_uid(archive.index, Level.IMAGE, uid)
                ]
            if lacking:
                words = f"{len(lacking)} of {len(made)} instances did not arrive"
                lines.append((one, {"words": words, "missing": lacking}))
    return lines


def _conflicting(one: Known) -> dict[str, object]:
    told = [
        {"study": came.study_uid, "patient": came.patient_id, "name": came.patient_name,
         "instances": came.instances}
        for came in one.conflicts
    ]  # fmt: skip
    first = one.conflicts[0]
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    whose = f"{first.patient_name or '-'} ({first.patient_id or 'no ID'})"
    return {"words": f"study {first.study_uid} is of {whose}{more}", "conflicts": told}
