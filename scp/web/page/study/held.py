"""What several views ask of the archive: a study, its series, the instances of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import quote

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from scp.web.page.surface import PREFIX
from scp.web.request import Asked, NotFoundError
from scp.web.retrieval.instances import data_set_of, located
from scp.web.viewer import BASE
from storage import Level, Location
from storage.archive import asked as asked_for
from storage.dicom.data_sets import DEFLATED, STORED, ReadLimits, read_data_set

_OF_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "AccessionNumber", "StudyDescription", "ReferringPhysicianName",
    "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
)  # fmt: skip
_OF_SERIES = (
    "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined",
    "StationName", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_OF_INSTANCE = ("InstanceNumber", "NumberOfFrames", "SOPClassUID", "Rows")
LAST_HEADER_TAG = 0x7FDFFFFF
_MOST_FRAMES = 100_000  # of a series: the numbers are a stranger's


@dataclass(frozen=True)
class FoundSeries:
    """A series: its values by keyword, and whether there are pictures in it."""

    values: dict[str, str]
    is_picture: bool


@dataclass(frozen=True)
class FoundInstance:
    """An instance of a series; `frames` is 0 where it is no picture."""

    uid: str
    number: str
    frames: int
    sop_class_uid: str

    @property
    def kind(self) -> str:
        """The name of its SOP class."""
        return UID(self.sop_class_uid).name


@dataclass
class Instances:
    """Those of a series, in its order: pictures, and what is none; `is_cut`: there are more."""

    pictures: list[FoundInstance] = field(default_factory=list)
    others: list[FoundInstance] = field(default_factory=list)
    is_cut: bool = False


def path_of(study: str, series: str = "", instance: str = "") -> str:
    """The path of a view."""
    named = (("studies", study), ("series", series), ("instances", instance))
    return PREFIX + "".join(f"/{name}/{quote(uid, safe='')}" for name, uid in named if uid)


def viewer_of(asked: Asked, study: str) -> str:
    """Where a study is opened in the viewer that [web] viewer names; empty without one."""
    has_viewer = asked.context.web.viewer is not None
    return f"{BASE}viewer?StudyInstanceUIDs={quote(study, safe='')}" if has_viewer else ""


def study_of(asked: Asked, uid: str) -> dict[str, str]:
    """A study's values. Raises NotFoundError."""
    asked.resource(uid)
    found = _entities(asked, Level.STUDY, [("StudyInstanceUID", uid)], _OF_STUDY, 1)
    if not found:
        raise NotFoundError(f"the study {uid} is not held")
    return found[0]


def series_of(
    asked: Asked, study: str, uid: str = "", most: int | None = None
) -> list[FoundSeries]:
    """The series of a study in their order, or that one of them; no more than `most`."""
    where = [("StudyInstanceUID", study), *([("SeriesInstanceUID", uid)] if uid else ())]
    found = _entities(asked, Level.SERIES, where, _OF_SERIES, most)
    pictured = asked.context.archive.series_with_pictures(study)
    made = [FoundSeries(one, one["SeriesInstanceUID"] in pictured) for one in found]
    return sorted(made, key=lambda one: _number(one.values["SeriesNumber"]))


def instances_of(asked: Asked, study: str, series: str, most: int) -> Instances:
    """The instances of a series, by their numbers. Raises NotFoundError where there are none."""
    asked.resource(study, series)
    where = [("StudyInstanceUID", study), ("SeriesInstanceUID", series)]
    rows = _entities(asked, Level.IMAGE, where, ("SOPInstanceUID", *_OF_INSTANCE), most + 1)
    if not rows:
        raise NotFoundError(f"the series {series} is not held")
    made, left = Instances(is_cut=len(rows) > most), _MOST_FRAMES
    for one in sorted(rows[:most], key=lambda row: _number(row["InstanceNumber"])):
        frames = max(_whole(one["NumberOfFrames"], 1), 1) if one["Rows"] else 0
        if frames > left:
            made.is_cut, frames = True, left
            if not left:
                continue
        left -= frames
        found = FoundInstance(
            one["SOPInstanceUID"], one["InstanceNumber"], frames, one["SOPClassUID"]
        )
        (made.pictures if frames else made.others).append(found)
    return made


def located_one(asked: Asked, study: str, series: str, instance: str) -> Location:
    """An instance. Raises NotFoundError."""
    return located(asked, asked.resource(study, series, instance))[0]


def header_of(
    asked: Asked, location: Location, tags: list[BaseTag | int] | None = None,
    last_tag: int = LAST_HEADER_TAG, limits: ReadLimits = STORED,
) -> Dataset:  # fmt: skip
    """The elements of an instance before its pixel data, undecoded, or some of them; as corrected.

    Raises ArchiveError, OSError.
    """
    held = data_set_of(asked, location)
    held.file.seek(held.start)
    syntax = held.transfer_syntax_uid
    syntax = str(ExplicitVRLittleEndian) if syntax in DEFLATED else syntax  # it is inflated there
    return read_data_set(held.file, syntax, tags, last_tag, limits)


def _entities(
    asked: Asked, level: Level, where: list[tuple[str, str]], shown: Sequence[str],
    most: int | None,
) -> list[dict[str, str]]:  # fmt: skip
    query = asked_for(level, where, shown).query
    keywords = [attribute.keyword for attribute in query.returned]
    answers = asked.context.archive.find(query, asked.context.settings.storage.charset)
    return [dict(zip(keywords, one.texts, strict=True)) for one in islice(answers, most)]


def _number(text: str) -> tuple[bool, int, str]:
    """By which what has a number goes before what has none."""
    number = _whole(text, -1)
    return number < 0, number, text


def _whole(text: str, otherwise: int) -> int:
    digits = text.strip().partition("\\")[0]
    return (
        int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 13 else otherwise
    )
