"""The rules of PS3.4 C.2.2.2: one table, each row asked in Python and in SQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import indexing
from storage.attributes import BY_KEYWORD, Level
from storage.database import connect
from storage.extract import Header
from storage.folding import fold
from storage.indexing import FileFacts
from storage.matching import RULES, condition, is_universal, matches, rule_for
from storage.models import Index, build, column_names, columns_of

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
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path: Path = tmp_path_factory.mktemp("index") / "index.sqlite"
    built = build(connect(path, sync=False))
    built.create()
    yield built
    built.database.close()


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
    indexing.record(index, header, FileFacts("1.2.840.10008.1.2", 0, "", ""))
    try:
        asked = condition(attribute, columns_of(model, attribute), model, key)
        rows = model.select() if asked is None else model.select().where(asked)
        assert (rows.count() == 1) is expected
    finally:
        indexing.forget(index, header.uids)
    assert matches(attribute.vr, fold(attribute.vr, value), key) is expected


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
