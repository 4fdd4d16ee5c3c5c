"""What a command is about: what is named, described, listed in a file, or all."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from scp.cli.options.conditions import parsed_conditions
from scp.cli.options.csv_files import header_of, rows_of, text_of
from scp.cli.options.options import failure, refusals_shown
from scp.cli.output import say

if TYPE_CHECKING:
    from storage.maintenance.changes import Matching, Named, Selection

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
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="Keyword=VALUE",
        help="What matches, as in `minipacs find`. Given several times, all of it.",
    ),
]
FromFile = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FILE",
        help="UIDs, one a line, or a column of a CSV file whose first "
        "line has keywords; -: standard input.",
    ),
]
Column = Annotated[
    str,
    typer.Option(
        "--column",
        metavar="KEYWORD",
        help="Of the CSV file; else the first of "
        "SOPInstanceUID, SeriesInstanceUID, StudyInstanceUID, AccessionNumber, PatientID.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All that is held.")]

# Of a CSV file the column that tells most.
_COLUMNS = (
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID",
)  # fmt: skip
_ACCESSION, _PATIENT = _COLUMNS[-2:]
_WILDCARDS = "*?\\"


def selected(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    where: Where = None,
    listed: FromFile = "",
    column: Column = "",
    everything: All = False,
) -> "list[Named]":
    """All that the options name, each once; else the command ends."""
    from storage.maintenance.changes import Everything

    found: list[Named] = [*_by_key(patient, study, series, instance)]
    if where:
        found.append(_matching(parsed_conditions(where), " ".join(where)))
    if listed:
        found += _of_file(listed, column)
    elif column:
        raise failure("--column: takes --from")
    if everything:
        if found:
            raise failure("--all: takes nothing beside it")
        found.append(Everything())
    return list(dict.fromkeys(found))


def required(
    patient: Patients = None,
    study: Studies = None,
    series: SeriesUids = None,
    instance: Instances = None,
    where: Where = None,
    listed: FromFile = "",
    column: Column = "",
    everything: All = False,
) -> "list[Named]":
    """All that the options name; where there is nothing the command ends."""
    found = selected(patient, study, series, instance, where, listed, column, everything)
    if not found:
        raise failure(
            "takes one or more of --patient, --study, --series, --instance, --where and --from, "
            "or --all"
        )
    return found


def _by_key(*keys: list[str] | None) -> "Iterator[Selection]":
    from storage.dicom.values import Level
    from storage.maintenance.changes import Selection

    flags = ("--patient", "--study", "--series", "--instance")
    for level, flag, given in zip(Level, flags, keys, strict=True):
        for key in given or ():
            if not key.strip():
                raise failure(f"{flag}: is empty")
            yield Selection(level, key)


def _matching(conditions: Sequence[tuple[str, str]], words: str) -> "Matching":
    from storage.archive import asked
    from storage.dicom.values import Level
    from storage.maintenance.changes import Matching

    with refusals_shown():
        return Matching(asked(Level.IMAGE, conditions, ()), words, tuple(conditions))


def _of_file(name: str, column: str) -> "Iterator[Named]":
    """What a file lists: UIDs, or values of a column."""
    from storage.maintenance.changes import AnyUid

    text = text_of(name, "--from")
    header = header_of(text)
    known = [one for one in ([column] if column else _COLUMNS) if one in header]
    if not header:
        raise failure(f"--from {name}: is empty")
    if not known and not column and len(header) == 1:
        yield from (AnyUid(line.strip()) for line in text.splitlines() if line.strip())
        return
    if not known:
        wanted, first = column or " or ".join(_COLUMNS), text.partition("\n")[0][:200]
        raise failure(f"--from {name}: has no column {wanted}; its first line is {first}")
    # An Accession Number is one of who gave it out; the patient tells that, too.
    beside = _PATIENT if known[0] == _ACCESSION and _PATIENT in header and not column else ""
    for line, row in rows_of(text):
        where = f"--from {name}: line {line}"
        yield _of_value(known[0], row.get(known[0], ""), where, row.get(beside, ""))


def _of_value(keyword: str, value: str, where: str, patient: str = "") -> "Named":
    from storage.dicom.values import UNIQUE
    from storage.maintenance.changes import Selection

    if not value:
        raise failure(f"{where}: {keyword} is empty")
    for level, attribute in UNIQUE.items():
        if attribute.keyword == keyword:
            return Selection(level, value)
    if any(letter in value + patient for letter in _WILDCARDS):
        raise failure(f"{where}: {keyword} has a wildcard: {value}")
    if patient:
        both = [(keyword, value), (_PATIENT, patient)]
        return _matching(both, f"{keyword}={value} {_PATIENT}={patient}")
    return _matching([(keyword, value)], f"{keyword}={value}")


def tell_absent(absent: "Sequence[Named]", err: bool = False) -> None:
    """Say of each that it is not held."""
    for one in absent:
        say(f"{one}: nothing is held", err=err)
