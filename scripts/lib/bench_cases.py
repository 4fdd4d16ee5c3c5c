"""The queries that are measured, and how: archive -> rows -> encoded identifiers, no network."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lib import bench_corpus as corpus
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from scp.network.dimse import identifier
from storage import Archive, Level, Query, Root

Texts = dict[str, str]  # keyword -> key

_TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)
_STUDY_KEYS = (
    "StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate",
    "StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName",
)  # fmt: skip
_COUNTS = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
_SERIES_KEYS = (
    "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate",
    "BodyPartExamined", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_IMAGE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "ContentDate")


@dataclass(frozen=True)
class Case:
    """A kind of query: its level, what it asks for, and its keys for the study that it is about."""

    name: str
    level: Level
    asked: tuple[str, ...]
    keys: Callable[[corpus.Study], Texts]
    is_lookup: bool = False  # by a key that few studies have
    is_long: bool = False  # a query for everything, to be run less often
    pick: Callable[[int, int], int] | None = None  # (studies, run) -> the study that it is about

    def query(self, studies: int, run: int) -> Query:
        """The query of one run; lookups are for another study each time."""
        number = (self.pick or _any_study)(studies, run)
        texts = dict.fromkeys(self.asked, "") | self.keys(corpus.study(number))
        elements = identifier.from_texts(
            {identifier.QUERY_RETRIEVE_LEVEL: self.level.name}
            | {Tag(keyword): text for keyword, text in texts.items()}
        )
        data = identifier.encode(elements, _TRANSFER_SYNTAX)
        return Query.read(Root.STUDY, data, _TRANSFER_SYNTAX, "")


@dataclass
class Timing:
    """The runs of one case on one index: seconds in all, seconds to the first answer, answers."""

    total: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds, of half the runs."""
        return statistics.median(self.total) * 1000

    @property
    def p95(self) -> float:
        """Milliseconds, of all runs but one in twenty."""
        return sorted(self.total)[-(-len(self.total) * 19 // 20) - 1] * 1000

    @property
    def first_median(self) -> float:
        """Milliseconds to the first answer, of half the runs."""
        return statistics.median(self.first) * 1000

    @property
    def typical_answers(self) -> int:
        """The number of answers of half the runs."""
        return int(statistics.median(self.answers))


@dataclass(frozen=True)
class Result:
    """A case, at both sizes."""

    case: Case
    large: Timing
    small: Timing

    @property
    def ratio(self) -> float:
        """How much more the large index costs."""
        return self.large.median / self.small.median


def _any_study(studies: int, run: int) -> int:
    """One of a patient who has no other."""
    return (run * 7919 % studies) // 4 * 4 + 1


def _first_of_a_day(studies: int, run: int) -> int:
    days = studies // corpus.STUDIES_A_DAY
    return run * 7 % days * corpus.STUDIES_A_DAY


def _last(studies: int, run: int) -> int:
    return studies - 1


def _name(study: corpus.Study) -> tuple[str, str]:
    family, given = study.patient["PatientName"].split("=")[0].split("^")
    return family, given


def _long_series(study: corpus.Study) -> Texts:
    uid = study.texts["StudyInstanceUID"]
    return {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.2"}


_S, _WITH_COUNTS = Level.STUDY, (*_STUDY_KEYS, *_COUNTS)
ALL_STUDIES = Case("all studies", _S, _STUDY_KEYS, lambda s: {}, is_long=True)
TODAY = Case(
    "today's studies, with counts and modalities", _S, _WITH_COUNTS,
    lambda s: {"StudyDate": s.texts["StudyDate"]}, pick=_last,
)  # fmt: skip
CASES = (
    Case(
        "one study by UID", _S, _WITH_COUNTS,
        lambda s: {"StudyInstanceUID": s.texts["StudyInstanceUID"]}, is_lookup=True,
    ),
    Case(
        "by accession number", _S, _WITH_COUNTS,
        lambda s: {"AccessionNumber": s.texts["AccessionNumber"]}, is_lookup=True,
    ),
    Case(
        "by patient ID", _S, _WITH_COUNTS,
        lambda s: {"PatientID": s.patient["PatientID"]}, is_lookup=True,
    ),
    Case(
        "by name prefix", _S, _WITH_COUNTS,
        lambda s: {"PatientName": f"{_name(s)[0]}^{_name(s)[1][:3]}*"}, is_lookup=True,
    ),
    Case(
        "by *name*", _S, _WITH_COUNTS,
        lambda s: {"PatientName": f"*{_name(s)[0][1:]}^{_name(s)[1][:3]}*"}, is_lookup=True,
    ),
    TODAY,
    Case(
        "the series of a study", Level.SERIES, _SERIES_KEYS,
        lambda s: {"StudyInstanceUID": s.texts["StudyInstanceUID"]}, is_lookup=True,
    ),
    Case(
        "the images of a 500-image series", Level.IMAGE, _IMAGE_KEYS, _long_series,
        pick=_first_of_a_day,
    ),
    ALL_STUDIES,
    Case("all studies, with counts and modalities", _S, _WITH_COUNTS, lambda s: {}, is_long=True),
)  # fmt: skip


class NoAnswerError(Exception):
    """A query that must have answers had none."""


def measure(case: Case, archives: Sequence[tuple[Archive, int]], runs: int) -> list[Timing]:
    """The timings of a case on each archive, given with its number of studies; runs take turns.

    Raises NoAnswerError, and what the archive raises.
    """
    timings = [Timing() for _ in archives]
    for run in range(-1, runs):
        for (archive, studies), timing in zip(archives, timings, strict=True):
            total, first, answers = answer(archive, case.query(studies, run))
            if not answers:
                raise NoAnswerError(f"{case.name}: no answer from {studies} studies")
            if run >= 0:  # the one before warms up
                timing.total.append(total)
                timing.first.append(first)
                timing.answers.append(answers)
    return timings


def answer(archive: Archive, query: Query) -> tuple[float, float, int]:
    """Answer a query as C-FIND does: seconds in all, seconds to the first answer, answers."""
    constant = {
        identifier.QUERY_RETRIEVE_LEVEL: query.level.name,
        identifier.RETRIEVE_AE_TITLE: "MINIPACS",
    }
    answers, first = 0, 0.0
    started = time.perf_counter()
    encoder = identifier.AnswerEncoder(
        query.returned, identifier.from_texts(constant), _TRANSFER_SYNTAX, query.character_set
    )
    for found in archive.find(query, ""):
        encoder.encode(found.texts, found.extra)
        answers += 1
        if answers == 1:
            first = time.perf_counter() - started
    return time.perf_counter() - started, first, answers
