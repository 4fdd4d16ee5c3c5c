"""What a modality may say of a performed procedure step (PS3.4 table F.7.2-1): pure.

Rows and rules; which status each fault is answered with, who serves it knows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import ArchiveError
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.worklist.progress import COMPLETED, DISCONTINUED, IN_PROGRESS

STATUS = Tag("PerformedProcedureStepStatus")
SCHEDULED_ITEMS = Tag("ScheduledStepAttributesSequence")
SERIES = Tag("PerformedSeriesSequence")
_STUDY_UID, _ACCESSION = Tag("StudyInstanceUID"), Tag("AccessionNumber")
_STEP_ID = Tag("ScheduledProcedureStepID")
_INSTANCES = (Tag("ReferencedImageSequence"), Tag("ReferencedNonImageCompositeSOPInstanceSequence"))
_INSTANCE_UID = Tag("ReferencedSOPInstanceUID")
_ABSENT = Element("UN")


def _tags(*keywords: str) -> tuple[BaseTag, ...]:
    return tuple(map(Tag, keywords))


# Of type 1 when it is created; and in the items of its sequences, whenever these are there.
NEEDED = _tags(
    "ScheduledStepAttributesSequence", "PerformedProcedureStepID", "PerformedStationAETitle",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
    "PerformedProcedureStepStatus", "Modality",
)  # fmt: skip
NEEDED_IN_ITEMS = {
    SCHEDULED_ITEMS: _tags("StudyInstanceUID"),
    SERIES: _tags("ProtocolName", "SeriesInstanceUID"),
}
# "Not allowed" in an N-SET: what was said when it was created stays.
NOT_SET = frozenset(
    _tags(
        "ScheduledStepAttributesSequence", "PatientName", "PatientID", "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence", "PatientBirthDate",
        "PatientSex", "ReferencedPatientSequence", "AdmissionID", "IssuerOfAdmissionIDSequence",
        "ServiceEpisodeID", "IssuerOfServiceEpisodeIDSequence", "ServiceEpisodeDescription",
        "PerformedProcedureStepID", "PerformedStationAETitle", "PerformedStationName",
        "PerformedLocation", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
        "Modality", "StudyID",
    )
)  # fmt: skip
STATUSES = (IN_PROGRESS, COMPLETED, DISCONTINUED)
FINAL = frozenset({COMPLETED, DISCONTINUED})


class StepFault(Enum):
    """Why a request is not done."""

    DUPLICATE = auto()
    UNKNOWN = auto()
    ENDED = auto()
    VALUE = auto()
    MISSING = auto()
    EMPTY = auto()


class StepError(ArchiveError):
    """A request on a performed procedure step that is not done; `tags` are at fault."""

    def __init__(self, fault: StepFault, message: str, *tags: BaseTag) -> None:
        super().__init__(message)
        self.fault = fault
        self.tags = tags


@dataclass(frozen=True)
class ScheduledItem:
    """Which scheduled step a performed one is of, as its modality says."""

    study_uid: str
    accession: str
    step_id: str

    @property
    def is_told(self) -> bool:
        """Whether an entry can be told by it."""
        return bool(self.study_uid or (self.accession and self.step_id))


def scheduled_items(held: Elements) -> list[ScheduledItem]:
    """The items of the Scheduled Step Attributes Sequence."""
    return [
        ScheduledItem(*(item.get(tag, _ABSENT).text for tag in (_STUDY_UID, _ACCESSION, _STEP_ID)))
        for item in held.get(SCHEDULED_ITEMS, _ABSENT).items or ()
    ]


def studies_of(held: Elements) -> list[str]:
    """The Study Instance UIDs of the scheduled steps that a performed one is of."""
    return sorted({item.study_uid for item in scheduled_items(held) if item.study_uid})


def step_status(held: Elements) -> str:
    """The Performed Procedure Step Status."""
    return held.get(STATUS, _ABSENT).text


def instances(held: Elements) -> list[str]:
    """The SOP Instance UIDs that a step says it has made."""
    return [
        one[_INSTANCE_UID].text
        for series in held.get(SERIES, _ABSENT).items or ()
        for tag in _INSTANCES
        for one in series.get(tag, _ABSENT).items or ()
        if _INSTANCE_UID in one
    ]


def check_created(held: Elements, lenient: bool) -> tuple[BaseTag, ...]:
    """Hold what creates a step to the table; what of it is wanting, and was taken all the same.

    `lenient`: type 1 may be absent where the entry can be told. Raises StepError.
    """
    status = held.get(STATUS, _ABSENT).text
    if status and status != IN_PROGRESS:
        words = f"A step begins as {IN_PROGRESS}, not as {status[:16]}"
        raise StepError(StepFault.VALUE, words, STATUS)
    found = [*_wanting(held, NEEDED), *_wanting_in_items(held)]
    wanting = tuple(dict.fromkeys(tag for tag, _ in found))
    if not wanting or (lenient and any(item.is_told for item in scheduled_items(held))):
        return wanting
    missing = tuple(dict.fromkeys(tag for tag, is_there in found if not is_there))
    fault = StepFault.MISSING if missing else StepFault.EMPTY
    words = "Missing" if missing else "Without a value"
    named = ", ".join(keyword_for_tag(tag) for tag in missing or wanting)
    raise StepError(fault, f"{words}: {named}", *(missing or wanting))


def check_set(held: Elements, changes: Elements, lenient: bool) -> tuple[BaseTag, ...]:
    """Hold an N-SET to the table; what of it says no more than was said before.

    `lenient`: that may be of what must not be set. Raises StepError.
    """
    if held.get(STATUS, _ABSENT).text in FINAL:
        # The words of PS3.4 table F.7.2-2.
        words = "Performed Procedure Step Object may no longer be updated"
        raise StepError(StepFault.ENDED, words, STATUS)
    if STATUS in changes and changes[STATUS].text not in STATUSES:
        words = f"A status is one of {', '.join(STATUSES)}"
        raise StepError(StepFault.VALUE, words, STATUS)
    refused = [tag for tag in changes if tag in NOT_SET]
    repeated = tuple(tag for tag in refused if lenient and _says_same(held.get(tag), changes[tag]))
    if left := [tag for tag in refused if tag not in repeated]:
        words = f"Not to be set: {', '.join(keyword_for_tag(tag) for tag in left)}"
        raise StepError(StepFault.VALUE, words, *left)
    return repeated


def _says_same(held: Element | None, change: Element) -> bool:
    """Whether a change changes nothing: a value that was empty stays so, too."""
    before = held or _ABSENT
    return (before.text, before.items or ()) == (change.text, change.items or ())


def merged(held: Elements, changes: Elements) -> Elements:
    """A step with what was set: each attribute as a whole, sequences too (PS3.4 F.7.2.2.3)."""
    kept = {t: e for t, e in changes.items() if t not in NOT_SET and t != CHARACTER_SET}
    found = {**held, **kept}
    return {tag: found[tag] for tag in sorted(found)}


def is_final(held: Elements) -> bool:
    """Whether nothing more is to be said of it."""
    return held.get(STATUS, _ABSENT).text in FINAL


def _wanting(held: Elements, tags: Iterable[BaseTag]) -> Iterator[tuple[BaseTag, bool]]:
    """Those without a value, and whether they are there."""
    for tag in tags:
        element = held.get(tag)
        if element is None or not (element.items or element.text):
            yield tag, element is not None


def _wanting_in_items(held: Elements) -> Iterator[tuple[BaseTag, bool]]:
    for sequence, tags in NEEDED_IN_ITEMS.items():
        for item in held.get(sequence, _ABSENT).items or ():
            yield from _wanting(item, tags)
