"""The commands on what is held: send it, take it out of the archive, bring it back."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp.deidentify.flags import (
    BurnedIn,
    Deidentify,
    PatientId,
    PatientName,
    Recognizable,
    Retained,
    Video,
    asked,
)
from scp.options import DEFAULT_CONFIG, ConfigPath, begin, failure, load, told
from scp.printing import ask

if TYPE_CHECKING:
    from storage.retiring import Selection

app = typer.Typer()

Patient = Annotated[str, typer.Option("--patient", metavar="ID", help="All of a Patient ID.")]
Study = Annotated[str, typer.Option("--study", metavar="UID", help="A study.")]
Series = Annotated[str, typer.Option("--series", metavar="UID", help="A series.")]
Instance = Annotated[str, typer.Option("--instance", metavar="UID", help="An instance.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Age = Annotated[str, typer.Option(metavar="30d", help="Hours, days or weeks: 12h, 30d, 8w.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@app.command()
def send(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    patient: Patient = "",
    study: Study = "",
    series: Series = "",
    instance: Instance = "",
    deidentify: Deidentify = False,
    retain: Retained = None,
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    burned_in: BurnedIn = False,
    recognizable: Recognizable = False,
    video: Video = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send a patient, study, series or instance to a peer."""
    selection = select(patient, study, series, instance)
    profile = asked(deidentify, retain, patient_id, patient_name, burned_in, recognizable, video)
    from scp import peers, sending
    from scp.check import opened
    from scp.tls import contexts

    with told():  # before the command works as the owner of the data folder: the key may be root's
        tls = contexts(load(path))
    settings = begin(path)

    peer = peers.destination(settings, title)
    if peer is None:
        raise failure(f"{settings.source}: [peers] {title}: no host and port")
    with told(), opened(settings) as archive:
        whole = sending.run(settings, tls, title, peer, selection, archive, profile)
    raise typer.Exit(0 if whole else 1)


@app.command()
def delete(
    patient: Patient = "",
    study: Study = "",
    series: Series = "",
    instance: Instance = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take a patient, study, series or instance out of the archive, into superseded/."""
    selection = select(patient, study, series, instance)
    settings = begin(path)
    from scp import retiring

    with told():
        found = retiring.delete(settings, selection, asking(yes))
    raise typer.Exit(0 if found else 1)


@app.command()
def restore(
    patient: Patient = "",
    study: Study = "",
    series: Series = "",
    instance: Instance = "",
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring back from superseded/ what was deleted."""
    selection = select(patient, study, series, instance)
    settings = begin(path)
    from scp import retiring

    with told():
        found = retiring.restore(settings, selection)
    raise typer.Exit(0 if found else 1)


@app.command()
def purge(
    older_than: Age,
    yes: Yes = False,
    dry_run: DryRun = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete for good what has been in superseded/ for a time."""
    from scp import retiring

    try:
        age = retiring.seconds(older_than)
    except ValueError as error:
        raise failure(f"--older-than: {error}") from None
    settings = begin(path)
    with told():
        retiring.purge(settings, age, dry_run, asking(yes))


@app.command()
def backup(
    to: Annotated[
        Path, typer.Argument(metavar="DEST", help="A folder that is empty, or a backup.")
    ],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring a copy of the archive up to date; the node may run meanwhile."""
    settings = begin(path)
    from scp.backup import run

    with told():
        whole = run(settings, to)
    raise typer.Exit(0 if whole else 1)


def select(patient: str, study: str, series: str, instance: str) -> "Selection":
    """The one entity that is named; else the command ends."""
    from storage.attributes import Level
    from storage.retiring import Selection

    given = [
        Selection(level, uid)
        for level, uid in zip(Level, (patient, study, series, instance), strict=True)
        if uid
    ]
    if len(given) != 1:
        raise failure("takes just one of --patient, --study, --series and --instance")
    return given[0]


def asking(yes: bool) -> Callable[[str], bool]:
    """Asks the person at the terminal, unless the answer was given with the command."""
    return lambda text: yes or ask(text)
