"""The options of de-identification, as commands take them."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp.cli.options import csv_files, failure
from scp.copies.deidentify.rules import Identifiers, Profile, Retain

if TYPE_CHECKING:
    from scp.copies.deidentify.elements import Identity

Deidentify = Annotated[
    bool,
    typer.Option(
        "--deidentify",
        help="By the Basic Profile of PS3.15 E.2, and beyond: what is not known to be safe is "
        "removed. Pixels are as they are; what may show in them who it is, is refused.",
    ),
]
Retained = Annotated[
    list[Retain] | None,
    typer.Option(
        "--retain",
        help="An option of the profile; may be given several times. Private attributes and "
        "overlays are never retained.",
    ),
]
PatientId = Annotated[
    str, typer.Option("--patient-id", metavar="ID", help="De-identified: in place of a pseudonym.")
]
PatientName = Annotated[
    str,
    typer.Option("--patient-name", metavar="NAME", help="De-identified: in place of a pseudonym."),
]
BurnedIn = Annotated[
    bool,
    typer.Option(
        "--burned-in",
        help="De-identified: take images too that say they have burned in text, or are of a kind "
        "that often has some and do not say that they have none.",
    ),
]
Recognizable = Annotated[
    bool,
    typer.Option(
        "--recognizable",
        help="De-identified: take images too that say the patient can be recognized in them.",
    ),
]
Video = Annotated[
    bool,
    typer.Option("--video", help="De-identified: take video too, whose streams are not looked at."),
]
IdentifiersFile = Annotated[
    str,
    typer.Option(
        "--identifiers",
        metavar="FILE",
        help="De-identified: in place of pseudonyms, of a CSV file with the columns PatientID, "
        "NewPatientID and, if wanted, NewPatientName. Patients that it has not are refused.",
    ),
]
MapFile = Annotated[
    str,
    typer.Option(
        "--map",
        metavar="FILE",
        help="De-identified: write who each instance was and is now to a new CSV file, which only "
        "you may read.",
    ),
]
_COLUMNS = ("PatientID", "NewPatientID", "NewPatientName")
_PLAIN = re.compile(r"[ -\[\]-~]{0,64}")


def profile_asked_for(
    deidentify: Deidentify = False,
    retain: Retained = None,
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    burned_in: BurnedIn = False,
    recognizable: Recognizable = False,
    video: Video = False,
    identifiers: IdentifiersFile = "",
) -> Profile | None:
    """What is asked for; None: no de-identification. Else the command ends."""
    given = {
        "--retain": retain, "--patient-id": patient_id, "--patient-name": patient_name,
        "--burned-in": burned_in, "--recognizable": recognizable, "--video": video,
        "--identifiers": identifiers,
    }  # fmt: skip
    if not deidentify:
        lone = [flag for flag, value in given.items() if value]
        if lone:
            raise failure(f"{lone[0]}: takes --deidentify")
        return None
    if identifiers and (patient_id or patient_name):
        raise failure("--identifiers: takes neither --patient-id nor --patient-name")
    for flag, value in (("--patient-id", patient_id), ("--patient-name", patient_name)):
        _check(flag, value)
    kept = frozenset(retain or ())
    if {Retain.DATES, Retain.SHIFTED_DATES} <= kept:
        raise failure("--retain: takes one of dates and shifted-dates")
    own = _identifiers(identifiers) if identifiers else {}
    return Profile(kept, patient_id, patient_name, burned_in, recognizable, video, own)


def _check(where: str, value: str) -> None:
    if not _PLAIN.fullmatch(value) or value != value.strip():
        raise failure(
            f"{where}: takes at most 64 characters of ASCII, without a backslash, or spaces around"
        )


def _identifiers(name: str) -> Identifiers:
    """What a file says; else the command ends: two patients must not become one by mistake."""
    text = csv_files.text_of(name, "--identifiers")
    if missing := [column for column in _COLUMNS[:2] if column not in csv_files.header_of(text)]:
        raise failure(f"--identifiers {name}: has no column {' and no '.join(missing)}")
    found: dict[str, tuple[str, str]] = {}
    for line, row in csv_files.rows_of(text):
        where = f"--identifiers {name}: line {line}"
        old, new, new_name = (row.get(column, "") for column in _COLUMNS)
        if not old or not new:
            raise failure(f"{where}: PatientID or NewPatientID is empty")
        for value in (new, new_name):
            _check(where, value)
        if old in found and found[old] != (new, new_name):
            raise failure(f"{where}: another NewPatientID for {old}")
        found[old] = (new, new_name)
    if not found:
        raise failure(f"--identifiers {name}: has no patients")
    return found


@contextmanager
def mapping(name: str, beside: Path | None = None) -> "Iterator[Callable[[Identity], None] | None]":
    """What notes identities in a new file; else the command ends. `beside`: where it must not lie.

    Nothing is noted where it has no name.
    """
    if not name:
        yield None
        return
    path = Path(name)
    if beside and path.absolute().is_relative_to(beside.absolute()):
        raise failure(f"--map {name}: lies in what is given away")
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise failure(f"--map {name}: {error.strerror}") from None
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        is_first = True

        def note(identity: "Identity") -> None:
            nonlocal is_first
            if is_first:
                writer.writerow(identity)
            is_first = False
            writer.writerow(identity.values())

        yield note
