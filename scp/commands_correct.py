"""The commands on what people correct: values beside the stored bytes, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from scp.housekeeping import Instance, Patient, Series, Study, Yes, asking, select
from scp.options import DEFAULT_CONFIG, AsJson, ConfigPath, begin, failure, told

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the history.")]


@app.command()
def correct(
    values: Annotated[list[str], typer.Argument(metavar="Keyword=VALUE...")],
    patient: Patient = "",
    study: Study = "",
    series: Series = "",
    instance: Instance = "",
    reason: Reason = "",
    yes: Yes = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have a patient, study, series or instance shown and sent with other values."""
    selection = select(patient, study, series, instance)
    settings = begin(path)
    from scp import correcting

    with _corrected():
        correcting.correct(settings, selection, correcting.parsed(values), reason, asking(yes))


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
    from scp import correcting

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
    from scp import correcting

    with _corrected():
        correcting.undo(settings, number, asking(yes))


@app.command()
def history(
    patient: Patient = "",
    study: Study = "",
    series: Series = "",
    instance: Instance = "",
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Tell what was corrected, by whom, when and from what: of all, or of what is named."""
    named = any((patient, study, series, instance))
    selection = select(patient, study, series, instance) if named else None
    settings = begin(path)
    from scp import correcting

    with _corrected():
        correcting.history(settings, selection, as_json)


@contextmanager
def _corrected() -> Iterator[None]:
    from storage.correctable import UncorrectableError

    try:
        with told():
            yield
    except UncorrectableError as error:
        raise failure(str(error)) from None
