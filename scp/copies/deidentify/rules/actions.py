"""What becomes of each attribute, by the profile and its options (PS3.15 table E.1-1)."""

from enum import Enum, auto
from functools import lru_cache

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from scp.copies.deidentify.rules import safe
from scp.copies.deidentify.rules.options import DEVICE, INSTITUTION, PATIENT
from scp.copies.deidentify.rules.profile import Retain
from scp.copies.deidentify.rules.table import PROFILE

TEMPORAL_VRS = frozenset({"DA", "DT", "TM"})


class Action(Enum):
    """What is done with an element; in the items of a sequence that is kept, with each."""

    KEEP = auto()
    JUDGE = auto()  # kept where its value is known to be safe; see `safe`
    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    UID = auto()
    SHIFT = auto()
    PATIENT_ID = auto()
    PATIENT_NAME = auto()
    CONTENT = auto()  # kept in form; its values are replaced


# Where the type in the IOD decides (PS3.15 table E.1-1a), what does for each of the types: a
# value does for Type 1, 2 and 3, an empty one for 2 and 3.
_OF_CODE = {
    "D": Action.DUMMY, "Z": Action.EMPTY, "X": Action.REMOVE, "U": Action.UID,
    "Z/D": Action.DUMMY, "X/Z": Action.EMPTY, "X/D": Action.DUMMY, "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.JUDGE,
}  # fmt: skip
_NAMED = {
    "PatientID": Action.PATIENT_ID,
    "PatientName": Action.PATIENT_NAME,
    # References are in it, which are to stay intact.
    "ContentSequence": Action.CONTENT,
    "VerifyingObserverSequence": Action.CONTENT,
    "FlowIdentifierSequence": Action.CONTENT,
    # Type 1C and 3: IODs are whole without them, and points may be handwriting.
    "GraphicAnnotationSequence": Action.REMOVE,
    "OperatorIdentificationSequence": Action.REMOVE,
    # Type 2 and 3.
    "InstitutionCodeSequence": Action.EMPTY,
    "ReferencedPerformedProcedureStepSequence": Action.EMPTY,
    # Said anew.
    "PatientIdentityRemoved": Action.REMOVE,
    "DeidentificationMethod": Action.REMOVE,
    "DeidentificationMethodCodeSequence": Action.REMOVE,
    "LongitudinalTemporalInformationModified": Action.REMOVE,
    "LengthToEnd": Action.REMOVE,  # retired, and wrong then
}
# Temporal, but about the patient; without a K in the columns of the options.
_NOT_LONGITUDINAL = frozenset(
    {"PatientBirthDate", "PatientBirthTime", "GPSTimeStamp", "GPSDateStamp"}
)
_REFERENCES = (
    "AffectedSOPInstanceUID", "ReferencedImageSequence", "SourceImageSequence",
    "ReferencedPerformedProcedureStepSequence", "ReferencedStudySequence",
)  # fmt: skip
_NOT_RETAINED = frozenset({"DigitalSignatureUID", "UID"})
_KEPT = {
    Retain.DEVICE: DEVICE + safe.DEVICE,
    Retain.INSTITUTION: INSTITUTION,
    Retain.PATIENT: PATIENT,
}


@lru_cache(maxsize=64)
def rules(retained: frozenset[Retain]) -> dict[int, Action]:
    """The action of each tag that the table has a row of."""
    found: dict[int, Action] = {}
    for code, keywords in PROFILE.items():
        for keyword in keywords.split():
            found[_tag(keyword)] = _action(keyword, code, retained)
    for keyword, action in _NAMED.items():
        found.setdefault(_tag(keyword), action)
    for option in retained & _KEPT.keys():
        found |= {_tag(keyword): Action.KEEP for keyword in _KEPT[option].split()}
    if Retain.UIDS in retained:
        found |= {_tag(keyword): Action.JUDGE for keyword in _REFERENCES}
    return found


def _action(keyword: str, code: str, retained: frozenset[Retain]) -> Action:
    vr = dictionary_VR(_tag(keyword))
    if vr in TEMPORAL_VRS and keyword not in _NOT_LONGITUDINAL:
        return _of_temporal(retained) or _OF_CODE[code]
    if keyword == "TimezoneOffsetFromUTC" and _of_temporal(retained):
        return Action.JUDGE
    if keyword == "FrameOriginTimestamp" and Retain.DATES in retained:
        return Action.KEEP
    # A UID is replaced by another one also where the table has a dummy for it.
    if code == "U" or (code == "D" and vr == "UI"):
        kept = Retain.UIDS in retained and keyword not in _NOT_RETAINED
        return Action.KEEP if kept else Action.UID
    return _NAMED.get(keyword, _OF_CODE[code])


def _of_temporal(retained: frozenset[Retain]) -> Action | None:
    if Retain.DATES in retained:
        return Action.KEEP
    return Action.SHIFT if Retain.SHIFTED_DATES in retained else None


@lru_cache(maxsize=4096)
def action_of(tag: int, vr: str, retained: frozenset[Retain]) -> Action:
    """What is done with an element of a VR that the dictionary knows for its tag, or UN."""
    group = tag >> 16
    # What belongs in no data set, private attributes, curves (50xx) and overlays (60xx), of which
    # nothing is left (E.1-1).
    # Pixel Data of the data set itself is none of these; in items it may be of anything.
    if group < 0x0008 or group == 0x7FE0 or group % 2 or group >> 8 in (0x50, 0x60):
        return Action.REMOVE
    found = rules(retained).get(tag)
    if found is not None:
        return found
    # Beyond the table, which may be older than an attribute.
    if vr in TEMPORAL_VRS:
        return _of_temporal(retained) or Action.DUMMY
    if vr == "PN":
        return Action.DUMMY
    return Action.JUDGE


def is_known(tag: int) -> bool:
    """Whether there is anything to be said of a tag: a rule, or a keyword of PS3.6."""
    return bool(keyword_for_tag(tag)) or (tag >> 24) in (0x50, 0x60)


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is no keyword")
    return tag
