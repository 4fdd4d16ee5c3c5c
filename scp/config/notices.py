"""Who is told of studies that are here, and how: what the keys of a peer take."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal, get_args

from scp.config.table import takes


class Notice(StrEnum):
    """How a peer is told: by DIMSE (PS3.4 R), or as FHIR ImagingStudy."""

    IAN, FHIR = "ian", "fhir"


FhirForm = Literal["R4", "R5"]
Notify = Annotated[frozenset[Literal["ian"]], takes(f"a list of {Notice.IAN}", strict=False)]
FhirServer = Annotated[
    str | None,
    takes(
        'the URL of a FHIR server such as "https://fhir.example.org/r4"',
        pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?$",
    ),
]
FhirVersion = Annotated[FhirForm, takes(" or ".join(get_args(FhirForm)))]


def named(told: Iterable[tuple[str, Notice]]) -> dict[str, tuple[str, Notice]]:
    """What the queue calls it that peers are told; no AE title is as long as these names."""
    return {f"notices to {title} ({kind})": (title, kind) for title, kind in told}
