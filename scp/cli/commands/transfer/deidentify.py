"""The options of de-identification, as commands take them."""

import re
from typing import Annotated

import typer

from scp.cli.options import failure
from scp.copies.deidentify.rules import Profile, Retain

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
_PLAIN = re.compile(r"[ -\[\]-~]{0,64}")


def profile_asked_for(
    deidentify: Deidentify = False,
    retain: Retained = None,
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    burned_in: BurnedIn = False,
    recognizable: Recognizable = False,
    video: Video = False,
) -> Profile | None:
    """What is asked for; None: no de-identification. Else the command ends."""
    given = {
        "--retain": retain, "--patient-id": patient_id, "--patient-name": patient_name,
        "--burned-in": burned_in, "--recognizable": recognizable, "--video": video,
    }  # fmt: skip
    if not deidentify:
        lone = [flag for flag, value in given.items() if value]
        if lone:
            raise failure(f"{lone[0]}: takes --deidentify")
        return None
    for flag, value in (("--patient-id", patient_id), ("--patient-name", patient_name)):
        if not _PLAIN.fullmatch(value) or value != value.strip():
            raise failure(
                f"{flag}: takes at most 64 characters of ASCII, without a backslash, "
                "or spaces around"
            )
    kept = frozenset(retain or ())
    if {Retain.DATES, Retain.SHIFTED_DATES} <= kept:
        raise failure("--retain: takes one of dates and shifted-dates")
    return Profile(kept, patient_id, patient_name, burned_in, recognizable, video)
