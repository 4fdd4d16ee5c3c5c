"""QIDO-RS (PS3.18 10.6): a URL as the query that a C-FIND would be, and its answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.tag import Tag
from werkzeug.datastructures import MultiDict

from scp.web.models import Head, Model, RowDocuments
from scp.web.request import BadRequestError, Resource
from storage import Level, Options, Query
from storage.archive import QueryAnswer
from storage.diagnostics import IdentifierError
from storage.dicom.data_sets import BULK_VRS, Element
from storage.dicom.values import BY_TAG, TABLE, UNIQUE
from storage.query import KeyPath, asked_by_keyword, key_path

# Tables 10.6.3-3 to -5: what each answer holds, but for Timezone Offset From UTC, which no column
# of the index has, and what every answer holds.
RETURNED = {
    Level.STUDY: (
        "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName",
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber",
        "NumberOfSeriesRelatedInstances", "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime", "RequestAttributesSequence.ScheduledProcedureStepID",
        "RequestAttributesSequence.RequestedProcedureID",
    ),
    Level.IMAGE: (
        "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated",
        "NumberOfFrames",
    ),
}  # fmt: skip
_MODALITIES = Tag(0x0008, 0x0061)
_UNIQUE_TAGS = [UNIQUE[level].tag for level in list(Level)[1:]]
_TRUTHS = {"true": True, "false": False}
_FLAGS = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
# Parameters that say how to answer, and not what.
PARAMETERS = (*_FLAGS, "includefield", "limit", "offset")
_OTHERS = {*PARAMETERS, "accept", "charset"}
# What a parameter may be called that is no attribute (table 8.3.1-1).
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATE = r"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?"
# VR -> what a value to be matched is (PS3.5 6.2, PS3.4 C.2.2.2), where nobody could mean another.
_VALUES = {
    "DA": re.compile(f"{_DATE}|{_DATE}-(?:{_DATE})?|-{_DATE}"),
    "TM": re.compile(f"{_TIME}|{_TIME}-(?:{_TIME})?|-{_TIME}"),
    "UI": re.compile(r"[0-9.]{1,64}"),
    "IS": re.compile(r"[+-]?[0-9]{1,12}"),
    "US": re.compile(r"[0-9]{1,5}"),
}
_OPEN = ("", "*", '""')
_ONLINE = "ONLINE"
_AVAILABILITY, _RETRIEVE_URL = Tag(0x0008, 0x0056), Tag(0x0008, 0x1190)
_OF_ALL = {_AVAILABILITY: "CS", _RETRIEVE_URL: "UR"}  # what every answer has
# What is told of entities, and not looked for in what is stored of them.
_TOLD_ALONE = {
    _AVAILABILITY: f"is {_ONLINE} of each",
    _RETRIEVE_URL: "is told alone",
    Tag("TimezoneOffsetFromUTC"): "is not taken into account: times are compared as stored",
}


@dataclass(frozen=True)
class Search:
    """What a URL asks for: entities of `level`, so many behind the first `offset`."""

    resource: Resource
    level: Level
    query: Query
    offset: int
    limit: int | None
    warnings: tuple[str, ...] = ()

    def most(self, allowed: int) -> int | None:
        """How many answers there may be, of so many that are allowed (0: any number)."""
        bounds = (self.limit, allowed or None)
        return min((one for one in bounds if one is not None), default=None)


def search_of(resource: Resource, level: Level, given: MultiDict[str, str]) -> Search:
    """The search that a URL's parameters describe, for entities below a resource.

    Raises BadRequestError.
    """
    flags = {name: _truth(name, given.get(name, "false")) for name in _FLAGS}
    try:
        where, unknown = _conditions(resource, given)
        shown = _shown(resource, level, given.getlist("includefield"))
        query = asked_by_keyword(level, where, shown)
    except IdentifierError as error:
        raise BadRequestError(str(error)) from error
    options = Options(
        relational=True,
        date_time=True,  # PS3.18 8.3.4.1.1
        fuzzy_names=flags["fuzzymatching"],
        empty_value=flags["emptyvaluematching"],
        multiple_values=flags["multiplevaluematching"],
    )
    query = replace(query, options=options)
    unmatched = [
        f"{path.name} is not matched, and narrows nothing"
        for path, text in where.items()
        if text and path.tags[0] in query.unsupported
    ]
    offset = _number(given, "offset") or 0
    return Search(resource, level, query, offset, _number(given, "limit"), (*unknown, *unmatched))


def _conditions(
    resource: Resource, given: MultiDict[str, str]
) -> tuple[dict[KeyPath, str], list[str]]:
    """What is to match, and words on parameters that are not known: they count as absent (8.3)."""
    where: dict[KeyPath, str] = {}
    by_tags: dict[tuple[int, ...], str] = {}
    unknown = []
    for name, texts in given.lists():
        if name in _OTHERS or not name:
            continue
        try:
            path = key_path(name)
        except IdentifierError as error:
            if not _NAME.fullmatch(name):
                raise
            unknown.append(f"{error}: the parameter was not taken into account")
            continue
        if len(texts) > 1 or path.tags in by_tags:
            raise BadRequestError(f"{name}: given more than once")
        by_tags[path.tags] = name
        # A list of UIDs is written with commas (PS3.18 8.3.4.1), and so OHIF writes one of
        # modalities: no code string has one in it (PS3.5 6.2).
        text = texts[0].replace(",", "\\") if path.vr in ("UI", "CS") else texts[0]
        _check(name, path.vr, text)
        if words := _not_matched(path, text):
            unknown.append(f"{name} {words}, and narrows nothing")
            text = ""
        if path.tags[0] not in _OF_ALL:
            where[path] = text
    for keyword, uid in resource.named:
        path = key_path(keyword)
        if by_tags.get(path.tags) and where[key_path(by_tags[path.tags])] not in ("", uid):
            raise BadRequestError(f"{keyword}: the path names another")
        where[path] = uid
    return where, unknown


def _not_matched(path: KeyPath, text: str) -> str:
    """Why a key with a value is none that narrows the answers, in words; empty where it is one."""
    if text in _OPEN:
        return ""
    if len(path.tags) == 1 and path.tags[0] in _TOLD_ALONE and text != _ONLINE:
        return _TOLD_ALONE[path.tags[0]]
    return "is bulk data, which is not matched" if path.vr in BULK_VRS else ""


def _check(name: str, vr: str, text: str) -> None:
    """Raise BadRequestError for a value that its VR does not have (PS3.18 8.3)."""
    form = _VALUES.get(vr)
    if form is None or text in _OPEN:
        return
    for one in text.split("\\"):
        if not form.fullmatch(one.strip()):
            raise BadRequestError(f"{name}={one[:64]}: no value of {vr} to be matched (PS3.5 6.2)")


def _shown(resource: Resource, level: Level, included: Sequence[str]) -> list[KeyPath]:
    """What answers hold: of all levels below the resource what the tables say, and what is asked.

    An attribute of a lower level has no one value, and is left out (PS3.18 10.6.3.3).
    """
    above = [one for one in Level if resource.level < one <= level]
    names = [name for one in above for name in RETURNED[one]]
    names += [UNIQUE[one].keyword for one in list(Level)[1 : level + 1]]
    for name in (one.strip() for text in included for one in text.split(",")):
        if name == "all":
            names += [a.keyword for a in TABLE if a.level <= level and not a.sequence]
        elif name:
            names.append(name)
    paths = [key_path(name) for name in dict.fromkeys(names)]
    return [path for path in paths if _is_of(path, level) and path.tags[0] not in _OF_ALL]


def _is_of(path: KeyPath, level: Level) -> bool:
    attribute = BY_TAG.get(path.tags[0])
    return attribute is None or attribute.level <= level


def _truth(name: str, text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise BadRequestError(f"{name}={text[:40]}: takes true or false")
    return _TRUTHS[text.lower()]


def _number(given: MultiDict[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequestError(f"{name}={text[:40]}: takes a number of 0 or more")
    return int(text)


class Documents:
    """Writes the answers of a search, each with where it is to be had."""

    def __init__(self, search: Search, model: Model) -> None:
        self._search, self._model = search, model
        heads = {a.tag: a.vr for a in search.query.returned} | _OF_ALL
        tags = list(heads)
        self._order = sorted(range(len(tags)), key=tags.__getitem__)
        self._heads = [Head(int(tag), vr) for tag, vr in heads.items()]
        self._rows = RowDocuments(model, [self._heads[number] for number in self._order])
        self._modalities = tags.index(_MODALITIES) if _MODALITIES in tags else None
        self._unique = [tags.index(tag) for tag in _UNIQUE_TAGS[: search.level]]

    def document(self, answer: QueryAnswer) -> bytes:
        """The document of an answer."""
        url = replace(self._search.resource, uids=tuple(answer.texts[n] for n in self._unique)).url
        texts = (*answer.texts, _ONLINE, url)
        # OHIF 3.13 shows no study at all where one has modalities without a value.
        lacks_modalities = self._modalities is not None and not texts[self._modalities]
        if not (answer.extra or lacks_modalities):
            return self._rows.document([texts[number] for number in self._order])
        held = {Tag(head.tag): Element(head.vr, text)
                for head, text in zip(self._heads, texts, strict=True)}  # fmt: skip
        if lacks_modalities:
            del held[_MODALITIES]
        return self._model.elements(held | answer.extra)
