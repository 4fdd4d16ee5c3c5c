"""The command that writes what is held as files for others."""

from pathlib import Path
from typing import Annotated

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
from scp.options import DEFAULT_CONFIG, Commands, ConfigPath, begin, told
from scp.printing import say
from scp.selecting import Instances, Patients, SeriesUids, Studies, required

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
    from scp import exporting
    from scp.deidentify.copies import copies_for
    from scp.deidentify.report import Report
    from scp.opening import opened
    from storage.errors import ResourceError

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
