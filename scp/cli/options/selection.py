"""What a command is about: the patients, studies, series and instances that are named."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from scp.cli.options.options import failure
from scp.cli.output import say

if TYPE_CHECKING:
    from storage import Archive, Location
    from storage.maintenance.changes import Selection

_AGAIN = "May be given several times."
Patients = Annotated[
    list[str] | None,
    typer.Option("--patient", metavar="ID", help=f"All of a Patient ID. {_AGAIN}"),
]
Studies = Annotated[
    list[str] | None, typer.Option("--study", metavar="UID", help=f"A study. {_AGAIN}")
]
SeriesUids = Annotated[
    list[str] | None, typer.Option("--series", metavar="UID", help=f"A series. {_AGAIN}")
]
Instances = Annotated[
    list[str] | None, typer.Option("--instance", metavar="UID", help=f"An instance. {_AGAIN}")
]


def selected(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
) -> "list[Selection]":
    """The entities that the four options name, each once; there is none, or the command ends."""
    from storage.dicom.values import Level
    from storage.maintenance.changes import Selection

    named = {"--patient": patient, "--study": study, "--series": series, "--instance": instance}
    found: dict[Selection, None] = {}
    for level, (flag, keys) in zip(Level, named.items(), strict=True):
        for key in keys or ():
            if not key.strip():
                raise failure(f"{flag}: is empty")
            found[Selection(level, key)] = None
    return list(found)


def required(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
) -> "list[Selection]":
    """The entities that the four options name; where there is none the command ends."""
    found = selected(patient, study, series, instance)
    if not found:
        raise failure("takes one or more of --patient, --study, --series and --instance")
    return found


def selected_studies(study: Studies = None) -> "list[Selection]":
    """The studies that are named."""
    return selected(study=study)


def held(
    archive: "Archive", selections: "Sequence[Selection]"
) -> "tuple[list[Location], list[Selection]]":
    """The instances of all that is named, each once, and what of it is not held.

    Raises ResourceError.
    """
    from storage.maintenance.changes import deletion

    instances: dict[tuple[str, str, str], Location] = {}
    absent = []
    for one in selections:
        found = deletion.selected(archive, one)
        instances |= {location.uids: location for location in found}
        if not found:
            absent.append(one)
    return list(instances.values()), absent


def tell_absent(absent: "Sequence[Selection]") -> None:
    """Say of each that it is not held."""
    for one in absent:
        say(f"{one}: nothing is held")


def words(selections: "Sequence[Selection]") -> str:
    """All that is named, in words."""
    return ", ".join(map(str, selections))
