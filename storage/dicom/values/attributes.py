"""THE table of attributes: which the index holds, at which level, and as what kind of key.

Columns, matching keys, return keys and the conformance statement derive from it. VR and value
multiplicity come from the data dictionary (PS3.6).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property, lru_cache

from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.tag import BaseTag, Tag


class Level(IntEnum):
    """The Query/Retrieve Levels, the highest first (PS3.4 C.3)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


class Key(StrEnum):
    """The kinds of key (PS3.4 C.2.2.1) and where their values come from."""

    UNIQUE = "U"
    REQUIRED = "R"
    OPTIONAL = "O"
    COUNTED = "counted"  # computed when asked for (PS3.4 C.3.4), and not matched
    LISTED = "listed"  # computed from the entities below, and matched by any of them


@dataclass(frozen=True)
class DictionaryAttribute:
    """An attribute of PS3.6, by its keyword."""

    keyword: str

    @cached_property
    def tag(self) -> BaseTag:
        """The tag, of PS3.6."""
        number = tag_for_keyword(self.keyword)
        if number is None:
            raise LookupError(f"{self.keyword} is not in the data dictionary")
        return Tag(number)

    @cached_property
    def vr(self) -> str:
        """The value representation; the first where PS3.6 leaves a choice."""
        return dictionary_VR(self.tag).split(" ")[0]

    @cached_property
    def multiple(self) -> bool:
        """Whether it may hold several values."""
        return dictionary_VM(self.tag) != "1"


@dataclass(frozen=True)
class Attribute(DictionaryAttribute):
    """One attribute of an entity of `level`."""

    level: Level
    key: Key = Key.OPTIONAL
    sequence: str = ""  # the keyword of the sequence in whose items it lies
    indexed: bool = False  # a key for it alone is looked up, not searched for
    inside: bool = False  # so is a stretch of it, as in `*name*`

    @cached_property
    def multiple(self) -> bool:
        """Whether the attribute may hold several values, or lies in several items."""
        return bool(self.sequence) or dictionary_VM(self.tag) != "1"

    @cached_property
    def column(self) -> str:
        """The name of its column."""
        return f"{self.sequence}_{self.keyword}" if self.sequence else self.keyword

    @property
    def stored(self) -> bool:
        """Whether the index has a column for it."""
        return self.key not in (Key.COUNTED, Key.LISTED)

    @property
    def can_match(self) -> bool:
        """Whether a key for it narrows the answers."""
        return self.key is not Key.COUNTED


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE
_U, _R, _C, _L = Key.UNIQUE, Key.REQUIRED, Key.COUNTED, Key.LISTED

# PS3.4 C.6.1.1.2 to C.6.1.1.5 and C.6.2.1.2, and what IHE RAD-14 asks for beside them.
TABLE: tuple[Attribute, ...] = (
    Attribute("PatientID", _P, _U),
    Attribute("PatientName", _P, _R, indexed=True, inside=True),
    Attribute("IssuerOfPatientID", _P),
    Attribute("PatientBirthDate", _P),
    Attribute("PatientBirthTime", _P),
    Attribute("PatientSex", _P),
    Attribute("OtherPatientIDs", _P),
    Attribute("OtherPatientNames", _P),
    Attribute("EthnicGroup", _P),
    Attribute("PatientComments", _P),
    Attribute("NumberOfPatientRelatedStudies", _P, _C),
    Attribute("NumberOfPatientRelatedSeries", _P, _C),
    Attribute("NumberOfPatientRelatedInstances", _P, _C),
    Attribute("StudyInstanceUID", _S, _U),
    Attribute("StudyDate", _S, _R, indexed=True),
    Attribute("StudyTime", _S, _R),
    Attribute("AccessionNumber", _S, _R, indexed=True),
    Attribute("StudyID", _S, _R, indexed=True),
    Attribute("StudyDescription", _S),
    Attribute("ReferringPhysicianName", _S, indexed=True),
    Attribute("NameOfPhysiciansReadingStudy", _S),
    Attribute("AdmittingDiagnosesDescription", _S),
    Attribute("PatientAge", _S),
    Attribute("PatientSize", _S),
    Attribute("PatientWeight", _S),
    Attribute("Occupation", _S),
    Attribute("AdditionalPatientHistory", _S),
    Attribute("ModalitiesInStudy", _S, _L),
    Attribute("SOPClassesInStudy", _S, _L),
    Attribute("NumberOfStudyRelatedSeries", _S, _C),
    Attribute("NumberOfStudyRelatedInstances", _S, _C),
    Attribute("SeriesInstanceUID", _E, _U),
    Attribute("Modality", _E, _R),
    Attribute("SeriesNumber", _E, _R),
    Attribute("SeriesDescription", _E),
    Attribute("SeriesDate", _E),
    Attribute("SeriesTime", _E),
    Attribute("BodyPartExamined", _E),
    Attribute("Laterality", _E),
    Attribute("ProtocolName", _E),
    Attribute("InstitutionName", _E),
    Attribute("InstitutionalDepartmentName", _E),
    Attribute("StationName", _E),
    Attribute("Manufacturer", _E),
    Attribute("ManufacturerModelName", _E),
    Attribute("PerformingPhysicianName", _E),
    Attribute("OperatorsName", _E),
    Attribute("PerformedProcedureStepStartDate", _E),
    Attribute("PerformedProcedureStepStartTime", _E),
    Attribute("PerformedProcedureStepID", _E),
    Attribute("PerformedProcedureStepDescription", _E),
    Attribute("FrameOfReferenceUID", _E),
    Attribute("RequestedProcedureID", _E, sequence="RequestAttributesSequence"),
    Attribute("ScheduledProcedureStepID", _E, sequence="RequestAttributesSequence"),
    Attribute("NumberOfSeriesRelatedInstances", _E, _C),
    Attribute("SOPInstanceUID", _I, _U),
    Attribute("InstanceNumber", _I, _R),
    Attribute("SOPClassUID", _I),
    Attribute("ImageType", _I),
    Attribute("AcquisitionNumber", _I),
    Attribute("AcquisitionDate", _I),
    Attribute("AcquisitionTime", _I),
    Attribute("ContentDate", _I),
    Attribute("ContentTime", _I),
    Attribute("NumberOfFrames", _I),
    Attribute("Rows", _I),
    Attribute("Columns", _I),
    Attribute("BitsAllocated", _I),
    Attribute("ContentLabel", _I),
    Attribute("ContentDescription", _I),
)

BY_KEYWORD: dict[str, Attribute] = {a.keyword: a for a in TABLE if not a.sequence}
BY_TAG: dict[BaseTag, Attribute] = {a.tag: a for a in TABLE if not a.sequence}
# The attributes inside a sequence, by the sequence's tag.
IN_SEQUENCE: dict[BaseTag, list[Attribute]] = {
    Tag(name): [a for a in TABLE if a.sequence == name]
    for name in dict.fromkeys(a.sequence for a in TABLE if a.sequence)
}

UNIQUE: dict[Level, Attribute] = {a.level: a for a in TABLE if a.key is Key.UNIQUE}


# With the Patient ID: what makes two patients one.
PATIENT_IDENTITY = ("PatientID", "IssuerOfPatientID")


@lru_cache
def stored_at(level: Level) -> tuple[Attribute, ...]:
    """The attributes that have a column at `level`, in the table's order.

    A study has those of its patient, too, but for the patient's identity: it is answered with
    what its own instances carry (in the Study Root model they are attributes of the study, PS3.4
    C.6.2.1), whatever other studies say of the same patient.
    """
    return tuple(a for a in TABLE if a.stored and level in levels_of(a))


@lru_cache
def levels_of(attribute: Attribute) -> tuple[Level, ...]:
    """The levels whose rows hold an attribute."""
    is_of_person = attribute.level is Level.PATIENT and attribute.keyword not in PATIENT_IDENTITY
    return (Level.PATIENT, Level.STUDY) if is_of_person else (attribute.level,)


def row_level(attribute: Attribute, asked: Level) -> Level:
    """Whose row answers for an attribute when entities of the level `asked` are asked for."""
    return max((level for level in levels_of(attribute) if level <= asked), default=attribute.level)
