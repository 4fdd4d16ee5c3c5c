"""A made-up archive: what its studies, series and images hold, each a function of its number.

200 studies and 10,000 images a day, every study three series; the first study of a day has a
series of 500 images.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from random import Random

from pydicom import uid

VERSION = 1  # of what is made here: a kept index of another one is made anew
STUDIES_A_DAY, IMAGES_A_STUDY = 200, 50
LONG_SERIES = 500

Texts = dict[str, str]  # keyword -> value

_FIRST_DAY = date(2026, 11, 23)
# Of the images of a day's first study, and of the others in turn: 10,000 a day.
_OF_FIRST = 2 + LONG_SERIES + 2
_IMAGES = (104, 3, 88, 4, 40, 60, 150, 3, 22, 6)
_KINDS = {
    "CT": (str(uid.CTImageStorage), "CHEST", "Thorax with contrast"),
    "CR": (str(uid.ComputedRadiographyImageStorage), "HAND", "Hand, two planes"),
    "MR": (str(uid.MRImageStorage), "BRAIN", "Brain, T1 T2 FLAIR"),
    "DX": (str(uid.DigitalXRayImageStorageForPresentation), "CHEST", "Chest p.a. and lateral"),
    "US": (str(uid.UltrasoundImageStorage), "ABDOMEN", "Abdomen, complete"),
    "XA": (str(uid.XRayAngiographicImageStorage), "HEART", "Coronary angiography"),
    "SR": (str(uid.EnhancedSRStorage), "", "Report"),
    "PR": (str(uid.GrayscaleSoftcopyPresentationStateStorage), "", "Presentation"),
}
_MAIN = ("CT", "CR", "MR", "DX", "US", "MR", "CT", "CR", "US", "XA")
_LAST = (None, None, "SR", "PR")  # the third series; None: of the main modality

_ROOTS = (
    "Abel", "Bauer", "Castillo", "Dubois", "Eriksson", "Fischer", "García", "Horvat", "Ivanov",
    "Jansen", "Kowalski", "Lindner", "Müller", "Novak", "O'Brien", "Petrov", "Quint", "Rossi",
    "Schmidt", "Tanaka", "Ulrich", "Vermeer", "Weiss", "Yilmaz", "Zimmer",
)  # fmt: skip
_ENDS = (
    "", "son", "mann", "ov", "er", "ini", "sen", "ska", "ez", "berg", "feld", "stein", "wood",
    "ley", "ton", "ford", "worth", "dottir", "escu", "aki",
)  # fmt: skip
FAMILY_NAMES = tuple(root + end for root, end in product(_ROOTS, _ENDS))
GIVEN_NAMES = (
    "Anna", "Bernd", "Chiara", "David", "Elif", "Frank", "Greta", "Hana", "Igor", "Julia",
    "Karim", "Laura", "Mehmet", "Nina", "Olaf", "Paula", "Quentin", "Rosa", "Stefan", "Tomáš",
    "Ursula", "Viktor", "Wanda", "Xenia", "Yusuf", "Zoë", "Aiko", "Bruno", "Clara", "Daniel",
    "Esther", "Felix", "Gloria", "Hugo", "Ines", "Jakub", "Klara", "Leon", "Maria", "Noah",
)  # fmt: skip
_JAPANESE = "Yamada{0}^Tarou=山田^太郎=やまだ^たろう"
_JAPANESE_EVERY = 97


@dataclass(frozen=True)
class Study:
    """A study: what its images say of patient and study, and how many of them each series has."""

    patient: Texts
    texts: Texts
    kinds: tuple[str, str, str]  # the series' modalities
    images: tuple[int, int, int]


def study(number: int) -> Study:
    """The study of that number."""
    random = Random(number)
    day = (_FIRST_DAY + timedelta(number // STUDIES_A_DAY)).strftime("%Y%m%d")
    turn = number % len(_IMAGES)
    kind = _MAIN[turn]
    texts = {
        "StudyInstanceUID": f"1.2.826.0.1.3680043.8.498.{random.randrange(10**27, 10**28)}",
        "StudyDate": day,
        "StudyTime": f"{7 + number % 12:02}{random.randrange(60):02}{random.randrange(60):02}",
        "AccessionNumber": f"A{number:08}",
        "StudyID": str(number),
        "StudyDescription": _KINDS[kind][2],
        "ReferringPhysicianName": f"{random.choice(FAMILY_NAMES)}^{random.choice(GIVEN_NAMES)}",
        "PatientAge": f"{random.randrange(100):03}Y",
    }
    first = number % STUDIES_A_DAY == 0
    total = _OF_FIRST if first else _IMAGES[turn]
    few = 2 if total >= 20 else 1
    last = 2 if first else total // 4 or 1
    last_kind = _LAST[number // len(_IMAGES) % len(_LAST)] or kind
    images = (few, max(total - few - last, 1), last)
    return Study(_patient(_patient_number(number)), texts, (kind, kind, last_kind), images)


def series(of: Study, number: int) -> Texts:
    """What the images of a series have in common, beside the study's."""
    kind = of.kinds[number]
    sop_class, part, _ = _KINDS[kind]
    has_pixels = {"Rows": "512", "Columns": "512", "BitsAllocated": "16"} if part else {}
    day, time = of.texts["StudyDate"], of.texts["StudyTime"]
    return has_pixels | {
        "SeriesInstanceUID": f"{of.texts['StudyInstanceUID']}.{number + 1}",
        "Modality": kind,
        "SeriesNumber": str(number + 1),
        "SeriesDescription": ("Localizer", "Main", "Secondary")[number],
        "SeriesDate": day,
        "SeriesTime": time,
        "BodyPartExamined": part,
        "ProtocolName": of.texts["StudyDescription"],
        "InstitutionName": "General Hospital",
        "StationName": f"{kind}1",
        "Manufacturer": "ACME Medical",
        "ManufacturerModelName": f"{kind} 3000",
        "PerformedProcedureStepStartDate": day,
        "PerformedProcedureStepStartTime": time,
        "SOPClassUID": sop_class,
        "ImageType": "ORIGINAL\\PRIMARY" if part else "",
        "AcquisitionNumber": "1",
        "AcquisitionDate": day,
        "AcquisitionTime": f"{time}.25",
        "ContentDate": day,
        "ContentTime": f"{time}.5",
    }


def image(in_series: Texts, number: int) -> Texts:
    """What is an image's own."""
    return {
        "SOPInstanceUID": f"{in_series['SeriesInstanceUID']}.{number + 1}",
        "InstanceNumber": str(number + 1),
    }


def _patient_number(number: int) -> int:
    """One study in four is of a patient who had one two days before."""
    earlier = number - 2 * STUDIES_A_DAY + 3
    return earlier if number % 4 == 3 and earlier >= 0 else number


def _patient(number: int) -> Texts:
    random = Random(f"patient {number}")
    name = f"{random.choice(FAMILY_NAMES)}^{random.choice(GIVEN_NAMES)}"
    if number % _JAPANESE_EVERY == _JAPANESE_EVERY - 1:
        name = _JAPANESE.format(number)
    return {
        "PatientID": f"{number * 7919 % 100_000_007:08}",
        "PatientName": name,
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": f"{random.randrange(1925, 2025)}{random.randrange(1, 13):02}15",
        "PatientSex": "FM"[number % 2],
    }
