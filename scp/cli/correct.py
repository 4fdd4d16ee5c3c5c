"""The commands on what people correct: values beside the stored bytes, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from scp.cli.archive import Yes, asking
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    Instances,
    Patients,
    SeriesUids,
    Studies,
    begin,
    failure,
    required,
    selected,
    told,
)

app = Commands()

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the history.")]


@app.command()
def correct(
    values: Annotated[list[str], typer.Argument(metavar="Keyword=VALUE...")],
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have patients, studies, series or instances shown and sent with other values."""
    selections = required(patient, study, series, instance)
    settings = begin(path)
    from scp.cli.commands.changes import correct as correcting

    with _corrected():
        correcting.correct(settings, selections, correcting.parsed(values), reason, asking(yes))


@app.command("merge-patient")
def merge_patient(
    patient: Annotated[str, typer.Argument(metavar="FROM", help="A Patient ID.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The Patient ID to be theirs.")],
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have the studies of a patient be another one's, also those that are still to come."""
    settings = begin(path)
    from scp.cli.commands.changes import correct as correcting

    with _corrected():
        correcting.merge(settings, patient, into, reason, asking(yes))


@app.command()
def undo(
    number: Annotated[int, typer.Argument(help="Of a correction, as `history` tells.")],
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take a correction back."""
    settings = begin(path)
    from scp.cli.commands.changes import correct as correcting

    with _corrected():
        correcting.undo(settings, number, asking(yes))


@app.command()
def history(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Tell what was corrected, by whom, when and from what: of all, or of what is named."""
    selections = selected(patient, study, series, instance)
    settings = begin(path)
    from scp.cli.commands.changes import correct as correcting

    with _corrected():
        whole = correcting.history(settings, selections, as_json)
    raise typer.Exit(0 if whole else 1)


@contextmanager
def _corrected() -> Iterator[None]:
    from storage.maintenance.changes import UncorrectableError

    try:
        with told():
            yield
    except UncorrectableError as error:
        raise failure(str(error)) from None
