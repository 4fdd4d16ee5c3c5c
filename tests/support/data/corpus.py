"""A small corpus made for queries: what each instance holds is written here, by hand.

Entities go by names; `uid` makes the UID of a name, so that an entity that lies in two places has
one name in both. Everything is encoded by pydicom, not by the code under test.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayRadiationDoseSRStorage,
)
from pydicom.valuerep import PersonName

from support import RunningNode, send

EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
BIG_ENDIAN, DEFLATED = str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian)

LATIN_1, CYRILLIC, UTF_8, GB18030 = "ISO_IR 100", "ISO_IR 144", "ISO_IR 192", "GB18030"
JAPANESE, KOREAN = "\\ISO 2022 IR 87", "\\ISO 2022 IR 149"
UNKNOWN_CHARSET = "ISO_IR 999"

# A sender whose text is CYRILLIC where it names nothing; the node is configured so.
CYRILLIC_PEER = "CYRILLIC"
OTHERS = "TESTER"

# By keyword, or by tag and VR. Text is given as on the wire, with a backslash between values; a
# sequence as a list of items.
Values = Mapping[Any, Any]


def uid(name: str) -> str:
    """The UID of the entity of that name."""
    return f"1.2.3.{zlib.crc32(name.encode())}"


def data_set(values: Values) -> Dataset:
    """A data set whose elements hold `values` as they are, however odd."""
    made = Dataset()
    for key, value in values.items():
        tag, vr = key if isinstance(key, tuple) else (key, dictionary_VR(key).split(" ")[0])
        if vr == "SQ":
            value = Sequence([data_set(item) for item in value])
        elif vr == "PN":
            names = [PersonName(name) for name in value.split("\\")]
            value = names if len(names) > 1 else names[0]
        made.add(DataElement(Tag(tag), vr, value, already_converted=True))
    return made


def encode(values: Values, syntax: str = EXPLICIT, charset: str = "", text: str = "") -> bytes:
    """`values` as bytes that name `charset`, or none; their text is in `text`, or in `charset`."""
    terms = (text or charset or LATIN_1).split("\\")
    data = _named(charset, syntax) + _written(data_set(values), syntax, terms)
    if syntax != DEFLATED:
        return data
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(data) + deflater.flush()
    return data + b"\0" * (len(data) % 2)


def _named(charset: str, syntax: str) -> bytes:
    """Specific Character Set as it is, which pydicom would look up, and change its text by."""
    if not charset:
        return b""
    value = charset.encode() + b" " * (len(charset) % 2)
    order = ">" if syntax == BIG_ENDIAN else "<"
    if syntax == IMPLICIT:
        return struct.pack("<HHI", 0x0008, 0x0005, len(value)) + value
    return struct.pack(f"{order}HH2sH", 0x0008, 0x0005, b"CS", len(value)) + value


def _written(made: Dataset, syntax: str, terms: list[str]) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax != BIG_ENDIAN
    buffer.is_implicit_VR = syntax == IMPLICIT
    write_dataset(buffer, made, terms)
    return buffer.getvalue()


# ---- how it is written down


@dataclass(frozen=True)
class Image:
    """An instance; `sop_class` where it is not its series'."""

    name: str
    values: Values = field(default_factory=dict)
    syntax: str = EXPLICIT
    sop_class: str = ""


@dataclass(frozen=True)
class Series:
    """A series and what its instances have in common."""

    name: str
    sop_class: str
    values: Values
    images: tuple[Image, ...]


@dataclass(frozen=True)
class Study:
    """A study of one patient; its text names `charset`, and is in `text` where that differs."""

    name: str
    values: Values
    series: tuple[Series, ...]
    charset: str = ""
    text: str = ""
    sender: str = OTHERS


def one(name: str, sop_class: str = ComputedRadiographyImageStorage, **values: Any) -> Series:
    """A series of one instance, both named after `name`; a CR where nothing else is said."""
    held = {"Modality": "CR", **values}
    held = {keyword: value for keyword, value in held.items() if value is not None}
    return Series(f"{name}.series", sop_class, held, (Image(f"{name}.image"),))


_SMITH = {
    "PatientID": "P1",
    "PatientName": "Smith^John",
    "PatientBirthDate": "19600102",
    "PatientSex": "M",
    "OtherPatientIDs": "ALT1\\ALT2",
    "PatientBirthName": "Jones^John",
    "PatientComments": "left\\right lung",
}
_REQUESTS = [
    {"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "S1"},
    {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"},
]

_ORDINARY = (
    Study(
        "chest",
        {
            **_SMITH,
            "StudyDate": "20240131",
            "StudyTime": "103015.5",
            "AccessionNumber": "A_1",
            "StudyID": "02",
            "StudyDescription": "CT Chest",
            "ReferringPhysicianName": "Brown^Ann^^Dr.",
            "PhysiciansOfRecord": "Meyer^Anna",
            "PatientAge": "045Y",
            "PatientWeight": "72.50",
            "ProcedureCodeSequence": [
                {
                    "CodeValue": "P5-0808E",
                    "CodingSchemeDesignator": "SRT",
                    "CodeMeaning": "CT of chest",
                }
            ],
        },
        (
            Series(
                "scout",
                CTImageStorage,
                {
                    "Modality": "CT",
                    "SeriesNumber": "1",
                    "SeriesDescription": "Scout",
                    "KVP": "100",
                    "ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER",
                },
                (Image("scout.1"),),
            ),
            Series(
                "axial",
                CTImageStorage,
                {
                    "Modality": "CT",
                    "SeriesNumber": "02",
                    "SeriesDescription": "Axial 5.0",
                    "ProtocolName": "Thorax_Routine",
                    "KVP": "120",
                    "RequestAttributesSequence": _REQUESTS,
                },
                (
                    Image("axial.1", {"ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}),
                    Image("axial.2", {"ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}),
                    Image("axial.mpr", {"ImageType": "DERIVED\\SECONDARY\\AXIAL\\MPR"}),
                ),
            ),
            Series(
                "dose",
                XRayRadiationDoseSRStorage,
                {"Modality": "SR", "SeriesNumber": "999", "SeriesDescription": "axial 5.0"},
                (Image("dose.1"),),
            ),
        ),
    ),
    Study(
        "petct",
        {
            **_SMITH,
            "StudyDate": "20240201",
            "StudyTime": "10",
            "AccessionNumber": "AB1",
            "StudyID": "2",
            "StudyDescription": "PET CT",
            "PatientWeight": "73",
        },
        (
            Series("petct.ct", CTImageStorage, {"Modality": "CT"}, (Image("petct.ct.1"),)),
            Series(
                "petct.pt",
                PositronEmissionTomographyImageStorage,
                {"Modality": "PT", "StudyDescription": "PET CT, late", "StudyID": ""},
                (Image("petct.pt.1"), Image("petct.pt.2")),
            ),
        ),
    ),
    Study(
        "head",
        {
            "PatientID": "P2",
            "PatientName": "SMITH^JANE",
            "StudyDate": "20240115",
            "StudyTime": "1030",
            "AccessionNumber": "A%1",
            "StudyID": "2A",
            "StudyDescription": "MR Head",
        },
        (one("head", MRImageStorage, Modality="MR"),),
    ),
    Study(
        "knee",
        {
            "PatientID": "P3",
            "PatientName": "Smithson^Ann",
            "OtherPatientNames": "Plain^Ann\\Jane^Ann",
            "StudyDate": "20231231",
            "StudyTime": "235959.999999",
            "AccessionNumber": "A[1]",
            "StudyDescription": "MR knee left",
        },
        (one("knee", MRImageStorage, Modality="MR"),),
    ),
    Study(
        "abdomen",
        {
            "PatientID": "P4",
            "PatientName": "O'Neil^Pat",
            "StudyDate": "20240215",
            "StudyTime": "080000",
            "AccessionNumber": "O'Neil",
            "StudyDescription": "US Abdomen",
        },
        (
            Series(
                "abdomen.us",
                UltrasoundImageStorage,
                {"Modality": "US"},
                (
                    Image("abdomen.still"),
                    Image(
                        "abdomen.loop",
                        {"NumberOfFrames": "04"},
                        sop_class=UltrasoundMultiFrameImageStorage,
                    ),
                ),
            ),
        ),
    ),
    Study(
        "dotted",  # a date and a time as ACR-NEMA wrote them
        {
            "PatientID": "P5",
            "PatientName": "Old^Timer",
            "StudyDate": "1993.08.22",
            "StudyTime": "10:30:15",
            "AccessionNumber": "OLD",
        },
        (one("dotted"),),
    ),
)

_CHARACTER_SETS = (
    Study(
        "german",
        {"PatientID": "DE", "PatientName": "Müller^Jürgen", "StudyDescription": "Schädel"},
        (one("german", DeviceSerialNumber="Gerät 5"),),
        LATIN_1,
    ),
    Study(
        "polish",
        {"PatientID": "PL", "PatientName": "Wałęsa^Łucja", "StudyDescription": "Głowa"},
        (one("polish"),),
        UTF_8,
    ),
    Study(
        "russian",
        {"PatientID": "RU", "PatientName": "Иванов^Пётр", "StudyDescription": "Грудь"},
        (one("russian"),),
        CYRILLIC,
    ),
    Study(
        "japanese",
        {
            "PatientID": "JP",
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "OtherPatientNames": "宮構^太郎",  # a backslash and an equals sign in its bytes
            "StudyDescription": "胸部CT",
        },
        (one("japanese", DeviceSerialNumber="宮構１号"),),
        JAPANESE,
    ),
    Study(
        "korean",
        {
            "PatientID": "KR",
            "PatientName": "Hong^Gildong=洪^吉洞=홍^길동",
            "StudyDescription": "흉부",
        },
        (one("korean"),),
        KOREAN,
    ),
    Study(
        "chinese",
        {
            "PatientID": "CN",
            "PatientName": "Zhang^XiaoDong=张^小东",
            "StudyDescription": "胸乗片",  # a backslash is among its bytes
        },
        (one("chinese"),),
        GB18030,
    ),
    Study(
        "unnamed",  # names no character set
        {"PatientID": "ES", "PatientName": "Gómez^José", "StudyDescription": "Cráneo"},
        (one("unnamed", DeviceSerialNumber="Año 1"),),
        "",
        LATIN_1,
    ),
    Study(
        "unknown",  # names one that nobody knows
        {"PatientID": "PT", "PatientName": "Nuñes^Inês", "StudyDescription": "Crânio"},
        (one("unknown"),),
        UNKNOWN_CHARSET,
        LATIN_1,
    ),
    Study(
        "wrong",  # names one that its bytes are not in
        {"PatientID": "NO", "PatientName": "Bjørn^Åse", "StudyDescription": "Høyre kne"},
        (one("wrong"),),
        UTF_8,
        LATIN_1,
    ),
    Study(
        "cyrillic-peer",  # names none; its sender's is configured
        {"PatientID": "BG", "PatientName": "Петров^Иван", "StudyDescription": "Глава"},
        (one("cyrillic-peer", DeviceSerialNumber="Серия"),),
        "",
        CYRILLIC,
        CYRILLIC_PEER,
    ),
)

_HALF_EMPTY = (
    Study(
        "nobody.1",
        {"PatientName": "Nobody", "StudyDate": "20210101", "AccessionNumber": "N1"},
        (one("nobody.1"),),
    ),
    Study(
        "nobody.2",
        {"PatientID": "", "PatientName": "Nobody", "StudyDate": "20210102"},
        (one("nobody.2"),),
    ),
    Study(
        "bare",  # no name, no date, no modality
        {"PatientID": "BARE", "StudyTime": "10"},
        (one("bare", SecondaryCaptureImageStorage, Modality=None),),
    ),
)

_CONTRADICTORY = (
    *(
        Study(
            f"issuer.{letter}",
            {
                "PatientID": "100",
                "IssuerOfPatientID": f"HOSPITAL {letter}",
                "PatientName": f"Hundred^{letter}",
                "StudyDate": "20210201",
            },
            (one(f"issuer.{letter}"),),
        )
        for letter in "AB"
    ),
    *(
        Study(
            "shared",  # one study, two Patient IDs
            {"PatientID": patient, "PatientName": "Shared^Study", "StudyDate": "20210301"},
            (one(f"shared.{patient}"),),
        )
        for patient in ("T1", "T2")
    ),
    *(
        Study(
            f"twin.{number}",  # one series UID in two studies
            {"PatientID": "TW", "PatientName": "Twin^Series", "StudyDate": f"2021040{number}"},
            (
                Series(
                    "twin",
                    ComputedRadiographyImageStorage,
                    {"Modality": "CR", "SeriesDescription": f"Twin {number}"},
                    (Image(f"twin.{number}.image"),),
                ),
            ),
        )
        for number in (1, 2)
    ),
    *(
        Study(
            f"copy.{number}",  # one SOP Instance UID in two studies
            {"PatientID": "CP", "PatientName": "Copy^Instance", "StudyDate": f"2021050{number}"},
            (
                Series(
                    f"copy.{number}.series",
                    ComputedRadiographyImageStorage,
                    {"Modality": "CR", "InstanceNumber": str(number)},
                    (Image("copy"),),
                ),
            ),
        )
        for number in (1, 2)
    ),
    Study(
        "levels",  # one UID for a study and for a series
        {"PatientID": "LV", "PatientName": "Two^Levels", "StudyDate": "20210503"},
        (
            Series(
                "levels",
                ComputedRadiographyImageStorage,
                {"Modality": "CR"},
                (Image("levels.image"),),
            ),
        ),
    ),
    Study(
        "several",  # several values where PS3.6 allows one
        {
            "PatientID": "SV",
            "PatientName": "Plural^First\\Plural^Second",
            "StudyDate": "20210601\\20210701",
            "StudyTime": "0900\\1500",
            "StudyID": "X1\\X2",
            "StudyDescription": "Left\\Right",
        },
        (one("several", SeriesNumber="5\\06", FrameOfReferenceUID="1.2.3.1\\1.2.3.2"),),
    ),
    Study(
        "padded",
        {
            "PatientID": "  PAD",
            "PatientName": " Doe ^ Jane ^^^ ",
            "StudyDate": "20210801",
            "AccessionNumber": " B7 ",
            "StudyID": "b7",
            "StudyDescription": "two  blanks",
        },
        (one("padded"),),
    ),
    Study(
        "caret",
        {"PatientID": "CARET", "PatientName": "Single^", "StudyDate": "20210802"},
        (one("caret"),),
    ),
)


def _looks(name: str, text: str) -> Image:
    keywords = ("ContentLabel", "ContentDescription", "DeviceSerialNumber")
    return Image(name, dict.fromkeys(keywords, text))


def _private(name: str, *creators: str) -> Image:
    """Private elements (0019,xx01) and (0019,xx0A); `creators` from block 10 on."""
    values: dict[Any, Any] = {}
    for block, creator in enumerate(creators, 0x10):
        values[(0x00190000 | block, "LO")] = creator
        values[(0x00190000 | block << 8 | 0x01, "LO")] = f"{creator} alpha"
        values[(0x00190000 | block << 8 | 0x0A, "US")] = 7
    return Image(name, values)


def _nested(uid_inside: str, position: int) -> Values:
    return {
        "ReferencedSeriesSequence": [
            {
                "SeriesInstanceUID": "1.2.3.4.1",
                "ReferencedInstanceSequence": [
                    {"ReferencedSOPClassUID": "1.2.3.4", "ReferencedSOPInstanceUID": "1.2.3.9"},
                    {"ReferencedSOPClassUID": "1.2.3.4", "ReferencedSOPInstanceUID": uid_inside},
                ],
            }
        ],
        "FrameContentSequence": [{"InStackPositionNumber": position, "FrameLabel": "one"}],
        "RadiopharmaceuticalInformationSequence": [
            {"RadiopharmaceuticalStartTime": "1030", "RadionuclideTotalDose": "3.70E+8"}
        ],
    }


_THIS = {
    "PerformedStationAETitle": "CT 1",
    "SelectorASValue": "003M",
    "FrameIncrementPointer": 0x00181063,
    "PatientPosition": "HFS",
    "DateOfSecondaryCapture": "20230105",
    "PixelSpacing": "0.50\\0.5",
    "AcquisitionDateTime": "20230105101500+0100",
    "TableSpeed": 1.5,
    "ExaminedBodyThickness": 0.1,
    "ExposureTime": "0100",
    "SoftwareVersions": "V1\\V2",
    "ImageComments": "first line\r\nsecond \\ line\r\n",
    "PhysiciansOfRecord": "MEYER^UWE\\ROSSI^ADA",
    "SequenceName": "*tse2d1_9",
    "ReferencePixelX0": -5,
    "TagAngleSecondAxis": -3,
    "DerivationDescription": "it's 100% done",
    "SelectorSVValue": -9000000000,
    "TimeOfSecondaryCapture": "0915",
    "StrainDescription": "  two blanks",
    "SynchronizationFrameOfReferenceUID": "1.2.3.1",
    "SimpleFrameList": [1, 2, 3],
    "RetrieveURL": "http://a/b?c=1",
    "SamplesPerPixel": 3,
    "TextValue": "long text",
    "SelectorUVValue": 18446744073709551615,
    "RedPaletteColorLookupTableData": b"\1\0",
}
_THAT = {
    "PerformedStationAETitle": "CT 2",
    "SelectorASValue": "003Y",
    "FrameIncrementPointer": 0x00181065,
    "PatientPosition": "FFS",
    "DateOfSecondaryCapture": "20230205",
    "PixelSpacing": "1\\1",
    "AcquisitionDateTime": "20230106",
    "TableSpeed": 2.5,
    "ExaminedBodyThickness": 0.25,
    "ExposureTime": "200",
    "SoftwareVersions": "V3",
    "ImageComments": "other",
    "PhysiciansOfRecord": "VERDI^ADA",
    "SequenceName": "gre_b",
    "ReferencePixelX0": 5,
    "TagAngleSecondAxis": 3,
    "DerivationDescription": "it's 10 done",
    "SelectorSVValue": 1,
    "TimeOfSecondaryCapture": "1000",
    "StrainDescription": "C57BL/6",
    "SynchronizationFrameOfReferenceUID": "1.2.3.2",
    "SimpleFrameList": [4],
    "RetrieveURL": "http://x",
    "SamplesPerPixel": 1,
    "TextValue": "b",
    "SelectorUVValue": 1,
    "RedPaletteColorLookupTableData": b"\2\0",
}
_OTHER = {"Modality": "OT"}

_LAB = Study(
    "lab",
    {"PatientID": "LAB", "PatientName": "Lab^Rat", "StudyDate": "20210901"},
    (
        Series(
            "times",
            SecondaryCaptureImageStorage,
            _OTHER,
            (
                Image("hour", {"ContentDate": "20210901", "ContentTime": "10"}),
                Image("minute", {"ContentDate": "20210902", "ContentTime": "1030"}),
                Image("second", {"ContentDate": "20210903", "ContentTime": "103015"}),
                Image("fraction", {"ContentDate": "20210904", "ContentTime": "103015.5"}),
                Image("evening", {"ContentDate": "20210901", "ContentTime": "2200"}),
                Image("timeless", {"ContentDate": "20210902"}),
            ),
        ),
        Series(
            "looks",
            SecondaryCaptureImageStorage,
            _OTHER,
            (
                _looks("underscore", "A_1"),
                _looks("letter", "AB1"),
                _looks("percent", "A%1"),
                _looks("brackets", "A[1]"),
                _looks("quote", "O'Neil"),
            ),
        ),
        Series(
            "numbers",
            SecondaryCaptureImageStorage,
            _OTHER,
            (
                Image("seven", {"InstanceNumber": "007", "AcquisitionNumber": "+3", "Rows": 512}),
                Image("ten", {"InstanceNumber": "10", "AcquisitionNumber": "3", "Rows": 256}),
                Image("minus", {"InstanceNumber": "-1", "AcquisitionNumber": "0"}),
            ),
        ),
        Series(
            "vrs",
            SecondaryCaptureImageStorage,
            _OTHER,
            (Image("this", _THIS), Image("that", _THAT)),
        ),
        Series(
            "private",
            SecondaryCaptureImageStorage,
            _OTHER,
            (
                _private("block-10", "MINI TEST"),
                _private("block-11", "SIEMENS MR HEADER", "MINI TEST"),
                _private("another", "ANOTHER"),
            ),
        ),
        Series(
            "items",
            SecondaryCaptureImageStorage,
            _OTHER,
            (
                Image("explicit", _nested("1.2.3.5", 5)),
                Image("implicit", _nested("1.2.3.6", 6), IMPLICIT),
                Image("big", _nested("1.2.3.7", 7), BIG_ENDIAN),
                Image("deflated", _nested("1.2.3.8", 8), DEFLATED),
                Image("flat"),
            ),
        ),
    ),
)

STUDIES = (*_ORDINARY, *_CHARACTER_SETS, *_HALF_EMPTY, *_CONTRADICTORY, _LAB)

# What a name stands for, and in which study a series lies.
NAMES = {
    uid(name): name
    for study in STUDIES
    for name in (
        study.name,
        *(series.name for series in study.series),
        *(image.name for series in study.series for image in series.images),
    )
}
STUDY_OF = {series.name: study.name for study in STUDIES for series in study.series}

# Two names must not share a UID, nor an entity be written down twice by oversight.
assert len(set(NAMES.values())) == len(NAMES)


# ---- sending it


@dataclass(frozen=True)
class Instance:
    """An instance as it is sent."""

    sender: str
    sop_class: str
    sop_instance: str
    syntax: str
    data: bytes


def instances(*studies: str) -> Iterator[Instance]:
    """What is sent, in order; of `studies` alone where they are named."""
    for study in STUDIES:
        if studies and study.name not in studies:
            continue
        for series in study.series:
            for image in series.images:
                yield _instance(study, series, image)


def _instance(study: Study, series: Series, image: Image) -> Instance:
    sop_class = str(image.sop_class or series.sop_class)
    values = {
        **study.values,
        **series.values,
        **image.values,
        "SOPClassUID": sop_class,
        "SOPInstanceUID": uid(image.name),
        "StudyInstanceUID": uid(study.name),
        "SeriesInstanceUID": uid(series.name),
    }
    data = encode(values, image.syntax, study.charset, study.text)
    return Instance(study.sender, sop_class, uid(image.name), image.syntax, data)


def fill(node: RunningNode, *studies: str) -> int:
    """Send the corpus, or some of its studies; how many instances these were."""
    held = list(instances(*studies))
    with ExitStack() as stack:
        associations = {}
        for sender in dict.fromkeys(instance.sender for instance in held):
            contexts = dict.fromkeys((i.sop_class, i.syntax) for i in held if i.sender == sender)
            associations[sender] = stack.enter_context(node.association(*contexts, ae_title=sender))
        for i in held:
            answer = send(associations[i.sender], i.sop_class, i.sop_instance, i.data, i.syntax)
            assert answer.Status == 0x0000, (NAMES[i.sop_instance], answer.ErrorComment)
    return len(held)
