"""`minipacs show`: a study that is held, as one document."""

import json
from contextlib import ExitStack
from typing import Annotated

import typer

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    failure,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import say, say_json
from scp.config import Settings
from scp.copies.corrected import AsCorrected
from scp.copies.documents import (
    Documents,
    FhirVersion,
    SeriesDocument,
    factored,
    imaging_study,
    series_of,
)
from scp.node import opened
from storage import Archive

app = Commands()


@app.command()
def show(
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.")],
    as_json: AsJson = False,
    each: Annotated[
        bool, typer.Option("--each", help="Each instance as a whole, as DICOMweb's metadata.")
    ] = False,
    fhir: Annotated[bool, typer.Option("--fhir", help="As FHIR ImagingStudy.")] = False,
    version: Annotated[
        FhirVersion, typer.Option("--fhir-version", help="Of FHIR: its forms differ.")
    ] = FhirVersion.R4,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Show a study that is held: what each series says, or all of it as one JSON document.

    With --json what all instances say alike is told once; with --fhir as FHIR ImagingStudy.
    """
    if as_json + each + fhir > 1:
        raise failure("takes one of --json, --each and --fhir")
    settings = settings_as_owner(path)
    with refusals_shown(), opened(settings) as archive:
        if each:
            found = _tell_each(settings, archive, study)
        else:
            found = _tell(settings, archive, study, as_json, version if fhir else None)
    if not found:
        say(
            f"minipacs: {study}: no study is held by that UID; `minipacs find` lists them", err=True
        )
        raise typer.Exit(1)


def _documents(settings: Settings, archive: Archive) -> Documents:
    copies = AsCorrected(archive.tree, settings.node.ae_title)
    return Documents(archive, copies, settings.storage.metadata_bytes)


def _tell(
    settings: Settings, archive: Archive, study: str, as_json: bool, version: FhirVersion | None
) -> bool:
    series = series_of(archive, _documents(settings, archive), study)
    if not series:
        return False
    if version:
        say_json(imaging_study(study, [document for _, document in series], version))
    elif as_json:
        say_json(factored(study, series))
    else:
        _tell_people(study, series)
    return True


def _tell_people(study: str, series: list[tuple[str, SeriesDocument]]) -> None:
    said = imaging_study(study, [document for _, document in series], FhirVersion.R4)
    patient = said["subject"]
    who = [patient.get("identifier", {}).get("value", ""), patient.get("display", "")]
    told = [*who, said.get("started", ""), said.get("description", "")]
    say(f"study={study} {', '.join(filter(None, told))}")
    for one in said["series"]:
        words = f"  series={one['uid']} modality={one['modality'].get('code', '')}"
        number = f" number={one['number']}" if "number" in one else ""
        say(f"{words}{number} instances={one['numberOfInstances']} {one.get('description', '')}")


def _tell_each(settings: Settings, archive: Archive, study: str) -> bool:
    with ExitStack() as closing:
        found = closing.enter_context(archive.locate_below(study))
        before = "["
        for one in _documents(settings, archive).of(found):
            say(before + json.dumps(json.loads(one.text), ensure_ascii=False))
            before = ","
        if before == ",":
            say("]")
    return before == ","
