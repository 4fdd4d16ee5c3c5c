"""The commands on what is held: send it, take it out of the archive, bring it back."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    BurnedIn,
    Commands,
    ConfigPath,
    Deidentify,
    Instances,
    PatientId,
    PatientName,
    Patients,
    Recognizable,
    Retained,
    SeriesUids,
    Studies,
    Video,
    asked,
    begin,
    failure,
    load,
    required,
    told,
)
from scp.cli.output import ask

app = Commands()

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Age = Annotated[str, typer.Option(metavar="30d", help="Hours, days or weeks: 12h, 30d, 8w.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@app.command()
def send(
    title: Annotated[str, typer.Argument(metavar="AET", help="A peer under [peers].")],
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    deidentify: Deidentify = False,
    retain: Retained = None,
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    burned_in: BurnedIn = False,
    recognizable: Recognizable = False,
    video: Video = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send patients, studies, series or instances to a peer."""
    selections = required(patient, study, series, instance)
    profile = asked(deidentify, retain, patient_id, patient_name, burned_in, recognizable, video)
    from scp.cli.commands.transfer import send as sending
    from scp.network.association import access
    from scp.network.tls import contexts
    from scp.node import opened

    with told():  # before the command works as the owner of the data folder: the key may be root's
        tls = contexts(load(path))
    settings = begin(path)

    peer = access.destination(settings, title)
    if peer is None:
        raise failure(f"{settings.source}: [peers] {title}: no host and port")
    with told(), opened(settings) as archive:
        whole = sending.run(settings, tls, title, peer, selections, archive, profile)
    raise typer.Exit(0 if whole else 1)


@app.command()
def delete(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take patients, studies, series or instances out of the archive, into superseded/."""
    selections = required(patient, study, series, instance)
    settings = begin(path)
    from scp.cli.commands.changes import delete as retiring

    with told():
        found = retiring.delete(settings, selections, asking(yes))
    raise typer.Exit(0 if found else 1)


@app.command()
def restore(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring back from superseded/ what was deleted."""
    selections = required(patient, study, series, instance)
    settings = begin(path)
    from scp.cli.commands.changes import delete as retiring

    with told():
        found = retiring.restore(settings, selections)
    raise typer.Exit(0 if found else 1)


@app.command()
def purge(
    older_than: Age,
    yes: Yes = False,
    dry_run: DryRun = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete for good what has been in superseded/ for a time."""
    from scp.cli.commands.changes import delete as retiring

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
    from scp.cli.commands.transfer.backup import run

    with told():
        whole = run(settings, to)
    raise typer.Exit(0 if whole else 1)


def asking(yes: bool) -> Callable[[str], bool]:
    """Asks the person at the terminal, unless the answer was given with the command."""
    return lambda text: yes or ask(text)
