"""The rules of PS3.4 C.2.2.2: one table, each row asked in Python and in SQL."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import IntegerField, Model, TextField
from support.names import examples

from storage.dicom.instance_header import Header
from storage.dicom.values.attributes import BY_KEYWORD, Attribute, Level
from storage.dicom.values.conversion import strip
from storage.index import writer
from storage.index.engines import Engine
from storage.index.tables import Index, column_names, columns_of
from storage.index.writer import FileFacts
from storage.query.conditions import condition, kept_columns, kept_forms
from storage.query.folding import RANGE_VRS
from storage.query.rules import (
    RULES,
    WILDCARD_VRS,
    folded,
    has_several,
    is_universal,
    match_columns,
    matches,
    rule_for,
)

# attribute (by its VR), stored value, key, whether it matches
NAME, DATE, TIME = "PatientName", "StudyDate", "StudyTime"
TEXT, SHORT, LONG = "StudyDescription", "AccessionNumber", "PatientComments"
CODE, UID, NUMBER = "Modality", "SOPInstanceUID", "InstanceNumber"
SEVERAL, NAMES, IDS = "ImageType", "OperatorsName", "OtherPatientIDs"
TAROU = "Yamada^Tarou=山田^太郎=やまだ^たろう"
CASES = [
    # single value, C.2.2.2.1
    ("a value matches itself", TEXT, "CHEST", "CHEST", True),
    ("a value matches no other", TEXT, "CHEST", "HEAD", False),
    ("case counts", TEXT, "Chest", "CHEST", False),
    ("padding of a key does not count", SHORT, "A1", " A1 ", True),
    ("a key is no substring", TEXT, "CHEST PA", "CHEST", False),
    ("an absent value matches no value", TEXT, "", "CHEST", False),
    # universal, C.2.2.2.3
    ("an empty key matches", TEXT, "CHEST", "", True),
    ("an empty key matches an absent value", TEXT, "", "", True),
    ("a star alone matches an absent value", TEXT, "", "*", True),
    ("stars alone match an absent value", NAME, "", "**", True),
    ("a star alone matches a date", DATE, "20200101", "*", True),
    ("a question mark is not universal", TEXT, "", "?", False),
    # wildcard, C.2.2.2.4
    ("? is a letter that folds to two", NAME, "Weiß^Anna", "Wei?^Anna", True),
    ("? is each of the two, too", NAME, "Weiß^Anna", "Wei??^Anna", True),
    ("? is no two letters", NAME, "Weiss^Anna", "Wei?^Anna", False),
    ("? is a ligature in front", NAME, "Æsop^Karl", "?SOP^*", True),
    ("? is a ligature inside", NAME, "Bœuf^Jean", "b?uf^jean", True),
    ("? is a typographic ligature", NAME, "Greiﬀ^Eva", "Grei?^Eva", True),
    ("? is a kana and one its mark", NAME, "=山田=ﾔﾏﾀﾞ", "ﾔﾏ??", True),
    ("? is a kana with its mark", NAME, "==ﾔﾏﾀﾞ", "ﾔﾏ?", True),
    ("? by letters, group by group", NAME, "Weiß^A=山田", "Wei?*=山?", True),
    ("? by letters, in another group", NAME, "=Weiß^A", "Wei?^a", True),
    ("? by letters in one of several", NAMES, "A^B\\Weiß^A", "Wei?^A", True),
    ("? is a kana of half width", NAME, "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾔﾏﾀ?^ﾀﾛｳ", True),
    ("? is each mark of kana", NAME, "ﾊﾟﾊﾟ^A", "ﾊ?ﾊ?^A", True),
    ("? is a mark before a star", NAME, "ﾊﾟﾊﾟ^A", "ﾊ?*", True),
    ("? is one kana with its mark, one without", NAME, "ﾊﾟﾊﾟ^A", "?ﾊ?^A", True),
    ("? is a kana before its mark", NAME, "ﾊﾟﾊﾟ^A", "?ﾟﾊﾟ^A", True),
    ("? is all kana and all marks", NAME, "ﾊﾟﾊﾟ^A", "????^A", True),
    ("? is all kana with their marks", NAME, "ﾊﾟﾊﾟ^A", "??^A", True),
    ("? is no kana and half a mark", NAME, "ﾊﾟﾊﾟ^A", "?????^A", False),
    ("? is a mark in the key of another width", NAME, "ﾊﾟﾊﾟ^A", "ハ?パ^A", True),
    ("? is no mark of a kana that is one letter", NAME, "パパ^A", "ハ?ハ?^A", False),
    ("? is such a kana", NAME, "パパ^A", "??^A", True),
    ("? is a mark within", NAME, "=ｺﾊﾞﾔｼ^ｼﾞﾛｳ", "*ﾊ?ﾔｼ*", True),
    ("? is a mark behind a star alone", NAME, "ｺﾊﾞﾔｼ", "*ﾊ?ﾔｼ", True),
    ("a star is a mark of kana", NAME, "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾔﾏﾀ*", True),
    ("a star is such a mark within", NAME, "ｺﾊﾞﾔｼ", "*ﾊ*ｼ", True),
    ("a star is a kana before its mark", NAME, "ﾔﾏﾀﾞ", "ﾔﾏ*ﾞ", True),
    ("a star is no mark of another kana", NAME, "ﾔﾏﾊﾞ", "ﾔﾏﾀ*", False),
    ("the voicing counts with a star", NAME, "ヤマダ", "ヤマタ*", False),
    (
        "? is a letter as written beside one that is folded",
        NAME,
        "Weiß^Strauß",
        "Wei?^Strauss",
        True,
    ),
    ("? is a sharp s beside ligatures", NAME, "Weiß^Ærø", "Wei?^Aero", True),
    ("? is a letter and another is two", NAME, "Weiß^Strauß", "Weiss^Strau?", True),
    ("? is a sharp s, and its s is none", NAME, "Weiß^Anna", "Wei?s^Bea", False),
    ("? is half a sharp s", NAME, "Weiß^Anna", "Weis?^Anna", True),
    ("? is a mark that folds to nothing", NAME, "Doe^\u0301", "Doe^?", True),
    ("? by letters, and nothing else", NAME, "Weiß^Anna", "Wei?^Bea", False),
    ("a star ends a key", TEXT, "CHEST PA", "CHEST*", True),
    ("a star stands for nothing too", TEXT, "CHEST", "CHEST*", True),
    ("a star begins a key", TEXT, "CHEST PA", "*PA", True),
    ("stars on both sides", TEXT, "CHEST PA", "*EST*", True),
    ("a star in the middle", TEXT, "CHEST PA", "CH*PA", True),
    ("what a star leaves must fit", TEXT, "CHEST PA", "CH*AP", False),
    ("stretches do not overlap", TEXT, "ABA", "AB*BA", False),
    ("many stars", TEXT, "a1b2c3d4", "*a*b*c*d*", True),
    ("many stars that do not fit", TEXT, "a" * 60, "*a*a*a*a*a*a*a*a*b", False),
    ("a question mark stands for one", TEXT, "CHEST", "CH?ST", True),
    ("a question mark does not stand for none", TEXT, "CHST", "CH?ST", False),
    ("a question mark stands for a character, not a byte", TEXT, "Müller", "M?ller", True),
    ("case counts with wildcards", TEXT, "chest", "CH*", False),
    ("a per cent sign is itself", TEXT, "100 PC", "100%", False),
    ("a per cent sign finds itself", TEXT, "100%", "100%*", True),
    ("an underscore is itself", SHORT, "AB1", "A_1", False),
    ("an underscore finds itself", SHORT, "A_1", "A_*", True),
    ("a bracket is itself", SHORT, "AB", "A[B]*", False),
    ("a bracket finds itself", SHORT, "A[B]", "A[B]*", True),
    ("an apostrophe is itself", TEXT, "O'Neil", "O'N*", True),
    ("SQL is text", TEXT, "CHEST", "' OR '1'='1", False),
    ("a star is no wildcard for numbers", NUMBER, "12", "1*", False),
    ("a star is no wildcard for UIDs", UID, "1.2.3", "1.2*", False),
    # range, C.2.2.2.5
    ("a day", DATE, "20200115", "20200115", True),
    ("a range of days", DATE, "20200115", "20200101-20200131", True),
    ("a range holds its first day", DATE, "20200101", "20200101-20200131", True),
    ("a range holds its last day", DATE, "20200131", "20200101-20200131", True),
    ("a range does not hold the day after", DATE, "20200201", "20200101-20200131", False),
    ("a range open to the past", DATE, "19000101", "-20200131", True),
    ("a range open to the future", DATE, "21000101", "20200101-", True),
    ("no range holds an absent date", DATE, "", "19000101-", False),
    ("no range to the past holds an absent date", DATE, "", "-20200131", False),
    ("a range upside down holds nothing", DATE, "20200115", "20200131-20200101", False),
    ("a date as ACR-NEMA wrote it", DATE, "2020.01.15", "20200101-20200131", True),
    ("a date with dashes", DATE, "2020-01-15", "20200101-20200131", True),
    ("a date with slashes", DATE, "2020/01/15", "20200115", True),
    ("a date with dashes as a key", DATE, "20200115", "2020-01-15", True),
    ("a range of dates with dashes", DATE, "20200115", "2020-01-01-2020-01-31", True),
    ("a range of two years", DATE, "20200115", "2019-2020", True),
    ("a date with two separators is none", DATE, "2020-01/15", "20200101-20200131", False),
    ("a date with its time", DATE, "20200115093000", "20200101-20200131", True),
    ("a time of seven digits of a second", TIME, "093000.1234567", "0900-1000", True),
    ("such a time by another", TIME, "093000.1234567", "093000.123456", True),
    ("no range holds what is no date", DATE, "unknown", "19000101-", False),
    ("what is no date finds itself", DATE, "unknown", "unknown", True),
    ("a time within", TIME, "103015.5", "1030-1100", True),
    ("a time of less precision stands for its span", TIME, "103059.999", "1030", True),
    ("and not for more", TIME, "1031", "1030", False),
    ("an hour", TIME, "105959", "10", True),
    ("a range ends with the span of its end", TIME, "110059", "1030-1100", True),
    ("a range of times open to the past", TIME, "0000", "-1030", True),
    ("a time with colons", TIME, "10:30:15", "1030", True),
    ("no range holds an absent time", TIME, "", "-2359", False),
    # list of UID, C.2.2.2.2
    ("a UID", UID, "1.2.3", "1.2.3", True),
    ("a list of UIDs", UID, "1.2.3", "1.2.2\\1.2.3\\1.2.4", True),
    ("a list without it", UID, "1.2.3", "1.2.2\\1.2.4", False),
    ("a UID that begins alike", UID, "1.2.3", "1.2.33", False),
    ("a long list", UID, "1.2.3", "\\".join(f"1.2.{i}" for i in range(2000)), True),
    # person names, C.2.2.2.1.1
    ("the case of a name does not count", NAME, "Smith^John", "SMITH^john", True),
    ("nor do its accents", NAME, "Müller^José", "muller^jose", True),
    ("nor those of the key", NAME, "Muller", "Müller", True),
    ("nor trailing carets", NAME, "Smith^John^^^", "Smith^John", True),
    ("nor those of the key", NAME, "Smith", "Smith^^^^", True),
    ("a family name alone is another name", NAME, "Smith^John", "Smith", False),
    ("a prefix", NAME, "Smith^John", "smi*", True),
    ("a stretch", NAME, "Smith^John", "*TH^jo*", True),
    ("a key finds the alphabetic group", NAME, TAROU, "Yamada^Tarou", True),
    ("a key finds the ideographic group", NAME, TAROU, "山田^太郎", True),
    ("a key finds the phonetic group", NAME, TAROU, "やまだ*", True),
    ("a key of groups", NAME, TAROU, "*=山田*", True),
    ("a key of groups must fit in each", NAME, TAROU, "Smith*=山田*", False),
    ("a stretch does not cross groups", NAME, TAROU, "tarou*山", False),
    ("the voicing of kana counts", NAME, "=さとう", "=ざとう", False),
    ("a letter with a stroke", NAME, "Sørensen", "sorensen", True),
    # several values, any of which matches
    ("the first of several", SEVERAL, "ORIGINAL\\PRIMARY", "ORIGINAL", True),
    ("the last of several", SEVERAL, "ORIGINAL\\PRIMARY", "PRIM*", True),
    ("none of several", SEVERAL, "ORIGINAL\\PRIMARY", "AXIAL", False),
    ("a wildcard does not cross values", SEVERAL, "AB\\CD", "A*D", False),
    ("one of several names", NAMES, "Smith^A\\Jones^B", "jones*", True),
    ("one of several IDs", IDS, "A1\\B2", "B2", True),
    ("several in an attribute of one", SHORT, "A1\\B2", "B2", True),
    ("a wildcard does not cross these either", SHORT, "A1\\B2", "A*2", False),
    ("a list of codes", CODE, "MR", "CT\\MR", True),
    ("a list of codes without it", CODE, "US", "CT\\MR", False),
    ("a backslash in long text is text", LONG, "a\\b", "a\\b", True),
    ("and separates nothing", LONG, "b", "a\\b", False),
    # numbers, by value
    ("zeros in front do not count", NUMBER, "2", "02", True),
    ("nor those of the value", NUMBER, "002", "2", True),
    ("another number", NUMBER, "20", "2", False),
    ("decimals", "PatientWeight", "70.50", "70.5", True),
    ("binary numbers", "Rows", "512", "0512", True),
    ("what is no number finds itself", NUMBER, "1a", "1a", True),
]


@pytest.fixture(scope="module")
def index(new_index: Callable[[], Index]) -> Index:
    return new_index()


def header_with(keyword: str, value: str) -> Header:
    columns = {name: "" for level in Level for name in column_names(level)}
    uids = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1", "SOPInstanceUID": "1.1.1.1"}
    return Header(columns | uids | {keyword: value})


@pytest.mark.parametrize(("keyword", "value", "key", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_a_rule(index: Index, keyword: str, value: str, key: str, expected: bool) -> None:
    attribute = BY_KEYWORD[keyword]
    model = index[attribute.level]
    header = header_with(keyword, value)
    writer.record(index, header, FileFacts("1.2.840.10008.1.2", 0, "", ""))
    try:
        asked = condition(attribute, columns_of(model, attribute), model, key)
        rows = model.select() if asked is None else model.select().where(asked)
        assert (rows.count() == 1) is expected
    finally:
        writer.forget(index, header.uids)
    assert matches(attribute.vr, value, key) is expected


def test_every_rule_is_asked_for_and_cites_its_clause() -> None:
    asked = {rule_for(BY_KEYWORD[keyword].vr, key).name for _, keyword, _, key, _ in CASES}
    assert asked == {rule.name for rule in RULES}
    assert all(rule.clause.startswith("PS3.4 C.2.2.2") and rule.sentence for rule in RULES)


@pytest.mark.parametrize("key", ["", " ", "*", "**", "\\", "A\\*"])
def test_a_universal_key_makes_no_condition(index: Index, key: str) -> None:
    attribute = BY_KEYWORD[TEXT]
    model = index[attribute.level]
    assert is_universal(attribute.vr, key)
    assert condition(attribute, columns_of(model, attribute), model, key) is None


# ---- every VR, of one value and of several, also those that the table of attributes has not

KEYWORDS = [
    "StationAETitle",
    "RetrieveAETitle",
    "PatientAge",
    "SelectorAttribute",
    "FrameIncrementPointer",
    "Modality",
    "ImageType",
    "StudyDate",
    "DateOfLastCalibration",
    "PatientWeight",
    "PixelSpacing",
    "AcquisitionDateTime",
    "ReferencedDateTime",
    "EventTimeOffset",
    "TableOfYBreakPoints",
    "InstanceNumber",
    "ReferencedFrameNumber",
    "StudyDescription",
    "OtherPatientIDs",
    "PatientComments",
    "PatientName",
    "OperatorsName",
    "AccessionNumber",
    "ConvolutionKernel",
    "ReferencePixelX0",
    "InstitutionAddress",
    "StudyTime",
    "TimeOfLastCalibration",
    "LongCodeValue",
    "SOPClassUID",
    "RelatedGeneralSOPClassUID",
    "SimpleFrameList",
    "RetrieveURL",
    "Rows",
    "TextValue",
]
# One attribute of each VR that holds one value, and one that holds several.
ATTRIBUTES = {
    (attribute.vr, attribute.multiple): attribute
    for attribute in (Attribute(keyword, Level.IMAGE) for keyword in KEYWORDS)
}
# VR, whether of several values, stored value, key, whether it matches
ROWS = [
    ("an AE title by wildcard", "AE", False, "STORE", "ST*", True),
    ("the padding of an AE title does not count", "AE", False, "STORE", " STORE ", True),
    ("one of several AE titles", "AE", True, "A1\\STORE", "STO?E", True),
    ("an age", "AS", False, "045Y", "045Y", True),
    ("a star is no wildcard for ages", "AS", False, "045Y", "04*", False),
    ("a tag", "AT", False, "00080020", "00080020", True),
    ("one of several tags", "AT", True, "00080020\\7FE00010", "7FE00010", True),
    ("a star is no wildcard for tags", "AT", False, "00080020", "0008*", False),
    ("the case of a code counts", "CS", False, "CT", "ct", False),
    ("a wildcard in a list of codes", "CS", False, "MR1", "CT\\MR*", True),
    ("an empty part of a list is passed over", "CS", False, "MR", "CT\\", False),
    ("an absent code is in no list", "CS", False, "", "CT\\MR", False),
    ("a star in a list matches an absent code", "CS", False, "", "CT\\*", True),
    ("an empty value among several", "CS", True, "A\\\\B", "B", True),
    ("a question mark needs a character", "CS", True, "", "?*", False),
    ("a month", "DA", False, "20210115", "202101", True),
    ("a year", "DA", False, "20210115", "2021", True),
    ("one of several dates within", "DA", True, "20200101\\20210101", "20201231-20210102", True),
    ("several dates around a range", "DA", True, "20200101\\20220101", "20210101-20211231", False),
    ("no range holds an absent date of several", "DA", True, "", "-20211231", False),
    ("an upside down range of years", "DA", False, "20200601", "2021-2020", False),
    ("a question mark is no wildcard for dates", "DA", False, "20210115", "2021011?", False),
    ("a range of dates with spaces", "DA", False, "20210115", "20210101 - 20210131", True),
    ("a dash alone is no range", "DA", False, "20210115", "-", False),
    ("decimals with an exponent", "DS", False, "1e2", "100", True),
    ("minus zero", "DS", False, "-0.0", "0", True),
    ("one of several decimals", "DS", True, "0.50\\0.25", ".25", True),
    ("a decimal is no substring", "DS", False, "70.5", "70", False),
    ("an absent number is not zero", "DS", False, "", "0", False),
    ("a moment", "DT", False, "20240131103000", "20240131103000", True),
    ("a day of moments", "DT", False, "20240131103000", "20240131", True),
    ("a month of moments", "DT", False, "20240131103000", "202402", False),
    ("a moment's fraction", "DT", False, "20240131103000.25", "20240131103000.25", True),
    ("a moment of less precision begins its span", "DT", False, "2024", "20240101", True),
    ("a range of moments", "DT", False, "20240131103000", "20240131-20240201", True),
    ("a range ends with its last moment", "DT", False, "20240201235959", "2024-20240201", True),
    ("a range of moments open to the past", "DT", False, "2024", "-20240101", True),
    ("a range of moments open to the future", "DT", False, "20240131", "2024-", True),
    ("no range holds an absent moment", "DT", False, "", "-2024", False),
    ("nor one to the future", "DT", False, "", "2024-", False),
    ("a range of moments upside down", "DT", False, "20240131", "2025-2023", False),
    ("the same moment elsewhere", "DT", False, "20240131103000+0100", "20240131093000+0000", True),
    ("the same clock elsewhere", "DT", False, "20240131103000+0100", "20240131103000-0500", False),
    ("without offset the clock counts", "DT", False, "20240131103000+0100", "2024013110", True),
    ("a range with offsets", "DT", False, "20240131133000+0000",
     "20240131080000-0500-20240131090000-0500", True),
    ("what is no moment finds itself", "DT", False, "unknown", "unknown", True),
    ("one of several moments", "DT", True, "20230101\\20240131", "202401", True),
    ("a kernel among several", "SH", True, "H30\\B40f", "B*", True),
    ("no range holds what is no moment", "DT", False, "unknown", "1900-", False),
    ("a double", "FD", False, "1.25", "1.250", True),
    ("an integer as a double", "FD", False, "2.0", "2", True),
    ("one of several doubles", "FD", True, "1.5\\2.5", "2.5", True),
    ("a plus sign", "IS", False, "+5", "5", True),
    ("one of several integers", "IS", True, "1\\02", "2", True),
    ("several integers in a key", "IS", False, "3", "1\\3", True),
    ("a dash is no range for integers", "IS", False, "3", "1-5", False),
    ("brackets are a range of nothing", "LO", False, "a", "[abc]", False),
    ("nor with a star", "LO", False, "a1", "[abc]*", False),
    ("brackets find themselves", "LO", False, "[abc]", "[abc]", True),
    ("a closing bracket", "LO", False, "a]b", "a]*", True),
    ("a caret in brackets", "LO", False, "b", "[^a]*", False),
    ("a double quote", "LO", False, 'a"b', 'a"*', True),
    ("an underscore without a wildcard", "LO", False, "AB", "A_", False),
    ("a dash is no range for text", "LO", False, "20210115", "20210101-20210131", False),
    ("an ID among several by wildcard", "LO", True, "A1\\B22\\C3", "B*2", True),
    ("IDs in a list", "LO", True, "A1\\B2", "X\\B2", True),
    ("accents count in text", "LO", False, "Müller", "Muller", False),
    ("an equals sign is text", "LO", False, "a=b", "b", False),
    ("carets count in text", "LO", False, "a^", "a", False),
    ("a star crosses lines", "LT", False, "one\r\ntwo", "one*two", True),
    ("a question mark is an end of line too", "LT", False, "one\ntwo", "one?two", True),
    ("spaces in front count in long text", "LT", False, "  a", "a", False),
    ("spaces behind do not", "LT", False, "a", "a  ", True),
    ("a star finds a backslash in long text", "LT", False, "a\\b", "a*b", True),
    ("a star behind a caret finds a name without", "PN", False, "Smith", "smith^*", True),
    ("and one with", "PN", False, "Smith^John", "smith^*", True),
    ("and no other", "PN", False, "Smithson^John", "smith^*", False),
    ("question marks in names", "PN", False, "Smith^John", "S??TH^j*", True),
    ("a sharp s", "PN", False, "Groß^Ä", "GROSS^a", True),
    ("a key of the second group alone", "PN", False, TAROU, "=山田*", True),
    ("a key of the third group alone", "PN", False, TAROU, "==やまだ^たろう", True),
    ("a key of a group that is not there", "PN", False, "Yamada^Tarou", "*=山*", False),
    ("an empty group at the end", "PN", False, "Yamada^Tarou", "yamada^tarou=", True),
    ("an absent name", "PN", False, "", "?*", False),
    ("delimiters alone are universal", "PN", False, "", "^^", True),
    ("a per cent sign in a name", "PN", False, "Smith", "Sm%", False),
    ("a list of names", "PN", False, "Smith^John", "jones\\smith*", True),
    ("a star does not cross names", "PN", True, "A^B\\C^D", "a*d", False),
    ("spaces of any kind alone are universal", "PN", False, "", " \n\u3000", True),
    ("a list of spaces is, too", "PN", False, "Smith", "\n\\\u3000", True),
    ("a group of one of several names", "PN", True, f"A^B\\{TAROU}", "山田^太郎", True),
    ("a short text by case", "SH", False, "a1", "A1", False),
    ("a negative number", "SL", False, "-5", "-05", True),
    ("an address by wildcard", "ST", False, "Main Road 1", "*Road*", True),
    ("an address with a backslash", "ST", False, "a\\b", "b", False),
    ("one of several times", "TM", True, "0900\\1030", "10", True),
    ("a time at the end of a range", "TM", False, "103059.999999", "1000-1030", True),
    ("a time behind it", "TM", False, "1031", "1000-1030", False),
    ("a range of times upside down", "TM", False, "1030", "1100-1000", False),
    ("a star is no wildcard for times", "TM", False, "1030", "10*", False),
    ("an unlimited text of one", "UC", False, "a1", "?1", True),
    ("one of several UIDs", "UI", True, "1.2\\1.3", "1.3", True),
    ("a UID of several in a list", "UI", True, "1.2\\1.3", "1.9\\1.3", True),
    ("a padded UID", "UI", False, "1.2.3", "1.2.3\0", True),
    ("a list with spaces", "UI", False, "1.2.3", "1.2 \\ 1.2.3", True),
    ("an absent UID is in no list", "UI", False, "", "1.2\\1.3", False),
    ("a question mark is no wildcard for UIDs", "UI", False, "1.2.3", "1.2.?", False),
    ("a UID in another writing is another", "UI", False, "1.02", "1.2", False),
    ("one of several unsigned numbers", "UL", True, "7\\4294967295", "4294967295", True),
    ("an address on the web by wildcard", "UR", False, "http://host/a?b", "http://*b", True),
    ("an unsigned number", "US", False, "512", "512.0", True),
    ("unlimited text by wildcard", "UT", False, "a\\b*c", "*b[*", False),
    ("unlimited text", "UT", False, "a 'quoted' b", "*'quoted'*", True),
]  # fmt: skip


class _TakenBackError(Exception):
    pass


class Tables:
    """A database with a small table for each of ATTRIBUTES."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.database = engine, engine.database
        self._models = {kind: self._model(a) for kind, a in ATTRIBUTES.items()}
        self.database.create_tables(self._models.values())

    def _model(self, attribute: Attribute) -> Any:
        names = dict.fromkeys((attribute.column, *match_columns(attribute)))
        if not self.engine.dialect.calls_python:
            names |= dict.fromkeys(kept_columns(attribute))
        fields: dict[str, Any] = {name: TextField() for name in names}
        fields |= {"several": IntegerField(), "Meta": type("Meta", (), {"database": self.database})}
        return type(attribute.keyword, (Model,), fields)

    def finds(self, attribute: Attribute, value: str, key: str) -> bool:
        """Whether the condition for `key` finds a row of `value`."""
        model = self._models[attribute.vr, attribute.multiple]
        row = dict(zip(match_columns(attribute), folded(attribute, value), strict=True))
        row |= {attribute.column: value, "several": int(has_several(attribute, value))}
        if not self.engine.dialect.calls_python:
            kept = kept_forms(attribute, value)
            row |= dict(zip(kept_columns(attribute), kept, strict=True))
        asked = condition(attribute, columns_of(model, attribute), model, key)
        with suppress(_TakenBackError), self.engine.at_one_time():
            model.insert(**row).execute()
            found = (model.select() if asked is None else model.select().where(asked)).count()
            raise _TakenBackError
        assert found in (0, 1)
        return bool(found)


@pytest.fixture(scope="module")
def tables(new_index: Callable[[], Index]) -> Tables:
    return Tables(new_index().engine)


@pytest.mark.parametrize(("vr", "multiple", "value", "key", "expected"), [row[1:] for row in ROWS],
                         ids=[row[0] for row in ROWS])  # fmt: skip
def test_a_rule_of_a_vr(
    tables: Tables, vr: str, multiple: bool, value: str, key: str, expected: bool
) -> None:
    assert matches(vr, value, key) is expected, "in Python"
    assert tables.finds(ATTRIBUTES[vr, multiple], value, key) is expected, "in SQL"


def test_every_vr_with_a_rule_of_its_own_is_asked() -> None:
    assert {vr for vr, _ in ATTRIBUTES} == {row[1] for row in ROWS}
    assert WILDCARD_VRS | RANGE_VRS | {"UI", "PN", "IS", "DS", "US"} <= {row[1] for row in ROWS}


PIECES = st.sampled_from([
    *"*?[]%_'\"\\^=- .:+0129aAéE", "2024", "1030", "20240131", "0100", "1.2", "山", "\n",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=8).map("".join)
SIGNS = st.sampled_from(["*", "?", "-", "\\", "^", "="])


@st.composite
def keys_to(draw: st.DrawFn, value: str) -> str:
    """A key of any make; often one made from the value, since few others match."""
    if not draw(st.booleans()):
        return draw(TEXTS)
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(value))] * 2)))
    return value[:first] + draw(st.one_of(SIGNS, st.just(""))) + value[last:]


@pytest.mark.parametrize("vr", sorted({vr for vr, _ in ATTRIBUTES}))
def test_sql_answers_as_python_does(tables: Tables, vr: str) -> None:
    """Of any value and any key, as they come from a data set: without padding."""
    most = 100 if tables.engine.dialect.calls_python else 15

    @settings(max_examples=examples(most), deadline=None, database=None)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        attribute = data.draw(st.sampled_from([a for a in ATTRIBUTES.values() if a.vr == vr]))
        value = strip(vr, data.draw(TEXTS, label="value"))
        key = strip(vr, data.draw(keys_to(value), label="key"))
        found = tables.finds(attribute, value, key)
        assert found is matches(vr, value, key)

    holds()
