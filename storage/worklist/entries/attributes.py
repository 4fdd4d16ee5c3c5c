"""THE table of worklist attributes: keys and answers of the Modality Worklist (PS3.4 table K.6-1).

Where a keyword stands in an entry, what an entry has to have, what is matched and what the
conformance statement says derive from it. VRs come from the data dictionary (PS3.6).
"""

from dataclasses import dataclass

from pydicom.tag import BaseTag, Tag

from storage.dicom.values import DictionaryAttribute

STEP_SEQUENCE = Tag("ScheduledProcedureStepSequence")
_STEP = "ScheduledProcedureStepSequence"
_PROTOCOL = f"{_STEP}/ScheduledProtocolCodeSequence"
_CONTEXT = f"{_PROTOCOL}/ProtocolContextSequence"
_SPECIMEN = "ScheduledSpecimenSequence"


@dataclass(frozen=True)
class WorklistAttribute(DictionaryAttribute):
    """One row: `matching` R, O or - (not a key), `returned` its type in an answer."""

    matching: str
    returned: str
    inside: str = ""  # keywords of the sequences that it lies in, from outside in, with / between

    @property
    def is_of_step(self) -> bool:
        """Whether it stands in the step's item itself."""
        return self.inside == _STEP


_A = WorklistAttribute
TABLE: tuple[WorklistAttribute, ...] = (
    _A("SpecificCharacterSet", "-", "1C"),
    _A("TimezoneOffsetFromUTC", "-", "1C"),
    _A(_STEP, "R", "1"),
    _A("ScheduledStationAETitle", "R", "1", _STEP),
    _A("ScheduledProcedureStepStartDate", "R", "1", _STEP),
    _A("ScheduledProcedureStepStartTime", "R", "1", _STEP),
    _A("Modality", "R", "1", _STEP),
    _A("ScheduledPerformingPhysicianName", "R", "2", _STEP),
    _A("ScheduledProcedureStepDescription", "O", "1C", _STEP),
    _A("ScheduledStationName", "O", "2", _STEP),
    _A("ScheduledProcedureStepLocation", "O", "2", _STEP),
    _A("ReferencedDefinedProtocolSequence", "O", "3", _STEP),
    _A("ReferencedSOPClassUID", "O", "1", f"{_STEP}/ReferencedDefinedProtocolSequence"),
    _A("ReferencedSOPInstanceUID", "O", "1", f"{_STEP}/ReferencedDefinedProtocolSequence"),
    _A("ReferencedPerformedProtocolSequence", "O", "3", _STEP),
    _A("ReferencedSOPClassUID", "O", "1", f"{_STEP}/ReferencedPerformedProtocolSequence"),
    _A("ReferencedSOPInstanceUID", "O", "1", f"{_STEP}/ReferencedPerformedProtocolSequence"),
    _A("ScheduledProtocolCodeSequence", "O", "1C", _STEP),
    _A("CodeValue", "O", "1C", _PROTOCOL),
    _A("CodingSchemeDesignator", "O", "1C", _PROTOCOL),
    _A("CodingSchemeVersion", "O", "3", _PROTOCOL),
    _A("CodeMeaning", "O", "1", _PROTOCOL),
    _A("ProtocolContextSequence", "-", "3", _PROTOCOL),
    _A("ValueType", "-", "1", _CONTEXT),
    _A("ConceptNameCodeSequence", "-", "1", _CONTEXT),
    _A("DateTime", "-", "1C", _CONTEXT),
    _A("PersonName", "-", "1C", _CONTEXT),
    _A("TextValue", "-", "1C", _CONTEXT),
    _A("ConceptCodeSequence", "-", "1C", _CONTEXT),
    _A("NumericValue", "-", "1C", _CONTEXT),
    _A("MeasurementUnitsCodeSequence", "-", "1C", _CONTEXT),
    _A("PreMedication", "O", "2C", _STEP),
    _A("ScheduledProcedureStepID", "O", "1", _STEP),
    _A("RequestedContrastAgent", "O", "2C", _STEP),
    _A("ScheduledProcedureStepStatus", "O", "3", _STEP),
    _A("CommentsOnTheScheduledProcedureStep", "O", "3", _STEP),
    _A(_SPECIMEN, "O", "3"),
    _A("ContainerIdentifier", "O", "1", _SPECIMEN),
    _A("ContainerTypeCodeSequence", "-", "2", _SPECIMEN),
    _A("SpecimenDescriptionSequence", "O", "1", _SPECIMEN),
    _A("SpecimenIdentifier", "O", "1", f"{_SPECIMEN}/SpecimenDescriptionSequence"),
    _A("SpecimenUID", "O", "1", f"{_SPECIMEN}/SpecimenDescriptionSequence"),
    _A("BarcodeValue", "O", "3"),
    _A("RequestedProcedureID", "O", "1"),
    _A("RequestedProcedureDescription", "O", "1C"),
    _A("RequestedProcedureCodeSequence", "O", "1C"),
    _A("CodeValue", "O", "1C", "RequestedProcedureCodeSequence"),
    _A("CodingSchemeDesignator", "O", "1C", "RequestedProcedureCodeSequence"),
    _A("CodingSchemeVersion", "O", "3", "RequestedProcedureCodeSequence"),
    _A("CodeMeaning", "O", "1", "RequestedProcedureCodeSequence"),
    _A("StudyInstanceUID", "O", "1"),
    _A("StudyDate", "O", "3"),
    _A("StudyTime", "O", "3"),
    _A("ReferencedStudySequence", "O", "2"),
    _A("ReferencedSOPClassUID", "O", "1", "ReferencedStudySequence"),
    _A("ReferencedSOPInstanceUID", "O", "1", "ReferencedStudySequence"),
    _A("RequestedProcedurePriority", "O", "2"),
    _A("PatientTransportArrangements", "O", "2"),
    _A("AccessionNumber", "O", "2"),
    _A("IssuerOfAccessionNumberSequence", "O", "3"),
    _A("RequestingPhysician", "O", "2"),
    _A("ReferringPhysicianName", "O", "2"),
    _A("AdmissionID", "O", "2"),
    _A("IssuerOfAdmissionIDSequence", "O", "3"),
    _A("CurrentPatientLocation", "O", "2"),
    _A("ReferencedPatientSequence", "O", "2"),
    _A("ReferencedSOPClassUID", "O", "1", "ReferencedPatientSequence"),
    _A("ReferencedSOPInstanceUID", "O", "1", "ReferencedPatientSequence"),
    _A("PatientName", "R", "1"),
    _A("PatientID", "R", "1"),
    _A("IssuerOfPatientID", "O", "3"),
    _A("IssuerOfPatientIDQualifiersSequence", "O", "3"),
    _A("OtherPatientIDsSequence", "O", "3"),
    _A("PatientBirthDate", "O", "2"),
    _A("PatientSex", "O", "2"),
    _A("PatientPrimaryLanguageCodeSequence", "O", "3"),
    _A("PatientWeight", "O", "2"),
    _A("PatientSize", "O", "3"),
    _A("ConfidentialityConstraintOnPatientDataDescription", "O", "2"),
    _A("PatientState", "O", "2"),
    _A("PregnancyStatus", "O", "2"),
    _A("MedicalAlerts", "O", "2"),
    _A("Allergies", "O", "2"),
    _A("SpecialNeeds", "O", "2"),
    _A("PertinentDocumentsSequence", "-", "3"),
)

OF_STEP: frozenset[BaseTag] = frozenset(a.tag for a in TABLE if a.is_of_step)
# Sequences whose items are codes (PS3.3 table 8.8-1): a flat entry gives one as one text.
CODES: frozenset[BaseTag] = frozenset(
    Tag(name) for name in ("ScheduledProtocolCodeSequence", "RequestedProcedureCodeSequence")
)
# Never matched, whatever is asked of them.
NOT_KEYS: frozenset[BaseTag] = frozenset(a.tag for a in TABLE if a.matching == "-" and not a.inside)
# Of type 1C whose condition is not met where there is no value: never answered empty.
NEVER_EMPTY: frozenset[BaseTag] = frozenset(
    {Tag("SpecificCharacterSet"), Tag("TimezoneOffsetFromUTC")}
)
