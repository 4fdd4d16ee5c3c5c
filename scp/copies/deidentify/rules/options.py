"""The columns of PS3.15 table E.1-1 that keep what is not about the patient's identity.

The rows of edition 2024b with a K; what an option has cleaned (C) goes by the profile.
"""

# Retain Device Identity Option.
DEVICE = """
    BeamHoldTransitionDateTime CalibrationDate CalibrationDateTime CalibrationTime
    CassetteID DateOfInstallation DateOfLastCalibration DateOfLastDetectorCalibration
    DateOfManufacture DateTimeOfLastCalibration DetectorID DeviceDescription DeviceLabel
    DeviceSerialNumber DeviceUID GantryID GeneratorID LensMake LensModel LensSerialNumber
    LensSpecification ManufacturerDeviceClassUID ManufacturerDeviceIdentifier
    ModifyingDeviceID ModifyingSystem PerformedStationGeographicLocationCodeSequence
    PerformedStationName PerformedStationNameCodeSequence PlateID
    ScheduledProcedureStepLocation ScheduledStationGeographicLocationCodeSequence
    ScheduledStationName ScheduledStationNameCodeSequence ScheduledStudyLocation
    SourceManufacturer SourceSerialNumber StationName TimeOfLastCalibration
    TimeOfLastDetectorCalibration TransducerIdentificationSequence TreatmentMachineName
    UDISequence UniqueDeviceIdentifier XRayDetectorID XRayDetectorLabel XRaySourceID
"""

# Retain Institution Identity Option.
INSTITUTION = """
    ClinicalTrialCoordinatingCenterName ClinicalTrialProtocolEthicsCommitteeName
    ClinicalTrialSiteID ClinicalTrialSiteName InstitutionAddress InstitutionCodeSequence
    InstitutionName InstitutionalDepartmentName InstitutionalDepartmentTypeCodeSequence
    SourceOfPreviousValues
"""

# Retain Patient Characteristics Option.
PATIENT = """
    EthnicGroup PatientAge PatientSex PatientSexNeutered PatientSize PatientWeight
    PregnancyStatus SelectorASValue SmokingStatus
"""
