"""Which options of the profile are asked for, and the codes that say so (PS3.16 CID 7050)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Retain(StrEnum):
    """Options of PS3.15 E.3 that can be had exactly."""

    UIDS = "uids"
    DEVICE = "device"
    INSTITUTION = "institution"
    PATIENT = "patient"
    DATES = "dates"
    SHIFTED_DATES = "shifted-dates"


class Take(StrEnum):
    """Options that have instances go as they are which are refused without."""

    BURNED_IN = "burned-in"
    RECOGNIZABLE = "recognizable"
    VIDEO = "video"


_BASIC = ("113100", "Basic Application Confidentiality Profile")
CODES = {
    Retain.DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Retain.SHIFTED_DATES: (
        "113107", "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    Retain.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Retain.DEVICE: ("113109", "Retain Device Identity Option"),
    Retain.UIDS: ("113110", "Retain UIDs Option"),
    Retain.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}  # fmt: skip


# Patient ID -> the ID and the name in its place; an empty name is derived.
Identifiers = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Profile:
    """What is asked for; a patient's pseudonyms are derived where they are empty.

    `identifiers`: those of each patient, where any are given; other patients are refused then.
    """

    retained: frozenset[Retain] = frozenset()
    patient_id: str = ""
    patient_name: str = ""
    takes_burned_in: bool = False
    takes_recognizable: bool = False
    takes_video: bool = False
    identifiers: Identifiers = field(default_factory=dict, hash=False)

    @property
    def taken(self) -> frozenset[Take]:
        """What is not refused."""
        return frozenset(one for one in Take if getattr(self, f"takes_{one.replace('-', '_')}"))

    @property
    def codes(self) -> list[tuple[str, str]]:
        """Code value and meaning of the profile and its options, in order."""
        return [_BASIC, *sorted(CODES[one] for one in self.retained)]

    @property
    def temporal(self) -> str:
        """Longitudinal Temporal Information Modified (0028,0303)."""
        if Retain.DATES in self.retained:
            return "UNMODIFIED"
        return "MODIFIED" if Retain.SHIFTED_DATES in self.retained else "REMOVED"

    def __str__(self) -> str:
        return "+".join(("basic", *sorted(self.retained)))
