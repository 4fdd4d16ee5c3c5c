"""The command that writes what is held as files for others."""

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
    required,
    told,
)
from scp.cli.output import say

app = Commands()


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty, or is made.")],
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    zipped: Annotated[bool, typer.Option("--zip", help="DIR is one zip file instead.")] = False,
    dicomdir: Annotated[
        bool,
        typer.Option(
            "--dicomdir",
            help="For media: a DICOMDIR, names of 8 characters, General Purpose profile.",
        ),
    ] = False,
    deidentify: Deidentify = False,
    retain: Retained = None,
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    burned_in: BurnedIn = False,
    recognizable: Recognizable = False,
    video: Video = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write patients, studies, series or instances as DICOM files."""
    selections = required(patient, study, series, instance)
    profile = asked(deidentify, retain, patient_id, patient_name, burned_in, recognizable, video)
    settings = begin(path)
    from scp.cli.commands.transfer import export as exporting
    from scp.copies.deidentify.elements import Report
    from scp.copies.deidentify.instances import copies_for
    from scp.node import opened
    from storage.diagnostics import ResourceError

    how, report = str(profile) if profile else "", Report()
    wanted = exporting.Export(tuple(selections), to, zipped, dicomdir, how)
    with told(), opened(settings) as archive:
        try:
            copies = copies_for(archive, settings.node.ae_title, profile, report)
            whole = exporting.run(settings, wanted, copies, archive)
            for line in report.lines():
                say(line)
        except ResourceError as error:  # well asked for: it is the disk that ends it
            say(f"minipacs: {error}", err=True)
            whole = False
    raise typer.Exit(0 if whole else 1)
