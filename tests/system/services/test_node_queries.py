"""C-FIND as its users see it: one table of queries over the corpus, with the answers that the
corpus was written to have, each asked through an association."""

import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.datadict import (
    DicomDictionary,
    dictionary_VR,
    keyword_for_tag,
    tag_for_keyword,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    PositronEmissionTomographyImageStorage,
    XRayRadiationDoseSRStorage,
)
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_CANCEL_RQ
from pynetdicom.dimse_primitives import C_CANCEL, C_FIND
from pynetdicom.dsutils import decode
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from support import FIND, GET, MOVE, RunningNode, client, keys, running_node
from support.data.corpus import (
    BIG_ENDIAN,
    CYRILLIC,
    CYRILLIC_PEER,
    DEFLATED,
    EXPLICIT,
    GB18030,
    IMPLICIT,
    JAPANESE,
    KOREAN,
    LATIN_1,
    NAMES,
    OTHERS,
    STUDIES,
    STUDY_OF,
    UNKNOWN_CHARSET,
    UTF_8,
    encode,
    fill,
    uid,
)

from storage import Level
from storage.index.engines.sqlite.database import connect
from storage.index.tables import Index, build

SUCCESS, CANCEL, OUT_OF_RESOURCES = 0x0000, 0xFE00, 0xA700
DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0xA900, 0xC000
PENDING, PENDING_KEYS_UNSUPPORTED = 0xFF00, 0xFF01

# Service-class-application-information, byte by byte (PS3.4 table C.5-1).
RELATIONAL, DATE_TIME, FUZZY = b"\1", b"\0\1", b"\0\0\1"
EMPTY_VALUE, MULTIPLE_VALUES = b"\0\0\0\0\0\1", b"\0\0\0\0\0\0\1"

_CREATOR, _ALPHA, _NUMBER = (0x00190010, "LO"), (0x00191001, "LO"), (0x0019100A, "US")
_UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_LEVELS = {
    "PATIENT": list(_UNIQUE),
    "STUDY": list(_UNIQUE)[1:],
    "PATIENT_STUDY_ONLY": list(_UNIQUE)[:2],
}


@dataclass(frozen=True)
class Case:
    """A query and its answers: `expected` names the entities, in any order.

    The unique key of the level is asked for along with `keys`, and `within` sets those of the
    study, or study and series, above it. Every answer holds exactly the tags asked for but for
    `unanswered`, and what comes unasked; of these it holds the values in `returned`.
    """

    sentence: str
    level: str
    keys: Mapping[Any, Any]
    expected: str
    within: str = ""
    model: str = "STUDY"
    options: bytes = b""
    charset: str = ""
    text: str = ""
    syntax: str = EXPLICIT
    peer: str = OTHERS
    status: int = SUCCESS
    pending: int = PENDING
    offending: str = ""
    comment: str = ""
    returned: Mapping[Any, Any] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[Any, Any]:
        """The identifier."""
        held: dict[Any, Any] = {"QueryRetrieveLevel": self.level}
        if self.level in _UNIQUE:
            held[_UNIQUE[self.level]] = ""
        if self.within:
            held["StudyInstanceUID"] = uid(STUDY_OF.get(self.within, self.within))
        if self.within in STUDY_OF:
            held["SeriesInstanceUID"] = uid(self.within)
        return held | dict(self.keys)


def image(sentence: str, series: str, asked: Mapping[Any, Any], expected: str, **more: Any) -> Case:
    """A case at the IMAGE level within a series."""
    return Case(sentence, "IMAGE", asked, expected, within=series, **more)


def study(sentence: str, asked: Mapping[Any, Any], expected: str, **more: Any) -> Case:
    """A case at the STUDY level of the Study Root model."""
    return Case(sentence, "STUDY", asked, expected, **more)


def name(sentence: str, key: str, expected: str, **more: Any) -> Case:
    """A case of Patient's Name, asked in UTF-8 where nothing else is said."""
    more.setdefault("charset", "" if key.isascii() else UTF_8)
    return study(sentence, {"PatientName": key}, expected, **more)


def accession(sentence: str, key: str, expected: str, **more: Any) -> Case:
    """A case of Accession Number."""
    return study(sentence, {"AccessionNumber": key}, expected, **more)


def at(sentence: str, key: str, expected: str, **more: Any) -> Case:
    """A case of Content Time in the series of times."""
    return image(sentence, "times", {"ContentTime": key}, expected, **more)


def moment(sentence: str, date: str, time: str, expected: str, **more: Any) -> Case:
    """A case of Content Date and Time in the series of times."""
    return image(sentence, "times", {"ContentDate": date, "ContentTime": time}, expected, **more)


def vr(sentence: str, keyword: str, key: Any, expected: str, **more: Any) -> Case:
    """A case of an attribute that no column holds."""
    return image(sentence, "vrs", {keyword: key}, expected, **more)


def refused(sentence: str, level: str, asked: Mapping[Any, Any], offending: str, comment: str,
            **more: Any) -> Case:  # fmt: skip
    """A case that is answered with A900, Offending Element and Error Comment."""
    more.setdefault("status", DOES_NOT_MATCH)
    return Case(sentence, level, asked, "", offending=offending, comment=comment, **more)


_EVERY_STUDY = " ".join(s.name for s in STUDIES)
_ALL_TIMES = "hour minute second fraction evening timeless"
_AXIAL = {"StudyInstanceUID": uid("chest"), "SeriesInstanceUID": uid("axial")}
_MANY_UIDS = "\\".join([f"1.2.3.4.5.6.{n}" for n in range(40_000)])


def _nested(depth: int) -> list[Mapping[str, Any]]:
    """A sequence in a sequence, and so on, and at the bottom a code that nobody has."""
    if not depth:
        return [{"CodeValue": "NOBODY'S"}]
    return [{"EquivalentCodeSequence": _nested(depth - 1)}]


_NESTED_ITEM = {
    "SeriesInstanceUID": "",
    "ReferencedInstanceSequence": [{"ReferencedSOPInstanceUID": "1.2.3.5"}],
}

CASES = (
    # ---- universal matching, PS3.4 C.2.2.2.3
    study("an empty key finds every study", {}, _EVERY_STUDY),
    study("a star alone finds every study", {"PatientName": "*"}, _EVERY_STUDY),
    study("an empty key finds an absent value", {"PatientID": "BARE", "StudyDate": ""}, "bare",
          returned={"StudyDate": ""}),
    study("a star alone finds an absent value", {"PatientID": "BARE", "PatientName": "*"}, "bare"),
    study("a star and more stars find an absent value",
          {"PatientID": "BARE", "PatientName": "***"}, "bare"),
    study("a star alone finds an absent date", {"PatientID": "BARE", "StudyDate": "*"}, "bare"),
    study("a star with a question mark finds no absent value",
          {"PatientID": "BARE", "PatientName": "?*"}, ""),
    study("a value finds no absent value", {"PatientID": "BARE", "PatientName": "A"}, ""),
    study("a key that is blanks is empty", {"AccessionNumber": "  ", "StudyID": "02"}, "chest"),
    # ---- single value, C.2.2.2.1
    accession("a short string is found as it is", "A_1", "chest"),
    accession("a short string is found in its own case alone", "a_1", ""),
    accession("a short string is not found by its beginning", "A", ""),
    accession("blanks around a key do not count", " A_1 ", "chest"),
    accession("blanks around a value do not count", "B7", "padded",
              returned={"AccessionNumber": "B7"}),
    study("text that looks like a number is text", {"StudyID": "2"}, "petct"),
    study("text keeps its leading zero", {"StudyID": "02"}, "chest"),
    study("a long string is found in its own case alone", {"StudyDescription": "ct chest"}, ""),
    study("blanks inside a value count", {"StudyDescription": "two blanks"}, ""),
    study("blanks inside a value are found", {"StudyDescription": "two  blanks"}, "padded"),
    study("a patient ID is found without its leading blanks", {"PatientID": "PAD"}, "padded"),
    Case("series descriptions that differ in case are two", "SERIES",
         {"SeriesDescription": "axial 5.0"}, "dose", within="chest"),
    study("an age is found", {"PatientAge": "045Y"}, "chest"),
    study("wildcards are none in an age", {"PatientAge": "0?5Y"}, ""),
    study("a backslash in long text is itself", {"PatientComments": "left\\right lung"},
          "chest petct"),
    study("a backslash in long text separates nothing", {"PatientComments": "left"}, ""),
    study("long text takes wildcards", {"PatientComments": "left\\*"}, "chest petct"),
    study("a code string is found", {"PatientSex": "M"}, "chest petct"),
    study("a code string is found in its own case alone", {"PatientSex": "m"}, ""),
    # ---- look-alikes: `_ % [ ] '` are themselves
    accession("a percent sign is itself", "A%1", "head"),
    accession("brackets are themselves", "A[1]", "knee"),
    accession("an apostrophe is itself", "O'Neil", "abdomen"),
    accession("an underscore is itself beside a wildcard", "*_*", "chest"),
    accession("a percent sign is itself beside a wildcard", "*%*", "head"),
    accession("an opening bracket is itself beside a wildcard", "A[*", "knee"),
    accession("a closing bracket is itself beside a wildcard", "*]", "knee"),
    accession("an apostrophe is itself beside a wildcard", "*'*", "abdomen"),
    accession("a range in brackets is none", "A[0-9]*", ""),
    *(
        image(f"{what} is itself in {kind}", "looks", {keyword: key}, expected)
        for keyword, kind in (
            ("ContentLabel", "a code string"),
            ("ContentDescription", "a long string"),
            ("DeviceSerialNumber", "a value that no column holds"),
        )
        for what, key, expected in (
            ("an underscore", "A_1", "underscore"),
            ("a percent sign beside a star", "A%*", "percent"),
            ("a bracket beside a question mark", "A[?]", "brackets"),
            ("an apostrophe beside a star", "O'*", "quote"),
        )
    ),
    # ---- wildcards, C.2.2.2.4
    accession("a question mark stands for one character", "A?1",
              "chest petct head"),
    accession("a question mark stands for no less than one", "AB1?", ""),
    accession("a star stands for any characters", "A*1", "chest petct head"),
    accession("a star stands for none too", "A_1*", "chest"),
    accession("stars stand on both sides", "*B*", "petct padded"),
    accession("many stars are taken", "*A*_*1*", "chest"),
    study("a question mark stands for a letter of two bytes", {"StudyDescription": "Sch?del"},
          "german", charset=UTF_8),
    study("a star stands in a description", {"StudyDescription": "MR*"}, "head knee"),
    study("wildcards keep to case in text", {"StudyDescription": "mr*"}, ""),
    image("wildcards stand in a code string", "axial", {"ImageType": "DERI*"}, "axial.mpr"),
    study("wildcards are none in a date", {"StudyDate": "2024*"}, ""),
    at("wildcards are none in a time", "10*", ""),
    image("wildcards are none in a number", "numbers", {"InstanceNumber": "1*"}, ""),
    study("wildcards are none in a UID", {"StudyInstanceUID": "1.2.3.*"}, ""),
    # ---- person names, C.2.2.2.1.1
    name("a name is found as it is", "Smith^John", "chest petct"),
    name("a name is found in any case", "sMITH^jOHN", "chest petct"),
    name("a family name alone is not the whole name", "Smith", ""),
    name("a family name and a star find every given name", "Smith^*", "chest petct head"),
    name("a beginning and a star find longer names", "smith*", "chest petct head knee"),
    name("an end is found behind a star", "*^ann", "knee"),
    name("a middle is found between stars", "*miths*", "knee"),
    name("a question mark stands in a name", "Sm?th^J*", "chest petct head"),
    name("trailing carets of the key do not count", "Smith^John^^^", "chest petct"),
    name("trailing carets of the value do not count", "Single", "caret"),
    name("trailing carets of both do not count", "Single^^", "caret"),
    name("a star behind the caret finds a name without a given name", "Single^*", "caret"),
    name("a given name alone needs its star", "^John", ""),
    name("a given name alone is found behind a star", "*^John", "chest petct"),
    name("blanks around components do not count", "Doe^Jane", "padded"),
    name("blanks around components of the key do not count", " doe ^ jane", "padded"),
    name("an apostrophe in a name is itself", "o'neil^pat", "abdomen"),
    name("an apostrophe in a name cannot be left out", "ONeil^Pat", ""),
    name("an umlaut is found with it", "Müller^Jürgen", "german"),
    name("an umlaut is found without it", "MULLER^JURGEN", "german"),
    name("an umlaut is found without it beside a star", "muller*", "german"),
    name("an umlaut in the key finds a name without", "Smíth^Jöhn", "chest petct"),
    name("strokes and tails do not count", "Walesa^Lucja", "polish"),
    name("strokes do not count with a star", "bjorn*", "wrong"),
    name("cyrillic names are found in any case", "ИВАНОВ^ПЁТР", "russian"),
    name("the alphabetic group is enough", "Yamada^Tarou", "japanese"),
    name("the ideographic group is enough", "山田^太郎", "japanese"),
    name("the phonetic group is enough", "やまだ^たろう", "japanese"),
    name("the ideographic group is found among groups", "*=山田*", "japanese"),
    name("all three groups are found", "Yamada^Tarou=山田^太郎=やまだ^たろう", "japanese",
         returned={"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}),
    name("the phonetic group is found behind empty ones", "==やまだ*", "japanese"),
    name("a group that differs is not found", "Yamada^Tarou=田中*", ""),
    name("a group in another's place is not found", "=Yamada*", ""),
    name("a group that the value lacks is not found", "Smith^John=山田", ""),
    name("a voicing mark makes another word", "やまた^たろう", ""),
    name("a wildcard stands in the first group", "Yam*", "japanese"),
    name("korean is found in its phonetic group", "홍^길동", "korean"),
    name("korean is found in its ideographic group", "洪*", "korean"),
    name("chinese is found", "*=张^小东", "chinese"),
    name("names in a list are found each", "Smithson^Ann\\O'Neil^Pat", "knee abdomen"),
    study("a referring physician is found in any case",
          {"ReferringPhysicianName": "brown^ann^^DR."}, "chest"),
    study("any of several names is found", {"OtherPatientNames": "jane^ann"}, "knee"),
    study("delimiters among the bytes of a name are none", {"OtherPatientNames": "宮構*"},
          "japanese", charset=JAPANESE, returned={"OtherPatientNames": "宮構^太郎"}),
    name("a key of delimiters alone is empty", "^^=", _EVERY_STUDY),
    # ---- fuzzy names, where negotiated
    name("a name that sounds alike is not found", "Smyth", ""),
    name("a name that sounds alike is found where that was negotiated", "Smyth",
         "chest petct head", options=FUZZY),
    name("components come in any order in a fuzzy match", "Ann^Smithson", "knee",
         options=FUZZY),
    name("components in another order are not found", "Ann^Smithson", ""),
    name("beginnings are enough in a fuzzy match", "Smi^Jo", "chest petct", options=FUZZY),
    name("fuzzy matching is not everything", "Garcia", "", options=FUZZY),
    name("fuzzy matching does not lose what the wildcard finds", "*son^Ann", "knee",
         options=FUZZY),
    name("a question mark alone is not every name in a fuzzy match", "?", "", options=FUZZY),
    study("a name that no column holds is matched fuzzily too",
          {"PhysiciansOfRecord": "Maier^Anna"}, "chest", options=FUZZY),
    # ---- lists of UIDs, C.2.2.2.2
    study("a UID is found", {"StudyInstanceUID": uid("knee")}, "knee"),
    study("a list of UIDs is found", {"StudyInstanceUID": f"{uid('knee')}\\{uid('head')}"},
          "knee head"),
    study("a UID that nobody has is not found", {"StudyInstanceUID": "1.2.3.4.5"}, ""),
    study("a UID is not found by its beginning", {"StudyInstanceUID": "1.2.3"}, ""),
    image("a list of UIDs is found at the lowest level", "axial",
          {"SOPInstanceUID": f"{uid('axial.1')}\\{uid('axial.mpr')}\\1.2"}, "axial.1 axial.mpr"),
    study("one among 40,000 UIDs is found",
          {"StudyInstanceUID": f"{_MANY_UIDS}\\{uid('knee')}"}, "knee", syntax=IMPLICIT),
    study("one among 40,000 UIDs is found, sent as UN since it is too long for UI",
          {"StudyInstanceUID": f"{_MANY_UIDS}\\{uid('knee')}"}, "knee"),
    study("none of 40,000 UIDs is found", {"StudyInstanceUID": _MANY_UIDS}, "", syntax=IMPLICIT),
    # ---- dates, C.2.2.2.5.1
    study("a date is found", {"StudyDate": "20240131"}, "chest"),
    study("a date range takes both ends", {"StudyDate": "20240115-20240201"}, "chest petct head"),
    study("a date range open at its end", {"StudyDate": "20240131-"}, "chest petct abdomen"),
    study("a date range open at its start",
          {"StudyDate": "-20240131", "PatientName": "Smith*"}, "chest head knee"),
    study("blanks around the dash do not count", {"StudyDate": "20240115 - 20240131"},
          "chest head"),
    study("a date range upside down finds nothing", {"StudyDate": "20240201-20240115"}, ""),
    study("a range finds no absent date", {"PatientID": "BARE", "StudyDate": "19000101-"}, ""),
    study("a range open at its start finds no absent date",
          {"PatientID": "BARE", "StudyDate": "-20991231"}, ""),
    study("a date with dots is a date", {"StudyDate": "19930822"}, "dotted"),
    study("a date with dots lies in a range", {"StudyDate": "19930101-19931231"}, "dotted"),
    study("a key with dots is a date", {"StudyDate": "1993.08.22"}, "dotted"),
    study("a list of dates is found each", {"StudyDate": "20240131\\20240201"}, "chest petct"),
    study("a year stands for its days", {"StudyDate": "2024"}, "chest petct head abdomen"),
    study("letters are no date", {"StudyDate": "today"}, ""),
    study("a range from a date to letters finds nothing", {"StudyDate": "20240131-never"}, ""),
    study("a dash alone finds nothing", {"StudyDate": "-"}, ""),
    # ---- times, C.2.2.2.5.2; less precision stands for the span (an extension)
    at("a time is found as it is", "103015.5", "fraction"),
    at("zeros behind a fraction do not count", "103015.500000", "fraction"),
    at("a second stands for its fractions", "103015", "second fraction"),
    at("a minute stands for its seconds", "1030", "minute second fraction"),
    at("an hour stands for its minutes", "10", "hour minute second fraction"),
    at("a minute that is no one's finds nothing", "1031", ""),
    at("a time range takes both ends", "1030-2200", "minute second fraction evening"),
    at("the end of a time range stands for its span", "1000-1030",
       "hour minute second fraction"),
    at("a time range open at its end", "103015-", "second fraction evening"),
    at("a time range open at its start", "-1029", "hour"),
    at("a time range across midnight finds nothing", "2300-0100", ""),
    at("a time range finds no absent time", "0000-2359", "hour minute second fraction evening"),
    at("an empty time finds all", "", _ALL_TIMES),
    at("colons in the key do not count", "10:30:15", "second fraction"),
    study("colons in the value do not count", {"StudyTime": "103015", "PatientID": "P5"},
          "dotted"),
    at("letters are no time", "1o30", ""),
    # ---- dates and times together, C.2.2.2.5 and C.5.1.1
    moment("date and time match on their own", "20210901-20210903", "1020-1100",
           "minute second"),
    moment("date and time match as one moment where negotiated", "20210901-20210903",
           "1020-1100", "minute second evening", options=DATE_TIME),
    moment("an open end is one moment where negotiated", "20210901-", "1030-",
           "minute second fraction evening", options=DATE_TIME),
    moment("an open start is one moment where negotiated", "-20210902", "-1030",
           "hour minute evening", options=DATE_TIME),
    moment("an open start on their own", "-20210902", "-1030", "hour minute"),
    moment("one date and one time", "20210902", "1030", "minute", options=DATE_TIME),
    moment("a date alone is as ever", "20210901", "", "hour evening", options=DATE_TIME),
    moment("ranges of different forms match on their own", "20210901-20210903", "-1029", "hour",
           options=DATE_TIME),
    moment("a range upside down finds nothing as one moment", "20210903-20210901", "1020-1100",
           "", options=DATE_TIME),
    moment("letters find nothing as one moment", "today-tomorrow", "1020-1100", "",
           options=DATE_TIME),
    study("a moment range finds no absent date",
          {"PatientID": "BARE", "StudyDate": "-20991231", "StudyTime": "-2359"}, "",
          options=DATE_TIME),
    # ---- numbers match by value (an extension)
    Case("a series number is found without its zero", "SERIES", {"SeriesNumber": "2"}, "axial",
         within="chest", returned={"SeriesNumber": "02"}),
    Case("a series number is found with another zero", "SERIES", {"SeriesNumber": "002"},
         "axial", within="chest"),
    image("an instance number is found by value", "numbers", {"InstanceNumber": "7"}, "seven"),
    image("a negative number is found", "numbers", {"InstanceNumber": "-01"}, "minus"),
    image("a plus sign does not count", "numbers", {"AcquisitionNumber": "3"}, "seven ten"),
    image("zero has no sign", "numbers", {"AcquisitionNumber": "-0"}, "minus"),
    image("an underscore is no part of a number", "numbers", {"InstanceNumber": "1_0"}, ""),
    image("a range is none among numbers", "numbers", {"InstanceNumber": "7-10"}, ""),
    image("letters are no number", "numbers", {"InstanceNumber": "ten"}, ""),
    image("a list of numbers is found each", "numbers", {"InstanceNumber": "7\\10"},
          "seven ten"),
    image("a binary number is found", "numbers", {"Rows": 512}, "seven", returned={"Rows": "512"}),
    image("binary numbers in a list are found each", "numbers", {"Rows": [512, 256]},
          "seven ten"),
    image("a number finds no absent one", "numbers", {"Rows": 0}, ""),
    study("a weight is found by value", {"PatientWeight": "72.5"}, "chest"),
    study("a weight is found by its exponent", {"PatientWeight": "0.725E2"}, "chest"),
    study("a number beyond reason is no one's", {"PatientWeight": "1E1000000"}, ""),
    study("infinity is no one's number", {"PatientWeight": "Infinity"}, ""),
    image("a number of frames is found by value", "abdomen.us", {"NumberOfFrames": "4"},
          "abdomen.loop"),
    # ---- several values in an attribute: any one matches
    image("any of several values is found", "axial", {"ImageType": "AXIAL"},
          "axial.1 axial.2 axial.mpr"),
    image("the last of several values is found", "axial", {"ImageType": "MPR"}, "axial.mpr"),
    image("values are not found across the backslash", "axial", {"ImageType": "ORIG*AXIAL"}, ""),
    study("any of several patient IDs is found", {"OtherPatientIDs": "ALT2"}, "chest petct",
          returned={"OtherPatientIDs": "ALT1\\ALT2"}),
    image("of a list of values any is found", "axial", {"ImageType": "MPR\\PRIMARY"},
          "axial.1 axial.2 axial.mpr"),
    image("of a list every value must be there where negotiated", "axial",
          {"ImageType": "AXIAL\\PRIMARY"}, "axial.1 axial.2", options=MULTIPLE_VALUES),
    image("the order of a list does not count where negotiated", "axial",
          {"ImageType": "MPR\\DERIVED"}, "axial.mpr", options=MULTIPLE_VALUES),
    study("every modality of a list must be there where negotiated",
          {"ModalitiesInStudy": "CT\\PT"}, "petct", options=MULTIPLE_VALUES,
          returned={"ModalitiesInStudy": "CT\\PT"}),
    study("every patient ID of a list must be there where negotiated",
          {"OtherPatientIDs": "ALT2\\ALT9"}, "", options=MULTIPLE_VALUES),
    image("every value of a list must be there in what no column holds", "vrs",
          {"SoftwareVersions": "V2\\V3"}, "", options=MULTIPLE_VALUES),
    study("a list of UIDs is still any of them where negotiated",
          {"StudyInstanceUID": f"{uid('knee')}\\{uid('head')}"}, "knee head",
          options=MULTIPLE_VALUES),
    # ---- several values where PS3.6 allows one
    study("the first of two dates is found", {"StudyDate": "20210601"}, "several"),
    study("the second of two dates lies in a range", {"StudyDate": "20210630-20210731"},
          "several"),
    study("the second of two names is found", {"PatientName": "plural^second"}, "several",
          returned={"PatientName": "Plural^First\\Plural^Second"}),
    study("the second of two identifiers is found", {"StudyID": "X2"}, "several"),
    study("the second of two texts is found by a wildcard", {"StudyDescription": "Ri*"},
          "several"),
    study("the second of two times is found", {"StudyTime": "15"}, "several"),
    study("two texts are not one", {"StudyDescription": "Left?Right"}, ""),
    Case("the second of two numbers is found by value", "SERIES", {"SeriesNumber": "6"},
         "several.series", within="several"),
    Case("the second of two UIDs is found", "SERIES", {"FrameOfReferenceUID": "1.2.3.2"},
         "several.series", within="several"),
    # ---- empty value matching, C.2.2.2.7
    study("two quotation marks are themselves", {"StudyDate": '""'}, ""),
    study("two quotation marks find an absent date where negotiated",
          {"StudyDate": '""', "StudyTime": "10"}, "bare", options=EMPTY_VALUE),
    study("two quotation marks find an absent name where negotiated", {"PatientName": '""'},
          "bare", options=EMPTY_VALUE),
    study("two quotation marks find an absent and an empty ID where negotiated",
          {"PatientID": '""'}, "nobody.1 nobody.2", options=EMPTY_VALUE),
    study("two quotation marks find an absent date together with combined matching",
          {"StudyDate": '""', "StudyTime": "10"}, "bare", options=b"\0\1\0\0\0\1"),
    study("two quotation marks find a study without modalities", {"ModalitiesInStudy": '""'},
          "bare", options=EMPTY_VALUE),
    image("two quotation marks find an absent time where negotiated", "times",
          {"ContentTime": '""'}, "timeless", options=EMPTY_VALUE),
    Case("two quotation marks find an absent modality where negotiated", "SERIES",
         {"Modality": '""'}, "bare.series", within="bare", options=EMPTY_VALUE),
    Case("two quotation marks find an absent value that no column holds", "SERIES",
         {"KVP": '""'}, "dose", within="chest", options=EMPTY_VALUE),
    # ---- sequences, C.2.2.2.6
    Case("a key inside an item is matched, and the item returned", "SERIES",
         {"RequestAttributesSequence": [{"RequestedProcedureID": "RP1"}]}, "axial",
         within="chest",
         returned={"RequestAttributesSequence": [{"RequestedProcedureID": "RP1"}]}),
    Case("two keys are found in one item", "SERIES",
         {"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"}]},
         "axial", within="chest",
         returned={"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"}]}),
    Case("two keys are not found in two items", "SERIES",
         {"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "S2"}]},
         "", within="chest"),
    Case("a wildcard in an item finds both items", "SERIES",
         {"RequestAttributesSequence": [{"ScheduledProcedureStepID": "S?"}]}, "axial",
         within="chest",
         returned={"RequestAttributesSequence": [
             {"ScheduledProcedureStepID": "S1"}, {"ScheduledProcedureStepID": "S2"}]}),
    Case("a sequence without an item asks for the whole", "SERIES",
         {"RequestAttributesSequence": [], "SeriesNumber": "2"}, "axial", within="chest",
         returned={"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "S1"},
             {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"}]}),
    Case("an item without keys asks for the whole", "SERIES",
         {"RequestAttributesSequence": [{}], "SeriesNumber": "2"}, "axial", within="chest",
         returned={"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "S1"},
             {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"}]}),
    Case("an empty sequence finds series that have none", "SERIES",
         {"RequestAttributesSequence": []}, "scout axial dose", within="chest"),
    Case("an empty key in an item finds series that have none", "SERIES",
         {"RequestAttributesSequence": [{"RequestedProcedureID": ""}]}, "scout axial dose",
         within="chest"),
    Case("a value beside an empty key in an item", "SERIES",
         {"RequestAttributesSequence": [
             {"RequestedProcedureID": "", "ScheduledProcedureStepID": "S2"}]},
         "axial", within="chest",
         returned={"RequestAttributesSequence": [
             {"RequestedProcedureID": "RP2", "ScheduledProcedureStepID": "S2"}]}),
    study("a code of a procedure is found at the study",
          {"ProcedureCodeSequence": [{"CodeValue": "P5-*", "CodeMeaning": ""}]}, "chest",
          returned={"ProcedureCodeSequence": [
              {"CodeValue": "P5-0808E", "CodeMeaning": "CT of chest"}]}),
    study("a code of another scheme is not found",
          {"ProcedureCodeSequence": [
              {"CodeValue": "P5-0808E", "CodingSchemeDesignator": "DCM"}]}, ""),
    image("a sequence in a sequence is matched, and returned", "items",
          {"ReferencedSeriesSequence": [_NESTED_ITEM]}, "explicit",
          returned={"ReferencedSeriesSequence": [
              {"SeriesInstanceUID": "1.2.3.4.1",
               "ReferencedInstanceSequence": [{"ReferencedSOPInstanceUID": "1.2.3.5"}]}]}),
    image("a list of UIDs in a nested item", "items",
          {"ReferencedSeriesSequence": [{"ReferencedInstanceSequence": [
              {"ReferencedSOPInstanceUID": "1.2.3.6\\1.2.3.7"}]}]}, "implicit big"),
    image("a range in an item", "items",
          {"RadiopharmaceuticalInformationSequence": [
              {"RadiopharmaceuticalStartTime": "10-11", "RadionuclideTotalDose": "370000000"}]},
          "explicit implicit big deflated"),
    image("a range in an item that misses", "items",
          {"RadiopharmaceuticalInformationSequence": [
              {"RadiopharmaceuticalStartTime": "11-12"}]}, ""),
    image("a binary number in an item of a big endian data set", "items",
          {"FrameContentSequence": [{"InStackPositionNumber": 7}]}, "big",
          returned={"FrameContentSequence": [{"InStackPositionNumber": "7"}]}),
    image("a character set in an item is no key", "items",
          {"FrameContentSequence": [
              {"SpecificCharacterSet": LATIN_1, "InStackPositionNumber": 7}]},
          "big", returned={"FrameContentSequence": [{"InStackPositionNumber": "7"}]}),
    # ---- any attribute, of every VR
    vr("an AE title is found", "PerformedStationAETitle", "CT 1", "this"),
    vr("wildcards stand in an AE title", "PerformedStationAETitle", "CT ?", "this that"),
    vr("an age that no column holds", "SelectorASValue", "003M", "this"),
    vr("an attribute tag is found", "FrameIncrementPointer", 0x00181063, "this",
       returned={"FrameIncrementPointer": "(0018,1063)"}),
    vr("a code string that no column holds", "PatientPosition", "H*", "this"),
    vr("a date that no column holds", "DateOfSecondaryCapture", "20230101-20230131", "this"),
    vr("a decimal string is found by value", "PixelSpacing", "0.5", "this"),
    vr("a date and time is found by its day", "AcquisitionDateTime", "20230106", "that"),
    vr("a range of dates and times", "AcquisitionDateTime", "202301050000-202301052359", "this"),
    vr("a date and time is found with its offset", "AcquisitionDateTime",
       "20230105101500+0100", "this"),
    vr("a date and time is found with another offset", "AcquisitionDateTime",
       "20230105091500+0000", "this"),
    vr("a range of dates and times heeds the offset", "AcquisitionDateTime",
       "20230105091000+0000-20230105092000+0000", "this"),
    vr("a range of years is no offset", "AcquisitionDateTime", "2022-2023", "this that"),
    vr("a double is found", "TableSpeed", 1.5, "this", returned={"TableSpeed": "1.5"}),
    vr("a float is found", "ExaminedBodyThickness", 0.1, "this"),
    vr("an integer string is found by value", "ExposureTime", "100", "this"),
    vr("any of several long strings", "SoftwareVersions", "V2", "this"),
    vr("long text of two lines", "ImageComments", "first line\r\nsecond \\ line\r\n", "this"),
    vr("a wildcard goes over the end of a line", "ImageComments", "first*line*", "this"),
    vr("a name that no column holds", "PhysiciansOfRecord", "rossi^ada", "this"),
    vr("a star in a value is found by a wildcard", "SequenceName", "?tse*", "this"),
    vr("a short string that no column holds", "SequenceName", "gre_b", "that"),
    vr("a signed long is found", "ReferencePixelX0", -5, "this"),
    vr("a signed short is found", "TagAngleSecondAxis", -3, "this"),
    vr("short text is found", "DerivationDescription", "it's 100% done", "this"),
    vr("a percent sign in short text is itself", "DerivationDescription", "it's 10% done", ""),
    vr("a signed 64 bit number is found", "SelectorSVValue", -9000000000, "this"),
    vr("a time that no column holds", "TimeOfSecondaryCapture", "09", "this"),
    vr("unlimited characters are found", "StrainDescription", "C57BL/6", "that"),
    vr("leading blanks of unlimited characters are found", "StrainDescription",
       "  two blanks", "this", returned={"StrainDescription": "  two blanks"}),
    vr("a list of UIDs that no column holds", "SynchronizationFrameOfReferenceUID",
       "1.2.3.2\\1.2.3.4", "that"),
    vr("any of several unsigned longs", "SimpleFrameList", 2, "this",
       returned={"SimpleFrameList": "1\\2\\3"}),
    vr("a URI is found", "RetrieveURL", "http://x", "that"),
    vr("wildcards stand in a URI", "RetrieveURL", "http://a/*", "this"),
    vr("an unsigned short is found", "SamplesPerPixel", 3, "this"),
    vr("unlimited text is found", "TextValue", "long*", "this"),
    vr("an unsigned 64 bit number is found", "SelectorUVValue", 18446744073709551615, "this"),
    vr("bulk data is not matched, and FF01 says so", "RedPaletteColorLookupTableData", b"\1\0",
       "this that", pending=PENDING_KEYS_UNSUPPORTED,
       unanswered=("RedPaletteColorLookupTableData",)),
    vr("an attribute that nobody has finds nothing", "DeviceID", "X", ""),
    Case("a key outside its sequence is another attribute", "SERIES",
         {"RequestedProcedureID": "RP1"}, "", within="chest"),
    Case("an attribute outside its sequence is answered empty", "SERIES",
         {"RequestedProcedureID": "", "ScheduledProcedureStepID": "", "SeriesNumber": "2"},
         "axial", within="chest",
         returned={"RequestedProcedureID": "", "ScheduledProcedureStepID": ""}),
    # ---- any attribute, at each level
    Case("an attribute that no column holds at a series", "SERIES", {"KVP": "120.0"}, "axial",
         within="chest", returned={"KVP": "120"}),
    study("an attribute that no column holds at a study", {"PhysiciansOfRecord": "meyer*"},
          "chest", returned={"PhysiciansOfRecord": "Meyer^Anna"}),
    Case("an attribute that no column holds at a patient", "PATIENT",
         {"PatientBirthName": "jones^john"}, "P1", model="PATIENT",
         returned={"PatientBirthName": "Jones^John"}),
    Case("an attribute that no column holds beside one that does", "SERIES",
         {"KVP": "100", "Modality": "CT"}, "scout", within="chest"),
    image("a private attribute is found in any block", "private",
          {_CREATOR: "MINI TEST", _ALPHA: "MINI TEST alpha"}, "block-10 block-11",
          returned={_CREATOR: "MINI TEST", _ALPHA: "MINI TEST alpha"}),
    image("a private attribute is asked for in a block of its own", "private",
          {(0x00190020, "LO"): "MINI TEST", (0x00192001, "LO"): "*alpha"},
          "block-10 block-11", returned={(0x00192001, "LO"): "MINI TEST alpha"}),
    image("a private attribute of another creator is not found", "private",
          {_CREATOR: "ANOTHER", _ALPHA: "MINI TEST alpha"}, ""),
    image("a private attribute of nobody's is not found", "private",
          {_CREATOR: "NOBODY", _ALPHA: "*a*"}, ""),
    image("a private attribute without a creator is found by its tag", "private",
          {_ALPHA: "MINI TEST alpha"}, "block-10"),
    image("a private number is found", "private", {_CREATOR: "ANOTHER", _NUMBER: 7}, "another"),
    image("a private number of a known creator is found in explicit VR", "private",
          {_CREATOR: "SIEMENS MR HEADER", _NUMBER: 7}, "block-11"),
    image("a private number of a known creator is found in implicit VR", "private",
          {_CREATOR: "SIEMENS MR HEADER", _NUMBER: 7}, "block-11", syntax=IMPLICIT,
          returned={_NUMBER: "7"}),
    image("a private text is found in implicit VR", "private",
          {_CREATOR: "MINI TEST", _ALPHA: "MINI TEST a*"}, "block-10 block-11",
          syntax=IMPLICIT),
    image("a private attribute that a data set lacks is answered empty", "private",
          {_CREATOR: "MINI TEST", _ALPHA: "", "SOPInstanceUID": uid("another")}, "another",
          returned={_ALPHA: ""}),
    # ---- computed, C.3.4
    study("counts of a study are exact",
          {"AccessionNumber": "A_1", "NumberOfStudyRelatedSeries": "",
           "NumberOfStudyRelatedInstances": "", "NumberOfPatientRelatedStudies": "",
           "NumberOfPatientRelatedSeries": "", "NumberOfPatientRelatedInstances": ""}, "chest",
          returned={"NumberOfStudyRelatedSeries": "3", "NumberOfStudyRelatedInstances": "5",
                    "NumberOfPatientRelatedStudies": "2", "NumberOfPatientRelatedSeries": "5",
                    "NumberOfPatientRelatedInstances": "8"}),
    Case("counts of a patient are exact", "PATIENT",
         {"PatientID": "P1", "NumberOfPatientRelatedStudies": "",
          "NumberOfPatientRelatedSeries": "", "NumberOfPatientRelatedInstances": ""}, "P1",
         model="PATIENT",
         returned={"NumberOfPatientRelatedStudies": "2", "NumberOfPatientRelatedSeries": "5",
                   "NumberOfPatientRelatedInstances": "8"}),
    Case("counts of a series are exact", "SERIES",
         {"SeriesNumber": "2", "NumberOfSeriesRelatedInstances": "",
          "NumberOfStudyRelatedInstances": ""}, "axial", within="chest",
         returned={"NumberOfSeriesRelatedInstances": "3",
                   "NumberOfStudyRelatedInstances": "5"}),
    study("the modalities of a study are answered all, when one is asked for",
          {"ModalitiesInStudy": "SR"}, "chest", returned={"ModalitiesInStudy": "CT\\SR"}),
    study("a modality is found in any series", {"ModalitiesInStudy": "CT"}, "chest petct"),
    study("a modality takes wildcards", {"ModalitiesInStudy": "M?"}, "head knee"),
    study("a modality that nobody has", {"ModalitiesInStudy": "XX"}, ""),
    study("of a list of modalities any is found", {"ModalitiesInStudy": "PT\\US"},
          "petct abdomen"),
    study("a study without modality answers none",
          {"PatientID": "BARE", "ModalitiesInStudy": ""}, "bare",
          returned={"ModalitiesInStudy": ""}),
    study("the SOP classes of a study are answered all",
          {"SOPClassesInStudy": XRayRadiationDoseSRStorage}, "chest",
          returned={"SOPClassesInStudy": "\\".join(
              sorted([CTImageStorage, XRayRadiationDoseSRStorage]))}),
    study("of a list of SOP classes any is found",
          {"SOPClassesInStudy":
           f"{PositronEmissionTomographyImageStorage}\\{XRayRadiationDoseSRStorage}"},
          "chest petct"),
    Case("a modality of the study is found from the patient", "PATIENT",
         {"ModalitiesInStudy": "PT"}, "P1", model="PATIENT", options=RELATIONAL,
         unanswered=("ModalitiesInStudy",)),
    study("a study of each patient counts its own instances",
          {"StudyInstanceUID": uid("shared"), "NumberOfStudyRelatedInstances": ""},
          "shared shared", returned={"NumberOfStudyRelatedInstances": "1"}),
    # ---- what is always there, and what is not
    study("an answer says its level and where to retrieve from", {"StudyID": "02"}, "chest",
          returned={"QueryRetrieveLevel": "STUDY", "RetrieveAETitle": "MINIPACS"}),
    study("availability is answered where it is asked for",
          {"StudyID": "02", "InstanceAvailability": ""}, "chest",
          returned={"InstanceAvailability": "ONLINE"}),
    study("an attribute asked for that the study lacks is answered empty",
          {"StudyID": "02", "AdmittingDiagnosesDescription": "", "EthnicGroup": ""}, "chest",
          returned={"AdmittingDiagnosesDescription": "", "EthnicGroup": ""}),
    image("an answer holds the upper unique keys", "axial", {"InstanceNumber": ""},
          "axial.1 axial.2 axial.mpr",
          returned={"StudyInstanceUID": uid("chest"), "SeriesInstanceUID": uid("axial")}),
    Case("an upper attribute is answered, and not matched", "SERIES",
         {"PatientName": "Somebody^Else", "Modality": "SR"}, "dose", within="chest",
         pending=PENDING_KEYS_UNSUPPORTED, returned={"PatientName": "Smith^John"}),
    study("a lower attribute is neither answered nor matched",
          {"StudyID": "02", "Modality": "MR"}, "chest", pending=PENDING_KEYS_UNSUPPORTED,
          unanswered=("Modality",)),
    study("a count as a key is not matched", {"StudyID": "02", "NumberOfStudyRelatedSeries": "9"},
          "chest", pending=PENDING_KEYS_UNSUPPORTED,
          returned={"NumberOfStudyRelatedSeries": "3"}),
    # ---- hierarchical, C.4.1.2.1
    refused("a series needs its study", "SERIES", {}, "StudyInstanceUID", "StudyInstanceUID"),
    refused("an empty study is none", "SERIES", {"StudyInstanceUID": ""}, "StudyInstanceUID",
            "StudyInstanceUID"),
    refused("a star is no study", "SERIES", {"StudyInstanceUID": "*"}, "StudyInstanceUID",
            "StudyInstanceUID"),
    refused("two studies are not one", "SERIES", {"StudyInstanceUID": "1.2\\1.3"},
            "StudyInstanceUID", "More than one StudyInstanceUID"),
    refused("an image needs its series", "IMAGE", {"StudyInstanceUID": uid("chest")},
            "SeriesInstanceUID", "SeriesInstanceUID"),
    refused("an image needs its study", "IMAGE", {"SeriesInstanceUID": uid("axial")},
            "StudyInstanceUID", "StudyInstanceUID"),
    refused("a study needs its patient", "STUDY", {}, "PatientID", "PatientID",
            model="PATIENT"),
    refused("a study needs its patient in patient and study alone", "STUDY", {}, "PatientID",
            "PatientID", model="PATIENT_STUDY_ONLY"),
    refused("a series needs its patient", "SERIES", {"StudyInstanceUID": uid("chest")},
            "PatientID", "PatientID", model="PATIENT"),
    refused("an image needs its patient", "IMAGE", _AXIAL, "PatientID", "PatientID",
            model="PATIENT"),
    refused("a wildcard is no patient", "STUDY", {"PatientID": "P?"}, "PatientID",
            "Wildcard in PatientID", model="PATIENT"),
    refused("the level patient is not of the study root", "PATIENT", {}, "QueryRetrieveLevel",
            "PATIENT"),
    refused("the level series is not of patient and study alone", "SERIES",
            {"PatientID": "P1", "StudyInstanceUID": uid("chest")}, "QueryRetrieveLevel",
            "SERIES", model="PATIENT_STUDY_ONLY"),
    refused("a level that nobody knows", "FRAME", {}, "QueryRetrieveLevel", "FRAME"),
    refused("a level in small letters", "study", {}, "QueryRetrieveLevel", "study"),
    refused("an empty level", "", {}, "QueryRetrieveLevel", "Level"),
    Case("a study of its patient", "STUDY", {"PatientID": "P1"}, "chest petct",
         model="PATIENT"),
    Case("a study of its patient in patient and study alone", "STUDY",
         {"PatientID": "P1", "StudyDate": "20240201"}, "petct", model="PATIENT_STUDY_ONLY"),
    Case("a study of another patient is not found", "SERIES",
         {"PatientID": "P1", "StudyInstanceUID": uid("knee")}, "", model="PATIENT"),
    Case("an image in the patient root", "IMAGE", {"PatientID": "P1", **_AXIAL},
         "axial.1 axial.2 axial.mpr", model="PATIENT"),
    Case("a series of another study is not found", "IMAGE",
         {"StudyInstanceUID": uid("knee"), "SeriesInstanceUID": uid("axial")}, ""),
    # ---- patients
    Case("a patient is found by name", "PATIENT", {"PatientName": "smith*"}, "P1 P2 P3",
         model="PATIENT"),
    Case("a patient ID of two issuers is two patients", "PATIENT",
         {"PatientID": "100", "NumberOfPatientRelatedStudies": ""}, "100 100", model="PATIENT",
         returned={"NumberOfPatientRelatedStudies": "1"}),
    Case("a patient ID is found of one issuer", "PATIENT",
         {"PatientID": "100", "IssuerOfPatientID": "HOSPITAL B", "PatientName": ""}, "100",
         model="PATIENT", returned={"PatientName": "Hundred^B"}),
    Case("studies of both issuers are found by their ID", "STUDY", {"PatientID": "100"},
         "issuer.A issuer.B", model="PATIENT"),
    study("studies of one issuer are found",
          {"PatientID": "100", "IssuerOfPatientID": "HOSPITAL A"}, "issuer.A"),
    Case("patients without an ID are not one", "PATIENT",
         {"PatientName": "Nobody", "NumberOfPatientRelatedStudies": ""}, "? ?",
         model="PATIENT", returned={"NumberOfPatientRelatedStudies": "1"}),
    study("studies of patients without an ID are found", {"PatientName": "nobody"},
          "nobody.1 nobody.2"),
    # ---- what contradicts itself stays findable from each side
    Case("a study of two patients is found from the first", "STUDY", {"PatientID": "T1"},
         "shared", model="PATIENT"),
    Case("a study of two patients is found from the second", "STUDY", {"PatientID": "T2"},
         "shared", model="PATIENT"),
    Case("a study of two patients has the series of both", "SERIES", {},
         "shared.T1.series shared.T2.series", within="shared"),
    Case("a series in two studies is found in the first", "SERIES",
         {"StudyInstanceUID": uid("twin.1"), "SeriesDescription": ""}, "twin",
         returned={"SeriesDescription": "Twin 1"}),
    Case("a series in two studies is found in the second", "IMAGE",
         {"StudyInstanceUID": uid("twin.2"), "SeriesInstanceUID": uid("twin")}, "twin.2.image"),
    Case("an instance in two studies is found in each", "IMAGE", {"SOPInstanceUID": uid("copy")},
         "copy copy", options=RELATIONAL),
    Case("an instance in two studies is the one that was asked for", "IMAGE",
         {"InstanceNumber": ""}, "copy", within="copy.2.series",
         returned={"InstanceNumber": "2"}),
    study("a UID at two levels is found as a study", {"StudyInstanceUID": uid("levels")},
          "levels"),
    Case("a UID at two levels is found as a series", "SERIES",
         {"StudyInstanceUID": uid("levels"), "SeriesInstanceUID": uid("levels")}, "levels"),
    study("where the parts of a study disagree the last answers, but for an empty value",
          {"AccessionNumber": "AB1", "StudyDescription": "", "StudyID": ""}, "petct",
          returned={"StudyDescription": "PET CT, late", "StudyID": "2"}),
    study("where the parts of a study disagree the last is found",
          {"StudyDescription": "PET CT, late"}, "petct"),
    study("where the parts of a study disagree the first is not found",
          {"StudyDescription": "PET CT"}, ""),
    # ---- relational, C.4.1.2.2
    Case("a series without its study", "SERIES", {"Modality": "PT"}, "petct.pt",
         options=RELATIONAL, returned={"StudyInstanceUID": uid("petct")}),
    Case("an image without study and series", "IMAGE", {"ImageType": "MPR"}, "axial.mpr",
         options=RELATIONAL,
         returned={"StudyInstanceUID": uid("chest"), "SeriesInstanceUID": uid("axial")}),
    Case("a study without its patient", "STUDY", {"StudyDate": "20240115-20240131"},
         "chest head", model="PATIENT", options=RELATIONAL),
    Case("an upper key narrows", "IMAGE", {"PatientName": "o'neil*"},
         "abdomen.still abdomen.loop", options=RELATIONAL,
         returned={"PatientName": "O'Neil^Pat"}),
    study("a lower key narrows", {"Modality": "PT"}, "petct", options=RELATIONAL,
          unanswered=("Modality",)),
    study("two lower keys narrow by one path",
          {"Modality": "CT", "SeriesDescription": "Axial*"}, "chest", options=RELATIONAL,
          unanswered=("Modality", "SeriesDescription")),
    study("two lower keys on two paths find nothing",
          {"Modality": "SR", "SeriesDescription": "Axial*"}, "", options=RELATIONAL),
    study("lower keys of two levels narrow by one path",
          {"Modality": "CT", "ImageType": "MPR"}, "chest", options=RELATIONAL,
          unanswered=("Modality", "ImageType")),
    study("an instance finds its study", {"SOPInstanceUID": uid("axial.2")}, "chest",
          options=RELATIONAL, unanswered=("SOPInstanceUID",)),
    Case("a study's date finds its patient", "PATIENT", {"StudyDate": "20240131"}, "P1",
         model="PATIENT", options=RELATIONAL, unanswered=("StudyDate",)),
    Case("keys of study and series find a patient by one path", "PATIENT",
         {"StudyDate": "20240131", "Modality": "PT"}, "", model="PATIENT", options=RELATIONAL),
    Case("an empty lower key does not narrow", "PATIENT", {"PatientID": "BARE", "Modality": ""},
         "BARE", model="PATIENT", options=RELATIONAL, unanswered=("Modality",)),
    Case("an upper list of modalities narrows", "SERIES", {"ModalitiesInStudy": "PT"},
         "petct.ct petct.pt", options=RELATIONAL, returned={"ModalitiesInStudy": "CT\\PT"}),
    Case("date and time of a lower level match as one moment", "PATIENT",
         {"StudyDate": "20240115-20240131", "StudyTime": "1030-1030"}, "P1 P2",
         model="PATIENT", options=b"\1\1", unanswered=("StudyDate", "StudyTime")),
    Case("date and time of a lower level that miss as one moment", "PATIENT",
         {"StudyDate": "20240115-20240131", "StudyTime": "1031-1029"}, "",
         model="PATIENT", options=b"\1\1"),
    Case("two quotation marks find an absent value below", "PATIENT", {"Modality": '""'},
         "BARE", model="PATIENT", options=b"\1\0\0\0\0\1", unanswered=("Modality",)),
    Case("the second of two values below is found", "PATIENT", {"StudyID": "X2"}, "SV",
         model="PATIENT", options=RELATIONAL, unanswered=("StudyID",)),
    Case("an attribute that no column holds without upper keys", "SERIES", {"KVP": "120"},
         "axial", options=RELATIONAL),
    refused("what was offered as zero is not negotiated", "SERIES", {}, "StudyInstanceUID",
            "StudyInstanceUID", options=b"\0"),
    # ---- character sets: of the query
    *(
        name(f"a German name is found in {label}", "Müller^Jürgen", "german", charset=charset)
        for label, charset in (
            ("ISO 8859-1", LATIN_1),
            ("ISO 8859-1 by code extension", "\\ISO 2022 IR 100"),
            ("ISO 8859-2", "ISO_IR 101"),
            ("UTF-8", UTF_8),
            ("GB18030", GB18030),
        )
    ),
    *(
        name(f"{what} name is found in {label}", key, expected, charset=charset)
        for what, key, expected, label, charset in (
            ("a Polish", "Wałęsa^Łucja", "polish", "ISO 8859-2", "ISO_IR 101"),
            ("a Russian", "Иванов^Пётр", "russian", "ISO 8859-5", CYRILLIC),
            ("a Russian", "Иванов*", "russian", "UTF-8", UTF_8),
            ("a Japanese", "*=山田^太郎", "japanese", "ISO 2022", JAPANESE),
            ("a Japanese", "山田*", "japanese", "ISO 2022 with JIS X 0201",
             "ISO 2022 IR 13\\ISO 2022 IR 87"),
            ("a Japanese", "山田*", "japanese", "Shift JIS's Chinese rival", GB18030),
            ("a Korean", "*=洪^吉洞=홍^길동", "korean", "ISO 2022", KOREAN),
            ("a Korean", "*길동", "korean", "UTF-8", UTF_8),
            ("a Chinese", "*=张*", "chinese", "GB18030", GB18030),
            ("a Chinese", "张^小东", "chinese", "GBK", "GBK"),
        )
    ),
    name("a German name is found in ISO 8859-15", "Müller^Jürgen", "german",
         charset="ISO_IR 203", text=LATIN_1),
    name("a query that names no character set has the node's", "Müller^Jürgen", "german",
         charset="", text=LATIN_1),
    name("a query that names no known character set has the node's", "Müller^Jürgen", "german",
         charset=UNKNOWN_CHARSET, text=LATIN_1),
    name("a query that names no character set has its peer's", "Иванов^Пётр", "russian",
         charset="", text=CYRILLIC, peer=CYRILLIC_PEER),
    name("bytes that are not in the set named are in the node's", "Müller^Jürgen", "german",
         charset=UTF_8, text=LATIN_1),
    # ---- character sets: of what is held
    name("data that names no character set has the node's", "Gómez^José", "unnamed",
         returned={"PatientName": "Gómez^José"}),
    name("data that names no known character set has the node's", "Nuñes^Inês", "unknown"),
    name("data that is not in the set it names is in the node's", "Bjørn^Åse", "wrong",
         returned={"PatientName": "Bjørn^Åse"}),
    name("data that names no character set has its sender's", "Петров^Иван", "cyrillic-peer"),
    *(
        study(f"accents count in a description held in {label}",
              {"StudyDescription": key}, expected, charset=UTF_8)
        for label, key, expected in (
            ("ISO 8859-1", "Schädel", "german"),
            ("UTF-8", "Głowa", "polish"),
            ("ISO 8859-5", "Грудь", "russian"),
            ("ISO 2022 Japanese", "胸部CT", "japanese"),
            ("ISO 2022 Korean", "흉부", "korean"),
            ("GB18030", "胸乗片", "chinese"),
            ("none", "Cráneo", "unnamed"),
            ("one unknown", "Crânio", "unknown"),
            ("one wrong", "Høyre kne", "wrong"),
            ("the sender's", "Глава", "cyrillic-peer"),
        )
    ),
    study("a description is not found without its accents", {"StudyDescription": "Schadel"}, ""),
    study("an accent in two characters is one",
          {"StudyDescription": "Scha\N{COMBINING DIAERESIS}del"}, "german", charset=UTF_8),
    *(
        Case(f"text that no column holds is found, held in {label}", "SERIES",
             {"DeviceSerialNumber": key}, f"{within}.series", within=within, charset=UTF_8,
             returned={"DeviceSerialNumber": key})
        for label, key, within in (
            ("ISO 8859-1", "Gerät 5", "german"),
            ("ISO 2022 Japanese", "宮構１号", "japanese"),
            ("none", "Año 1", "unnamed"),
            ("the sender's", "Серия", "cyrillic-peer"),
        )
    ),
    # ---- character sets: of the answer
    *(
        study(f"{what} answer to a query in {label}",
              {"PatientID": patient, "PatientName": ""}, expected, charset=asked, text=LATIN_1,
              returned={"PatientName": held, "SpecificCharacterSet": answered})
        for what, patient, expected, held, label, asked, answered in (
            ("a German", "DE", "german", "Müller^Jürgen", "ISO 8859-1", LATIN_1, LATIN_1),
            ("a German", "DE", "german", "Müller^Jürgen", "ISO 8859-2", "ISO_IR 101",
             "ISO_IR 101"),
            ("a German", "DE", "german", "Müller^Jürgen", "UTF-8", UTF_8, UTF_8),
            ("a German", "DE", "german", "Müller^Jürgen", "none", "", UTF_8),
            ("a German", "DE", "german", "Müller^Jürgen", "ISO 8859-5", CYRILLIC, UTF_8),
            ("a German", "DE", "german", "Müller^Jürgen", "one unknown", UNKNOWN_CHARSET, UTF_8),
            ("a Russian", "RU", "russian", "Иванов^Пётр", "ISO 8859-5", CYRILLIC, CYRILLIC),
            ("a Japanese", "JP", "japanese", "Yamada^Tarou=山田^太郎=やまだ^たろう", "ISO 2022",
             JAPANESE, JAPANESE),
            ("a Japanese", "JP", "japanese", "Yamada^Tarou=山田^太郎=やまだ^たろう",
             "ISO 8859-1", LATIN_1, UTF_8),
            ("a Japanese", "JP", "japanese", "Yamada^Tarou=山田^太郎=やまだ^たろう", "GB18030",
             GB18030, GB18030),
            ("a Korean", "KR", "korean", "Hong^Gildong=洪^吉洞=홍^길동", "ISO 2022", KOREAN,
             KOREAN),
            ("a Chinese", "CN", "chinese", "Zhang^XiaoDong=张^小东", "GB18030", GB18030,
             GB18030),
        )
    ),
    study("an answer in ASCII names no character set", {"StudyID": "02", "PatientName": ""},
          "chest", charset=LATIN_1),
    # ---- however the identifier is encoded
    *(
        case
        for label, syntax in (
            ("implicit VR", IMPLICIT),
            ("big endian", BIG_ENDIAN),
            ("deflated", DEFLATED),
        )
        for case in (
            name(f"a name is found, and answered, in {label}", "Müller*", "german",
                 syntax=syntax, returned={"PatientName": "Müller^Jürgen"}),
            image(f"a binary number is found, and answered, in {label}", "numbers",
                  {"Rows": 512}, "seven", syntax=syntax, returned={"Rows": "512"}),
            image(f"an item is found, and answered, in {label}", "items",
                  {"FrameContentSequence": [{"InStackPositionNumber": 6, "FrameLabel": ""}]},
                  "implicit", syntax=syntax,
                  returned={"FrameContentSequence": [
                      {"InStackPositionNumber": "6", "FrameLabel": "one"}]}),
            image(f"a private text is found, and answered, in {label}", "private",
                  {_CREATOR: "MINI TEST", _ALPHA: "MINI*"}, "block-10 block-11",
                  syntax=syntax, returned={_ALPHA: "MINI TEST alpha"}),
            image(f"numbers that no column holds are found, and answered, in {label}", "vrs",
                  {"TableSpeed": 1.5, "ReferencePixelX0": -5, "FrameIncrementPointer": ""},
                  "this", syntax=syntax,
                  returned={"TableSpeed": "1.5", "ReferencePixelX0": "-5",
                            "FrameIncrementPointer": "(0018,1063)"}),
        )
    ),
    study("a name is found under another VR", {("PatientName", "LO"): "smith^john"},
          "chest petct"),
    image("a number is found under another VR", "numbers", {("Rows", "IS"): "512"}, "seven"),
    # ---- bad input
    accession("SQL that closes a string is text", "' OR '1'='1", ""),
    accession("SQL that drops a table is text", "'; DROP TABLE study; --", ""),
    accession("SQL in a wildcard is text", "*' OR 1=1 --*", ""),
    study("SQL in a UID is text", {"StudyInstanceUID": "1') OR 1=1 --"}, ""),
    study("SQL in a list of UIDs is text",
          {"StudyInstanceUID": f"{_MANY_UIDS}\\1\"]') OR 1=1 --"}, "", syntax=IMPLICIT),
    study("SQL in a date is text", {"StudyDate": "20240131' OR '1'='1"}, ""),
    name("SQL in a name is text", "x' OR 'a'='a", ""),
    accession("every study is still there after that", "A_1", "chest"),
    study("letters are no UID", {"StudyInstanceUID": "one.two"}, ""),
    study("control characters are no modality", {"ModalitiesInStudy": "C\x01T"}, ""),
    accession("a null character does not end a key", "*\0X", ""),
    study("a null character does not end a list", {"OtherPatientIDs": "*\0X"}, ""),
    accession("a key longer than its VR allows finds nothing", "A" * 5000, ""),
    accession("a thousand stars take no time", "*A" * 1000 + "*", ""),
    name("a thousand stars in a name take no time", "*?" * 1000, ""),
    study("ten thousand characters find nothing", {"StudyDescription": "x*" * 5_000}, "",
          syntax=IMPLICIT),
    study("a hundred thousand characters are more than a key may have",
          {"StudyDescription": "x*" * 50_000}, "", syntax=IMPLICIT, status=DOES_NOT_MATCH,
          comment="Over 16384 characters in StudyDescription"),
    study("sequences deeper than any IOD's do not find everything",
          {"ProcedureCodeSequence": _nested(40)}, ""),
    study("a long list finds what is in it",
          {"AccessionNumber": "\\".join([*map(str, range(5000)), "A_1"])}, "chest",
          syntax=IMPLICIT),
)  # fmt: skip


# ---- asking


@dataclass
class Found:
    """The responses to a C-FIND, and the transfer syntax of their identifiers."""

    responses: list[C_FIND]
    final: C_FIND
    syntax: str

    @property
    def pending(self) -> set[int]:
        """The statuses of all but the final response."""
        return {int(response.Status) for response in self.responses}

    @cached_property
    def answers(self) -> list[Dataset]:
        """The identifiers, as pydicom reads them."""
        implicit, little = self.syntax == IMPLICIT, self.syntax != BIG_ENDIAN
        deflated = self.syntax == DEFLATED
        return [decode(r.Identifier, implicit, little, deflated) for r in self.responses]

    @property
    def status(self) -> int:
        """The final status."""
        return int(self.final.Status)


class Asker:
    """Opens an association for each kind of query, once."""

    def __init__(self, node: RunningNode, stack: ExitStack) -> None:
        self.node = node
        self._stack = stack
        self._open: dict[tuple[str, str, bytes, str], Association] = {}

    def association(
        self, model: str = "STUDY", syntax: str = EXPLICIT, options: bytes = b"", peer: str = OTHERS
    ) -> Association:
        """An association with one presentation context, still open or opened now."""
        kind = (model, syntax, options, peer)
        held = self._open.get(kind)
        if held is None or not held.is_established:
            held = self._open[kind] = self.node.associate(
                (FIND[model], syntax), ae_title=peer, ext_neg=offer(FIND[model], options)
            )
            assert held.is_established
            self._stack.callback(held.release)
        return held

    def ask(self, case: Case) -> Found:
        """The answers to a case; the association outlives them."""
        data = encode(case.values, case.syntax, case.charset, case.text)
        association = self.association(case.model, case.syntax, case.options, case.peer)
        found = find(association, data)
        assert association.is_established
        return found


def offer(sop_class: str, options: bytes) -> list[SOPClassExtendedNegotiation]:
    """The negotiation item that offers `options`; none where there are none."""
    if not options:
        return []
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(sop_class)
    item.service_class_application_information = options
    return [item]


def cancel_at_once(association: Association) -> None:
    """Send a C-CANCEL past pynetdicom's loop, which does not write while there is much to read."""
    (context,) = association.accepted_contexts
    request = C_CANCEL()
    request.MessageIDBeingRespondedTo = 1
    message = C_CANCEL_RQ()
    message.primitive_to_message(request)
    assert association.dul.socket
    for primitive in message.encode_msg(context.context_id or 0, 16384):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        association.dul.socket.send(pdu.encode())


def cancel_when_under_way(association: Association) -> None:
    """Send a C-CANCEL to a node that has begun to look: nothing else tells that it has."""
    threading.Timer(0.2, cancel_at_once, [association]).start()


def find(
    association: Association,
    data: bytes,
    cancel_after: int | None = None,
    cancel: Callable[[Association], None] = cancel_at_once,
) -> Found:
    """C-FIND with an identifier as it is; `cancel` is called after so many answers."""
    (context,) = association.accepted_contexts
    request = C_FIND()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = UID(str(context.abstract_syntax))
    request.Identifier = BytesIO(data)
    association._reactor_checkpoint.clear()  # as pynetdicom's own send_ methods do
    while not association._is_paused:
        time.sleep(0.001)
    responses: list[C_FIND] = []
    try:
        association.dimse.send_msg(request, context.context_id or 0)
        while True:
            if cancel_after == len(responses):
                cancel(association)
                cancel_after = None
            _, response = association.dimse.get_msg(block=True)
            assert isinstance(response, C_FIND), "no response, or the association was aborted"
            if response.Status not in (PENDING, PENDING_KEYS_UNSUPPORTED):
                return Found(responses, response, str(context.transfer_syntax[0]))
            responses.append(response)
    finally:
        association._reactor_checkpoint.set()


def plain(element: DataElement) -> Any:
    """An element's value as text with backslashes; of a sequence its items, by keyword or tag."""
    if element.VR == "SQ":
        return [
            {inner.keyword or (int(inner.tag), inner.VR): plain(inner) for inner in item}
            for item in element.value
        ]
    if isinstance(element.value, bytes):  # private, in implicit VR
        return element.value.decode("ascii").strip()
    values = element.value if element.VM > 1 else [element.value]
    return "\\".join("" if value is None else str(value) for value in values)


def entity(answer: Dataset, level: str) -> str:
    """The name of the entity that an answer is about; a Patient ID, or `?` where it is empty."""
    unique = str(answer[_UNIQUE[level]].value or "")
    return unique or "?" if level == "PATIENT" else NAMES.get(unique, unique)


def expected_tags(case: Case, answer: Dataset) -> set[BaseTag]:
    """What was asked for, and what comes unasked (PS3.4 C.4.1.1.3.2)."""
    levels = _LEVELS[case.model]
    upper = levels[: levels.index(case.level)]
    asked = [Tag(key[0] if isinstance(key, tuple) else key) for key in case.values]
    tags = set(asked) | {Tag(_UNIQUE[level]) for level in upper}
    tags |= {Tag("QueryRetrieveLevel"), Tag("RetrieveAETitle")}
    if any(not str(element.value).isascii() for element in answer):
        tags.add(Tag("SpecificCharacterSet"))
    return tags - {Tag(keyword) for keyword in case.unanswered}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that holds the corpus."""
    peers = {CYRILLIC_PEER: {"charset": CYRILLIC}}
    tables = {"peers": peers, "query": {"hierarchy": "strict"}}
    with running_node(tmp_path_factory.mktemp("queries"), tables) as running:
        fill(running)
        yield running


@pytest.fixture(scope="module")
def asker(node: RunningNode) -> Iterator[Asker]:
    with ExitStack() as stack:
        yield Asker(node, stack)


# What pydicom says about the odd things that it is asked to write and read here.
@pytest.mark.filterwarnings("ignore:Unknown encoding", "ignore:The value for the data element")
@pytest.mark.parametrize("case", [pytest.param(case, id=case.sentence) for case in CASES])
def test_a_query(asker: Asker, case: Case) -> None:
    found = asker.ask(case)
    final = found.final
    assert found.status == case.status, final.ErrorComment
    assert sorted(entity(a, case.level) for a in found.answers) == sorted(case.expected.split())
    assert found.pending <= {case.pending}
    for answer in found.answers:
        assert set(answer.keys()) == expected_tags(case, answer)
        held = {key: plain(answer[key[0] if isinstance(key, tuple) else key])
                for key in case.returned}  # fmt: skip
        assert held == case.returned
    if case.offending:
        assert final.OffendingElement == tag_for_keyword(case.offending)
    assert case.comment in (final.ErrorComment or "")


def test_the_table_has_every_case_once() -> None:
    assert len({case.sentence for case in CASES}) == len(CASES) >= 160


# ---- identifiers that are none, or too much

_LEVEL = encode({"QueryRetrieveLevel": "STUDY"})
_WHOLE = encode({"QueryRetrieveLevel": "STUDY", "PatientName": "Smith*!"})


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"\xff" * 100, CANNOT_UNDERSTAND, id="bytes that are no elements"),
        pytest.param(b"\x08\x00", CANNOT_UNDERSTAND, id="half a tag"),
        pytest.param(b"\x08\x00\x52\x00CS\xff\x7fSTUDY", CANNOT_UNDERSTAND, id="a level cut short"),
        pytest.param(_WHOLE[:-2], CANNOT_UNDERSTAND, id="a key cut short"),
        pytest.param(
            _LEVEL + b"\x40\x00\x75\x02SQ\0\0\x08\0\0\0garbage!",
            CANNOT_UNDERSTAND,
            id="a sequence without items",
        ),
        pytest.param(
            _WHOLE + b"\x20\x00\x0d\x00UN\0\0\x80\x96\x98\0" + b"1" * 10_000_000,
            DOES_NOT_MATCH,
            id="ten megabytes",
        ),
        pytest.param(encode({"PatientID": "P1"}), DOES_NOT_MATCH, id="no level"),
    ],
)
def test_an_identifier_that_is_none_gets_a_status(asker: Asker, data: bytes, status: int) -> None:
    association = asker.association()
    found = find(association, data)
    assert (found.status, len(found.answers)) == (status, 0)
    assert found.final.ErrorComment
    assert association.is_established
    again = asker.ask(accession("", "A_1", "chest"))
    assert [entity(answer, "STUDY") for answer in again.answers] == ["chest"]


def _group_length(group: int) -> bytes:
    return struct.pack("<HH2sHI", group, 0, b"UL", 4, 10)


def test_group_lengths_are_no_keys(asker: Asker) -> None:
    unique = encode({"StudyInstanceUID": "", "StudyID": "02"})
    data = _group_length(0x0008) + _LEVEL + _group_length(0x0020) + unique
    (answer,) = find(asker.association(), data).answers
    assert entity(answer, "STUDY") == "chest"
    assert not [tag for tag in answer.keys() if not tag.element]  # noqa: SIM118


def test_group_lengths_in_an_item_are_no_keys(asker: Asker) -> None:
    values = image("", "items", {}, "").values
    item = _group_length(0x0020) + encode({"InStackPositionNumber": 7})
    sequence = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    head = struct.pack("<HH2sxxI", 0x0020, 0x9111, b"SQ", len(sequence))
    (answer,) = find(asker.association(), encode(values) + head + sequence).answers
    assert entity(answer, "IMAGE") == "big"
    assert plain(answer["FrameContentSequence"]) == [{"InStackPositionNumber": "7"}]


def test_garbage_that_claims_to_be_deflated_gets_a_status(asker: Asker) -> None:
    association = asker.association(syntax=DEFLATED)
    found = find(association, b"garbage!" * 10)
    assert (found.status, found.answers) == (CANNOT_UNDERSTAND, [])
    assert association.is_established


def test_a_query_that_should_be_deflated_and_is_not_is_answered_and_told(asker: Asker) -> None:
    mark = asker.node.mark()
    data = encode(study("", {"StudyID": "02"}, "").values)
    found = find(asker.association(syntax=DEFLATED), data)
    assert (found.status, len(found.answers)) == (SUCCESS, 1)
    asker.node.wait_for_log("unusual Identifier", after=mark)


def _thousand_keywords() -> list[str]:
    """Attributes of PS3.6 that are text or numbers, and not of the identifier's own groups."""
    kept = {"AE", "CS", "DA", "DS", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "US", "SQ"}
    return [
        keyword_for_tag(tag)
        for tag, (vr, _, _, retired, _) in DicomDictionary.items()
        if vr in kept and not retired and tag >> 16 in (0x0018, 0x0028, 0x0040, 0x3006, 0x300A)
    ][:1000]


def test_a_thousand_keys_are_answered(asker: Asker) -> None:
    asked = dict.fromkeys(_thousand_keywords(), "")
    case = image("", "vrs", {k: [] if dictionary_VR(k) == "SQ" else "" for k in asked}, "")
    found = asker.ask(case)
    assert len(asked) == 1000
    assert found.status == SUCCESS
    assert sorted(entity(a, "IMAGE") for a in found.answers) == ["that", "this"]
    assert all(set(a.keys()) == expected_tags(case, a) for a in found.answers)


def test_a_thousand_keys_with_values_find_nothing(asker: Asker) -> None:
    asked = {(k, "LO"): "1" for k in _thousand_keywords() if dictionary_VR(k) != "SQ"}
    found = asker.ask(study("", asked, ""))
    assert (found.status, found.answers) == (SUCCESS, [])


# ---- extended negotiation


@pytest.mark.parametrize(
    ("sop_class", "offered", "answered"),
    [
        pytest.param(sop_class, offered, answered, id=sentence)
        for sentence, sop_class, offered, answered in (
            ("relational alone", FIND["STUDY"], b"\1", b"\1"),
            ("relational not wanted", FIND["STUDY"], b"\0", b"\0"),
            ("no combined matching wanted", FIND["PATIENT"], b"\1\0\1", b"\1\0\1"),
            ("no timezone adjustment here", FIND["STUDY"], b"\1\1\1\1", b"\1\1\1\0"),
            ("no enhanced multi-frame here", FIND["STUDY"], b"\1\1\1\1\1", b"\1\1\1\0\0"),
            ("all of it", FIND["STUDY"], b"\1\1\1\1\1\1\1", b"\1\1\1\0\0\1\1"),
            ("the last alone", FIND["PATIENT_STUDY_ONLY"], MULTIPLE_VALUES, MULTIPLE_VALUES),
            ("more than there is", FIND["STUDY"], b"\1" * 9, b"\1\1\1\0\0\1\1"),
            ("neither yes nor no", FIND["STUDY"], b"\2\xff", b"\0\0"),
            ("relational moves", MOVE["STUDY"], b"\1\1", b"\1\0"),
            ("relational gets", GET["PATIENT"], b"\1", b"\1"),
        )
    ],
)
def test_extended_negotiation_is_answered_as_far_as_offered(
    node: RunningNode, sop_class: str, offered: bytes, answered: bytes
) -> None:
    with node.association((sop_class, EXPLICIT), ext_neg=offer(sop_class, offered)) as association:
        assert association.acceptor.sop_class_extended == {UID(sop_class): answered}


def test_what_is_not_offered_is_not_answered(node: RunningNode) -> None:
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        assert association.acceptor.sop_class_extended == {}


# ---- what is reported


@pytest.mark.parametrize(
    ("words", "contradictory"),
    [
        ("belongs to more than one patient", "shared"),
        ("belongs to more than one study", "twin"),
        ("lies in more than one series or study", "copy"),
        ("is used for a study and for a series", "levels"),
    ],
)
def test_what_contradicts_itself_is_in_the_log(
    node: RunningNode, words: str, contradictory: str
) -> None:
    node.wait_for_log("WARNING", uid(contradictory), words)


def test_a_query_that_no_index_serves_is_in_the_log(node: RunningNode, asker: Asker) -> None:
    mark = node.mark()
    asker.ask(Case("", "SERIES", {"KVP": "120"}, "", within="chest"))
    node.wait_for_log("no index serves", "0018,0060", "headers=3", after=mark)


# ---- limits, and C-CANCEL


def test_a_cut_answer_ends_in_a_failure_with_a_comment(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", {"limits": {"find_responses": 2}}) as small:
        fill(small, "chest")
        with small.association((FIND["STUDY"], EXPLICIT)) as association:
            series = Case("", "SERIES", {}, "", within="chest")
            cut = find(association, encode(series.values))
            whole = find(association, encode({**series.values, "Modality": "CT"}))
    assert (len(cut.answers), cut.status) == (2, OUT_OF_RESOURCES)
    assert "2" in str(cut.final.ErrorComment)
    assert (len(whole.answers), whole.status) == (2, SUCCESS)


_ROWS = 100_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node whose index has a series of many instances, without files."""
    with running_node(tmp_path_factory.mktemp("large")) as running:
        running.stop()
        index = build(connect(running.data / "index.sqlite", sync=False))
        with index.database.connection_context():
            _fill_large(index)
        yield running.start()


def _fill_large(index: Index) -> None:
    parent = 0
    for level, unique in _LARGE.items():
        held = {"parent": parent} if parent else {}
        parent = index[level].insert({**held, **unique}).execute()
    model = index[Level.IMAGE]
    given = {"SOPInstanceUID": "'1.2.3.' || n", "parent": str(parent), "ImageType": "'A\\B'"}
    fields = [f for f in model._meta.sorted_fields if f.name != "id"]
    index.database.execute_sql(
        f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {_ROWS})"
        f"INSERT INTO {model._meta.table_name} ({', '.join(f.column_name for f in fields)}) "
        f"SELECT {', '.join(given.get(f.name, repr('')) for f in fields)} FROM numbers"
    )


_LARGE = {
    Level.PATIENT: {"PatientID": "L"},
    Level.STUDY: {"StudyInstanceUID": "1.2.3.1"},
    Level.SERIES: {"SeriesInstanceUID": "1.2.3.2"},
}
_OF_LARGE = {
    "QueryRetrieveLevel": "IMAGE",
    "StudyInstanceUID": "1.2.3.1",
    "SeriesInstanceUID": "1.2.3.2",
    "SOPInstanceUID": "",
}


def test_a_query_is_cancelled_between_answers(large: RunningNode) -> None:
    with large.association((FIND["STUDY"], EXPLICIT)) as association:
        found = find(association, encode(_OF_LARGE), cancel_after=3)
    assert found.status == CANCEL
    assert 3 <= len(found.responses) < _ROWS / 2


@pytest.mark.parametrize(
    "cancel",
    [
        pytest.param(cancel_when_under_way, id="while nothing matches"),
        # Goes through the same queue as the request, so that both arrive together.
        pytest.param(lambda association: association.send_c_cancel(1, 1), id="at once"),
    ],
)
def test_a_query_that_finds_nothing_is_cancelled(
    large: RunningNode, cancel: Callable[[Association], None]
) -> None:
    with large.association((FIND["STUDY"], EXPLICIT)) as association:
        asked = encode({**_OF_LARGE, "ImageType": "NONE"})
        found = find(association, asked, cancel_after=0, cancel=cancel)
    assert (found.status, found.answers) == (CANCEL, [])


def test_after_a_cancelled_query_the_next_is_answered(large: RunningNode) -> None:
    with large.association((FIND["STUDY"], EXPLICIT)) as association:
        find(association, encode(_OF_LARGE), cancel_after=1)
        found = find(association, encode({**_OF_LARGE, "SOPInstanceUID": "1.2.3.77"}))
    assert (found.status, len(found.answers)) == (SUCCESS, 1)


# ---- DCMTK's findscu


@pytest.mark.parametrize(
    ("options", "asked", "expected"),
    [
        pytest.param(
            ["-S"],
            {"QueryRetrieveLevel": "STUDY", "PatientName": "smith^*", "StudyInstanceUID": "",
             "NumberOfStudyRelatedInstances": ""},
            {"chest": "5", "petct": "3", "head": "1"},
            id="studies by name, with counts",
        ),
        pytest.param(
            ["-S"],
            {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": uid("chest"),
             "SeriesInstanceUID": "",
             "RequestAttributesSequence[0].RequestedProcedureID": "RP2",
             "NumberOfSeriesRelatedInstances": ""},
            {"axial": "3"},
            id="series by a key in an item",
        ),
        pytest.param(
            ["-P"],
            {"QueryRetrieveLevel": "PATIENT", "SpecificCharacterSet": UTF_8,
             "PatientName": "山田*", "PatientID": "", "NumberOfPatientRelatedInstances": ""},
            {"JP": "1"},
            id="patients by ideographs in UTF-8",
        ),
    ],
)  # fmt: skip
def test_findscu_gets_the_same_answers(
    node: RunningNode, tmp_path: Path, options: list[str], asked: dict[str, str], expected: Any
) -> None:
    output = client("findscu", node, [*options, "-X", "-od", tmp_path, *keys(**asked)])
    assert "Success" in output
    answers = [dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
    (count,) = [keyword for keyword in asked if keyword.startswith("NumberOf")]
    level = asked["QueryRetrieveLevel"]
    assert {entity(answer, level): str(answer[count].value) for answer in answers} == expected
