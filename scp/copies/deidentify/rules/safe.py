"""What is known of attributes that PS3.15 table E.1-1 has no row of: which values may stay.

Numbers stay where they are numbers, codes that PS3.16 names, terms that PS3.3 does, UIDs of the
standard. Other text goes, whoever may have written it, and so do retired attributes.
"""

import re
from enum import Enum, auto
from functools import lru_cache

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_is_retired, keyword_for_tag, tag_for_keyword

from scp.copies.deidentify.rules.forms import TEXT_VRS
from scp.copies.deidentify.rules.terms import TERMS

# Text in the place of which a value is needed: Type 1 in a module or macro of PS3.3.
_TYPE_1 = """
    ASLCrusherDescription AccessoryCode AcquisitionDeviceProcessingCode AcquisitionMode
    AcquisitionProtocolName AlgorithmName AlgorithmVersion ApplicationManufacturer ApplicationName
    ApplicationVersion ApplicatorID AssessmentLabel BeamCurrentModulationID BeamName
    BreedRegistrationNumber CSSFontName CalculationComment CardiacFramingType CodeMeaning CodeValue
    CodingSchemeDesignator ConceptualVolumeCombinationExpression ConstraintViolationCondition
    ContentDescription ConvolutionKernel DataSetName DataSetSource DataSetVersion
    DeviceAlternateIdentifierFormat DisplayWindowLabelVector ExposureControlModeDescription
    FilterType FluenceModeID FrameLabelVector GeneralAccessoryID GeneticModificationsDescription
    GeneticModificationsNomenclature GraphicGroupLabel HPGLPenLabel HangingProtocolCreator
    HangingProtocolDescription HangingProtocolName IOLManufacturer ImageFilter
    ImplantAssemblyTemplateIssuer ImplantName ImplantPartNumber ImplantSize
    ImplantTemplateGroupIssuer ImplantTemplateGroupName ImplantTemplateGroupVariationDimensionName
    ImplantTemplateVersion InformationSummary InstructionText LUTExplanation LUTLabel
    LateralSpreadingDeviceID LateralSpreadingDeviceSetting LocalNamespaceEntityID LongCodeValue
    Manufacturer ManufacturerModelName MatingFeatureSetLabel MetaboliteMapDescription
    ModalityLUTType MultiCoilElementName ObservationDescription OptotypeDetailedDefinition
    PaddleDescription PatientAdditionalPosition PatientSpeciesDescription
    PixelSpacingCalibrationDescription PositionAcquisitionTemplateID PulseSequenceName
    RTImageLabel RangeModulatorID RangeShifterID RangeShifterSetting ReceiveCoilName
    ReferenceLocationLabel ScanSpotTuneID ScatterCorrectionMethod SegmentAlgorithmName
    SegmentLabel SelectorAttributeName SelectorUCValue SnoutID SoftwareVersions
    SourceIsotopeName StrainSource StrainStockNumber
    SurfaceModelLabel TextureLabel TickLabel TrackSetLabel TrackingID TransmitCoilName
    TreatmentToleranceViolationIdentification UniversalEntityID TextValue UnformattedTextValue
"""
_TYPE_2 = """
    ASLBolusCutoffTechnique ASLTechniqueDescription BlockName BrachyAccessoryDeviceID
    ChannelShieldID CodingSchemeExternalID DocumentTitle EffectiveDoseCalculationMethodDescription
    FixationDeviceLabel ImplantAssemblyTemplateName ImplantAssemblyTemplateVersion
    ImplantTemplateGroupVersion InventoryPurpose LensDescription ManufacturerModelVersion
    MaterialID OverrideReason PatientBreedDescription PositionReferenceIndicator
    ProtocolElementName RadiationMachineName ReceiveCoilManufacturerName SetupDeviceLabel
    ShieldingDeviceLabel SourceApplicatorID TransmitCoilManufacturerName
    TreatmentTerminationDescription
"""
# Code Strings that sites and people choose, Type 1: without a term of the standard.
_TYPE_1_CODES = """
    BodyPartExamined ContentLabel ImageType FrameType Modality SelectorCSValue
"""
# Names by which one element of an instance refers to another: told apart still.
_REFERENCES = """
    DataPathID FiducialIdentifier GraphicLayer OpticalPathIdentifier
    ReferencedOpticalPathIdentifier StackID
"""
# Kept with the Retain Device Identity Option: maker, model and software, which the profile has no
# row of and no action for, and what makers name kernels, sequences and coils.
DEVICE = """
    AcquisitionDeviceProcessingCode ApplicationManufacturer ApplicationName ApplicationVersion
    ConvolutionKernel DetectorManufacturerModelName DetectorManufacturerName DeviceID FilterType
    GridID Manufacturer ManufacturerModelName ManufacturerModelVersion PulseSequenceName
    ReceiveCoilManufacturerName ReceiveCoilName ReconstructionMethod
    SecondaryCaptureDeviceID SecondaryCaptureDeviceManufacturer
    SecondaryCaptureDeviceManufacturerModelName SecondaryCaptureDeviceSoftwareVersions
    SequenceName SoftwareVersions TransmitCoilManufacturerName TransmitCoilName
"""
# Binary values that may be of bytes; ICC profiles hold words and dates beside colours.
_OF_BYTES = """
    AlphaPaletteColorLookupTableData BlendingLookupTableData ChannelMaximumValue
    ChannelMinimumValue FillPattern SegmentedAlphaPaletteColorLookupTableData WaveformData
    WaveformPaddingValue
"""
# What stands in place of a value where REMOVED would be of no use.
DUMMIES = {"Modality": "OT", "RescaleType": "US", "ModalityLUTType": "US"}
_NUMBER = re.compile(r"\d{1,5}")
# Of text that is no term: what else is known to say nothing of anybody.
_PATTERNS = {
    "CodingSchemeDesignator": re.compile(
        "DCM|SCT|SRT|SNM3|99SDM|UCUM|LN|FMA|RADLEX|NCIt|MDC|SCPECG|UMLS|IBSI|NEU|MSH|RXNORM|BARI"
    ),
    "CodingSchemeVersion": re.compile(r"\d{1,8}(\.\d{1,4}){0,3}"),
    "ImagedNucleus": re.compile(r"\d{1,3}[A-Z][a-z]?|[A-Z][a-z]?\d{1,3}"),
    "MIMETypeOfEncapsulatedDocument": re.compile(r"application/pdf|text/XML|model/(stl|mtl|obj)"),
    "PatientOrientation": re.compile(r"[AFHLPR]{1,3}"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d"),
    "WindowCenterWidthExplanation": re.compile(r"WINDOW ?\d{1,2}|Algo\d{1,2}"),
    "RescaleType": re.compile("HU|OD|US|mgml|z_eff|ED|EDW|PCT|HU_MOD|MGML|Z_EFF"),
}


class Judgement(Enum):
    """What is done with a value that is not known to be safe."""

    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    REFERENCE = auto()


@lru_cache(maxsize=4096)
def judgement_of(tag: int, vr: str) -> Judgement:
    """What is done with an element of a tag where its value is not known to be safe."""
    if tag in _tags(_REFERENCES):
        return Judgement.REFERENCE
    if tag in _tags(_TYPE_1) or tag in _tags(_TYPE_1_CODES):
        return Judgement.DUMMY
    if vr in TEXT_VRS and tag not in _tags(_TYPE_2):
        return Judgement.REMOVE
    return Judgement.EMPTY


@lru_cache(maxsize=4096)
def is_never_safe(tag: int, vr: str) -> bool:
    """Whether an attribute goes whatever its value is."""
    return dictionary_is_retired(tag) or vr == "UN" or (vr == "OB" and tag not in _of_bytes())


def is_safe_text(tag: int, text: str) -> bool:
    """Whether each value of a text, or a code string, is known not to be about anybody."""
    keyword = keyword_for_tag(tag)
    if keyword == "SpecificCharacterSet":
        return all(value.strip(" \0") in python_encoding for value in text.split("\\"))
    pattern = _PATTERNS.get(keyword, _NUMBER)
    values = (value.strip(" \0") for value in text.split("\\"))
    return all(
        not value or value in TERMS or _NUMBER.fullmatch(value) or pattern.fullmatch(value)
        for value in values
    )


@lru_cache(maxsize=16)
def _tags(keywords: str) -> frozenset[int]:
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords.split()}
    wrong = [keyword for keyword, tag in found.items() if tag is None]
    if wrong:
        raise ValueError(f"{wrong} are no keywords")
    return frozenset(tag for tag in found.values() if tag is not None)


def _of_bytes() -> frozenset[int]:
    colours = [f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")]
    colours += [f"Segmented{colour}" for colour in colours]
    return _tags(" ".join([_OF_BYTES, *colours]))
