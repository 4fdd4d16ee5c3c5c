"""Identifiers: which are refused, which keys match, and exactly one answer an entity."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian
from support import CT, EXPLICIT, IMPLICIT, ct, encoded, identifier
from support.network.raw import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, ex, im

from storage import Archive, Level, Options, Query, Received, Root, prepare
from storage.diagnostics.errors import DataSetError, IdentifierError, MismatchError
from storage.dicom import instance_header
from storage.dicom.values.attributes import BY_KEYWORD, TABLE, UNIQUE, Key
from storage.dicom.values.conversion import element
from storage.query.identifier import MAX_IDENTIFIER_BYTES

CHARSET = "ISO_IR 100"
MR = "1.2.840.10008.5.1.4.1.1.4"
LEVEL = Tag(0x0008, 0x0052)
HIERARCHICAL, RELATIONAL = Options(), Options(relational=True)
# pydicom guesses, and says so, at garbage in another encoding than it claims.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def read(
    level: str | None, root: Root = Root.STUDY, options: Options = HIERARCHICAL, **keys: Any
) -> Query:
    return Query.read(root, encoded(identifier(level, **keys)), EXPLICIT, CHARSET, options)


# ---- the level

LEVELS = {
    Root.PATIENT: ["PATIENT", "STUDY", "SERIES", "IMAGE"],
    Root.STUDY: ["STUDY", "SERIES", "IMAGE"],
    Root.PATIENT_STUDY_ONLY: ["PATIENT", "STUDY"],
}
NOT_LEVELS = ["FRAME", "study", "INSTANCE", "STUDY\\SERIES", "*", "0", "X" * 100]


@pytest.mark.parametrize(("root", "level"), [(r, name) for r in Root for name in LEVELS[r]])
def test_a_level_of_the_model_is_read(root: Root, level: str) -> None:
    assert read(level, root).level is Level[level]


@pytest.mark.parametrize(("root", "level"), [
    (root, name)
    for root in Root
    for name in [*LEVELS[Root.PATIENT], *NOT_LEVELS]
    if name not in LEVELS[root]
])  # fmt: skip
def test_what_is_no_level_of_the_model_is_refused(root: Root, level: str) -> None:
    data = element(LEVEL, "CS", level.encode() + b" " * (len(level) % 2))
    with pytest.raises(IdentifierError, match="Query/Retrieve Level") as refused:
        Query.read(root, data, EXPLICIT, CHARSET)
    assert refused.value.offending == (LEVEL,)


@pytest.mark.parametrize("level", [None, "", "  "], ids=["missing", "empty", "padding"])
def test_an_identifier_without_a_level_is_refused(level: str | None) -> None:
    with pytest.raises(IdentifierError, match="No Query/Retrieve Level") as refused:
        read(level, PatientID="P1")
    assert refused.value.offending == (LEVEL,)


def test_a_level_may_be_padded() -> None:
    assert read(" SERIES ").level is Level.SERIES


# ---- encodings, and what is none


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, str(DeflatedExplicitVRLittleEndian)])
def test_an_identifier_is_read_in_its_transfer_syntax(syntax: str) -> None:
    held = identifier("STUDY", StudyInstanceUID="1.1", PatientName="Doe*")
    data = encoded(held, implicit=syntax == IMPLICIT)
    if syntax not in (EXPLICIT, IMPLICIT):
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
    query = Query.read(Root.STUDY, data, syntax, CHARSET)
    assert query.text(BY_KEYWORD["StudyInstanceUID"]) == "1.1"
    assert query.text(BY_KEYWORD["PatientName"]) == "Doe*"
    assert query.text(BY_KEYWORD["PatientID"]) == ""


def test_an_identifier_that_should_be_deflated_may_not_be() -> None:
    """pynetdicom2 sends it so."""
    data = encoded(identifier("STUDY", StudyInstanceUID="1.1", PatientName="Doe*"))
    query = Query.read(Root.STUDY, data, str(DeflatedExplicitVRLittleEndian), CHARSET)
    assert query.oddity == "it is not deflated, as its transfer syntax has it"
    assert query == replace(Query.read(Root.STUDY, data, EXPLICIT, CHARSET), oddity=query.oddity)


def test_what_neither_inflates_nor_is_a_data_set_is_refused_as_not_to_be_inflated() -> None:
    data = encoded(identifier("STUDY", StudyInstanceUID="1.1"))
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    for cut, words in ((data[:-1], "is damaged"), (deflated[:-1], "ends early")):
        with pytest.raises(DataSetError, match=f"The deflated data set {words}"):
            Query.read(Root.STUDY, cut, str(DeflatedExplicitVRLittleEndian), CHARSET)


def test_keys_are_read_in_the_identifiers_character_set() -> None:
    name = element(0x00100010, "PN", b"M\xfcller")
    level = element(LEVEL, "CS", b"STUDY ")
    plain = Query.read(Root.STUDY, level + name, EXPLICIT, "ISO_IR 144")
    assert plain.text(BY_KEYWORD["PatientName"]) == "Mќller"
    assert plain.character_set == ""
    named = element(0x00080005, "CS", b"ISO_IR 100")
    query = Query.read(Root.STUDY, named + level + name, EXPLICIT, "ISO_IR 144")
    assert query.text(BY_KEYWORD["PatientName"]) == "Müller"
    assert query.character_set == "ISO_IR 100"


def test_what_belongs_to_the_identifier_is_no_key() -> None:
    query = read("STUDY", InstanceAvailability="", RetrieveAETitle="X", StudyInstanceUID="",
                 QueryRetrieveView="CLASSIC", TimezoneOffsetFromUTC="+0100")  # fmt: skip
    # The offset is answered; none of these is matched.
    assert set(query.keys) == {Tag("StudyInstanceUID"), Tag("TimezoneOffsetFromUTC")}
    assert query.keys[Tag("TimezoneOffsetFromUTC")].text == ""
    assert set(query.unsupported) == {
        Tag("RetrieveAETitle"), Tag("QueryRetrieveView"), Tag("TimezoneOffsetFromUTC"),
    }  # fmt: skip
    assert query.asks_availability
    assert not read("STUDY").asks_availability


def test_what_no_data_set_holds_is_no_key() -> None:
    """Groups below 0008 (PS3.4 C.4.1.1.3): sent by Orthanc beside SOP Instance UID."""
    media = element(0x00020003, "UI", b"1.1\0"), element(0x00020010, "UI", b"")
    data = b"".join(media) + element(0x00080018, "UI", b"1.1\0") + element(LEVEL, "CS", b"IMAGE ")
    query = Query.read(Root.STUDY, data, EXPLICIT, CHARSET, RELATIONAL)
    assert set(query.keys) == {Tag("SOPInstanceUID")}
    assert query.unsupported == [Tag("MediaStorageSOPInstanceUID")]
    assert not query.from_headers


def test_what_is_of_the_encoding_is_no_key() -> None:
    """Length to End of ACR-NEMA, Data Set Trailing Padding."""
    end = element(0x00080001, "UL", bytes(4)), element(LEVEL, "CS", b"IMAGE ")
    padding = b"".join([*end, element(0x00080018, "UI", b"1.1\0"), b"\xfc\xff\xfc\xff", b"OB",
                        bytes(2), b"\4\0\0\0", bytes(4)])  # fmt: skip
    query = Query.read(Root.STUDY, padding, EXPLICIT, CHARSET, RELATIONAL)
    assert (set(query.keys), query.unsupported) == ({Tag("SOPInstanceUID")}, [])


IDENTIFIER = encoded(identifier("STUDY", StudyInstanceUID="1.1", PatientName="Doe^Jane"))


@settings(deadline=None, database=None)
@given(st.one_of(
    st.binary(max_size=100),
    st.integers(0, len(IDENTIFIER) - 1).map(lambda length: IDENTIFIER[:length]),
    st.tuples(st.integers(0, len(IDENTIFIER) - 1), st.binary(max_size=8)).map(
        lambda change: IDENTIFIER[: change[0]] + change[1] + IDENTIFIER[change[0] + 4 :]
    ),
), st.sampled_from([EXPLICIT, IMPLICIT, str(DeflatedExplicitVRLittleEndian)]))  # fmt: skip
def test_garbage_is_refused_or_read_and_nothing_else(data: bytes, syntax: str) -> None:
    try:
        query = Query.read(Root.STUDY, data, syntax, CHARSET)
    except (DataSetError, IdentifierError):
        return
    assert query.level in Root.STUDY.value


def test_an_identifier_that_is_cut_short_is_never_a_wider_one() -> None:
    """Cut at any byte: refused, or only whole keys are left."""
    for length in range(len(IDENTIFIER)):
        try:
            query = Query.read(Root.STUDY, IDENTIFIER[:length], EXPLICIT, CHARSET)
        except (DataSetError, IdentifierError):
            continue
        for keyword, text in (("StudyInstanceUID", "1.1"), ("PatientName", "Doe^Jane")):
            assert query.text(BY_KEYWORD[keyword]) in ("", text), length


def test_an_identifier_beyond_measure_is_refused() -> None:
    level = element(LEVEL, "CS", b"STUDY ")
    long = level + element(0x00400A160, "UT", b"x" * MAX_IDENTIFIER_BYTES)
    with pytest.raises(DataSetError):
        Query.read(Root.STUDY, long, EXPLICIT, CHARSET)


# ---- the unique keys

MISSING, WILD, MANY = "^No ", "^Wildcard in ", "^More than one "
P, S, E, N = "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
# root, level, keys, which is at fault and how; of a query (C-FIND)
UPPER = [
    (Root.STUDY, "STUDY", {}, None),
    (Root.STUDY, "STUDY", {S: "*"}, None),
    (Root.STUDY, "STUDY", {S: "1.1\\1.2"}, None),
    (Root.STUDY, "SERIES", {}, (S, MISSING)),
    (Root.STUDY, "SERIES", {S: ""}, (S, MISSING)),
    (Root.STUDY, "SERIES", {S: "*"}, (S, MISSING)),
    (Root.STUDY, "SERIES", {S: "1.*"}, (S, WILD)),
    (Root.STUDY, "SERIES", {S: "1.?"}, (S, WILD)),
    (Root.STUDY, "SERIES", {S: "1.1\\1.2"}, (S, MANY)),
    (Root.STUDY, "SERIES", {S: "1.1"}, None),
    (Root.STUDY, "SERIES", {S: "1.1", E: "1.2\\1.3"}, None),
    (Root.STUDY, "IMAGE", {S: "1.1"}, (E, MISSING)),
    (Root.STUDY, "IMAGE", {E: "1.2"}, (S, MISSING)),
    (Root.STUDY, "IMAGE", {S: "1.1", E: "1.2"}, None),
    (Root.STUDY, "IMAGE", {S: "1.1", E: "1.2\\1.3"}, (E, MANY)),
    (Root.PATIENT, "PATIENT", {}, None),
    (Root.PATIENT, "STUDY", {}, (P, MISSING)),
    (Root.PATIENT, "STUDY", {P: "P*"}, (P, WILD)),
    (Root.PATIENT, "STUDY", {P: "P1\\P2"}, (P, MANY)),
    (Root.PATIENT, "STUDY", {P: "P1"}, None),
    (Root.PATIENT, "SERIES", {S: "1.1"}, (P, MISSING)),
    (Root.PATIENT, "SERIES", {P: "P1"}, (S, MISSING)),
    (Root.PATIENT, "SERIES", {P: "P1", S: "1.1"}, None),
    (Root.PATIENT, "IMAGE", {P: "P1", S: "1.1"}, (E, MISSING)),
    (Root.PATIENT, "IMAGE", {P: "P1", S: "1.1", E: "1.2"}, None),
    (Root.PATIENT_STUDY_ONLY, "STUDY", {}, (P, MISSING)),
    (Root.PATIENT_STUDY_ONLY, "STUDY", {P: "P1"}, None),
]  # fmt: skip
# The same of a retrieve (C-MOVE, C-GET), beyond what holds of a query.
RETRIEVE = [
    *(row for row in UPPER if row[3]),
    (Root.STUDY, "STUDY", {}, (S, MISSING)),
    (Root.STUDY, "STUDY", {S: ""}, (S, MISSING)),
    (Root.STUDY, "STUDY", {S: "*"}, (S, MISSING)),
    (Root.STUDY, "STUDY", {S: "\\"}, (S, MISSING)),
    (Root.STUDY, "STUDY", {S: "1.1\\*"}, (S, MISSING)),
    (Root.STUDY, "STUDY", {S: "1.*"}, (S, WILD)),
    (Root.STUDY, "STUDY", {S: "1.1\\1.?"}, (S, WILD)),
    (Root.STUDY, "STUDY", {S: "1.1"}, None),
    (Root.STUDY, "STUDY", {S: "1.1\\1.2"}, None),
    (Root.STUDY, "STUDY", {S: "1.1", P: "", E: "", N: ""}, None),
    (Root.STUDY, "SERIES", {S: "1.1"}, (E, MISSING)),
    (Root.STUDY, "SERIES", {S: "1.1", E: "1.2\\1.3"}, None),
    (Root.STUDY, "IMAGE", {S: "1.1", E: "1.2"}, (N, MISSING)),
    (Root.STUDY, "IMAGE", {S: "1.1", E: "1.2", N: "*"}, (N, MISSING)),
    (Root.STUDY, "IMAGE", {S: "1.1", E: "1.2", N: "1.3\\1.4"}, None),
    (Root.PATIENT, "PATIENT", {}, (P, MISSING)),
    (Root.PATIENT, "PATIENT", {P: "P?"}, (P, WILD)),
    (Root.PATIENT, "PATIENT", {P: "P1\\P2"}, (P, MANY)),
    (Root.PATIENT, "PATIENT", {P: "P1"}, None),
    (Root.PATIENT, "STUDY", {P: "P1", S: "1.1\\1.2"}, None),
]  # fmt: skip


def row_id(row: tuple[Root, str, dict[str, str], tuple[str, str] | None]) -> str:
    keys = " ".join(f"{keyword}={value}" for keyword, value in row[2].items()) or "no key"
    return f"{row[0].name} {row[1]} {keys}"


def raw_query(root: Root, level: str, keys: dict[str, str], options: Options) -> Query:
    """Of keys that pydicom would not write."""
    held = {LEVEL: ("CS", level), **{Tag(k): (BY_KEYWORD[k].vr, v) for k, v in keys.items()}}
    data = b"".join(
        element(tag, vr, text.encode() + b" " * (len(text) % 2))
        for tag, (vr, text) in sorted(held.items())
    )
    return Query.read(root, data, EXPLICIT, CHARSET, options)


@pytest.mark.parametrize(("root", "level", "keys", "fault"), UPPER, ids=map(row_id, UPPER))
def test_a_query_needs_the_unique_keys_above_it(
    root: Root, level: str, keys: dict[str, str], fault: tuple[str, str] | None
) -> None:
    query = raw_query(root, level, keys, Options())
    if fault is None:
        query.check_upper_keys()
        return
    with pytest.raises(IdentifierError, match=fault[1] + fault[0]) as refused:
        query.check_upper_keys()
    assert refused.value.offending == (Tag(fault[0]),)
    assert len(str(refused.value)) <= 64


@pytest.mark.parametrize(("root", "level", "keys", "fault"), UPPER, ids=map(row_id, UPPER))
def test_a_relational_query_needs_none(
    root: Root, level: str, keys: dict[str, str], fault: tuple[str, str] | None
) -> None:
    raw_query(root, level, keys, RELATIONAL).check_upper_keys()


@pytest.mark.parametrize(("root", "level", "keys", "fault"), RETRIEVE, ids=map(row_id, RETRIEVE))
def test_a_retrieve_needs_its_own_unique_key_too(
    root: Root, level: str, keys: dict[str, str], fault: tuple[str, str] | None
) -> None:
    query = raw_query(root, level, keys, Options())
    if fault is None:
        query.check_retrieve_keys()
        return
    with pytest.raises(IdentifierError, match=fault[1] + fault[0]) as refused:
        query.check_retrieve_keys()
    assert refused.value.offending == (Tag(fault[0]),)


@pytest.mark.parametrize(("root", "level", "keys"), [
    (Root.STUDY, "STUDY", {}),
    (Root.STUDY, "IMAGE", {N: ""}),
    (Root.STUDY, "IMAGE", {N: "*"}),
    (Root.STUDY, "IMAGE", {N: "1.*"}),
    (Root.PATIENT, "PATIENT", {P: "P1\\P2"}),
])  # fmt: skip
def test_a_relational_retrieve_still_says_what(
    root: Root, level: str, keys: dict[str, str]
) -> None:
    with pytest.raises(IdentifierError):
        raw_query(root, level, keys, RELATIONAL).check_retrieve_keys()


def test_a_relational_retrieve_needs_no_more_than_that() -> None:
    raw_query(Root.STUDY, "IMAGE", {N: "1.3"}, RELATIONAL).check_retrieve_keys()


# ---- keys that match, keys that are answered, keys that are not supported


def keywords(attributes: list[Any]) -> set[str]:
    return {attribute.keyword for attribute in attributes}


def test_keys_of_the_level_and_the_unique_ones_above_match() -> None:
    query = read("SERIES", StudyInstanceUID="1.1", Modality="CT", PatientName="Doe",
                 StudyDate="20240101", InstanceNumber="1")  # fmt: skip
    assert keywords(query.matched) == {"StudyInstanceUID", "Modality"}
    everything = {"StudyInstanceUID", "Modality", "PatientName", "StudyDate", "InstanceNumber"}
    relational = read("SERIES", Root.STUDY, RELATIONAL, StudyInstanceUID="1.1", Modality="CT",
                      PatientName="Doe", StudyDate="20240101", InstanceNumber="1")  # fmt: skip
    assert keywords(relational.matched) == everything


def test_of_a_study_root_the_patients_attributes_are_the_studys() -> None:
    keys = {"PatientName": "Doe", "PatientID": "P1", "StudyDate": "20240101"}
    assert keywords(read("STUDY", Root.STUDY, **keys).matched) == set(keys)
    assert keywords(read("STUDY", Root.PATIENT, **keys).matched) == {"PatientID", "StudyDate"}


def test_what_is_asked_is_answered_and_the_unique_keys_above() -> None:
    query = read("IMAGE", StudyInstanceUID="1.1", SeriesInstanceUID="1.2", InstanceNumber="")
    assert keywords(query.returned) == {"StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber"}
    query = read("SERIES", Root.PATIENT, Modality="", SOPInstanceUID="")
    assert keywords(query.returned) == {"PatientID", "StudyInstanceUID", "Modality"}


@pytest.mark.parametrize(("level", "keys", "expected"), [
    ("STUDY", {"StudyDate": "20240101"}, []),
    ("STUDY", {"NumberOfStudyRelatedInstances": "5"}, ["NumberOfStudyRelatedInstances"]),
    ("STUDY", {"NumberOfStudyRelatedInstances": ""}, []),
    ("STUDY", {"ModalitiesInStudy": "CT"}, []),
    ("STUDY", {"Modality": "CT"}, ["Modality"]),  # of a level below
    ("STUDY", {"Modality": ""}, []),
    ("SERIES", {"StudyDate": "20240101"}, ["StudyDate"]),  # of a level above
    ("SERIES", {"StudyInstanceUID": "1.1"}, []),
    ("STUDY", {"BodyPartThickness": "5"}, []),  # matched from the headers
])  # fmt: skip
def test_keys_that_take_no_part_are_told(
    level: str, keys: dict[str, str], expected: list[str]
) -> None:
    assert read(level, **keys).unsupported == [Tag(keyword) for keyword in expected]
    if level == "STUDY" and "Modality" in keys:
        assert read(level, Root.STUDY, RELATIONAL, **keys).unsupported == []


def test_a_key_of_bulk_data_is_told_as_unsupported() -> None:
    held = identifier("STUDY", StudyInstanceUID="")
    held.add_new(0x7FE00010, "OW", b"\0\1")
    query = Query.read(Root.STUDY, encoded(held), EXPLICIT, CHARSET)
    assert query.unsupported == [Tag(0x7FE00010)]


def test_a_key_that_no_column_serves_is_for_the_headers() -> None:
    item = Dataset()
    item.ScheduledProcedureStepID = "S1"
    query = read("STUDY", StudyDate="", BodyPartThickness="5",
                 RequestAttributesSequence=Sequence([item]))  # fmt: skip
    assert set(query.from_headers) == {Tag("BodyPartThickness"), Tag("RequestAttributesSequence")}


# ---- answers

# study: (PatientID, series: (modality, instances: SOP classes))
HELD: dict[str, tuple[str, dict[str, tuple[str, list[str]]]]] = {
    "1": ("P1", {"1.1": ("CT", [CT, CT, CT]), "1.2": ("SR", [MR])}),
    "2": ("P1", {"2.1": ("MR", [MR, MR])}),
    "3": ("P2", {"3.1": ("CT", [CT]), "3.2": ("CT", [CT]), "3.3": ("", [MR])}),
}


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, place_index: Callable[[Path], None]
) -> Iterator[Archive]:
    data = tmp_path_factory.mktemp("query") / "data"
    prepare(data, sync=False, charset=CHARSET)
    place_index(data)
    opened = Archive(data, sync=False)
    for study, (patient, series) in HELD.items():
        for series_uid, (modality, classes) in series.items():
            for number, sop_class in enumerate(classes, 1):
                uid = f"{series_uid}.{number}"
                code = Dataset()
                code.CodeValue, code.CodeMeaning = f"C{study}", f"of {study}"
                held = ct(study, series_uid, uid, SOPClassUID=sop_class, Modality=modality,
                          PatientID=patient, InstanceNumber=str(number),
                          ProcedureCodeSequence=Sequence([code]))  # fmt: skip
                opened.store(Received(sop_class, uid, EXPLICIT, encoded(held), CHARSET))
    yield opened
    opened.close_thread()


def answers(
    archive: Archive,
    level: str,
    root: Root = Root.STUDY,
    options: Options = HIERARCHICAL,
    **keys: str,
) -> list[dict[str, str]]:
    query = read(level, root, options, **keys)
    names = [attribute.keyword for attribute in query.returned]
    return [dict(zip(names, a.texts, strict=True)) for a in archive.find(query, CHARSET)]


def test_each_entity_answers_once(archive: Archive) -> None:
    assert sorted(a[S] for a in answers(archive, "STUDY", StudyInstanceUID="")) == ["1", "2", "3"]
    patients = answers(archive, "PATIENT", Root.PATIENT, PatientID="")
    assert sorted(a[P] for a in patients) == ["P1", "P2"]
    found = answers(archive, "SERIES", StudyInstanceUID="3", SeriesInstanceUID="")
    assert sorted(a[E] for a in found) == ["3.1", "3.2", "3.3"]
    found = answers(archive, "IMAGE", StudyInstanceUID="1", SeriesInstanceUID="1.1",
                    SOPInstanceUID="")  # fmt: skip
    assert sorted(a[N] for a in found) == ["1.1.1", "1.1.2", "1.1.3"]


def test_each_entity_answers_once_to_keys_of_lower_levels(archive: Archive) -> None:
    found = answers(archive, "STUDY", Root.STUDY, RELATIONAL, StudyInstanceUID="", Modality="CT")
    assert sorted(a[S] for a in found) == ["1", "3"]
    found = answers(archive, "PATIENT", Root.PATIENT, RELATIONAL, PatientID="", Modality="CT",
                    InstanceNumber="1")  # fmt: skip
    assert sorted(a[P] for a in found) == ["P1", "P2"]
    found = answers(archive, "STUDY", Root.STUDY, RELATIONAL, StudyInstanceUID="", Modality="SR",
                    InstanceNumber="3")  # fmt: skip
    assert found == [], "no one instance is both, though each is in study 1"


def test_the_counts_are_exact(archive: Archive) -> None:
    for study, (_, series) in HELD.items():
        (found,) = answers(archive, "STUDY", StudyInstanceUID=study,
                           NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="",
                           ModalitiesInStudy="", SOPClassesInStudy="")  # fmt: skip
        classes = {sop_class for _, held in series.values() for sop_class in held}
        assert found["NumberOfStudyRelatedSeries"] == str(len(series))
        assert found["NumberOfStudyRelatedInstances"] == str(
            sum(len(held) for _, held in series.values())
        )
        assert found["ModalitiesInStudy"].split("\\") == sorted(
            {modality for modality, _ in series.values() if modality}
        )
        assert found["SOPClassesInStudy"].split("\\") == sorted(classes)
        for uid, (_, held) in series.items():
            keys = {S: study, E: uid, "NumberOfSeriesRelatedInstances": ""}
            (of_series,) = answers(archive, "SERIES", **keys)
            assert of_series["NumberOfSeriesRelatedInstances"] == str(len(held))
    for patient, counts in (("P1", ("2", "3", "6")), ("P2", ("1", "3", "3"))):
        (found,) = answers(archive, "PATIENT", Root.PATIENT, PatientID=patient,
                           NumberOfPatientRelatedStudies="", NumberOfPatientRelatedSeries="",
                           NumberOfPatientRelatedInstances="")  # fmt: skip
        assert counts == (
            found["NumberOfPatientRelatedStudies"],
            found["NumberOfPatientRelatedSeries"],
            found["NumberOfPatientRelatedInstances"],
        )


def test_counts_of_the_patient_are_answered_in_the_study_root_too(archive: Archive) -> None:
    (found,) = answers(archive, "STUDY", StudyInstanceUID="1", NumberOfPatientRelatedStudies="")
    assert found["NumberOfPatientRelatedStudies"] == "2"


def test_the_counts_are_those_of_all_and_not_of_the_matching(archive: Archive) -> None:
    (found,) = answers(archive, "STUDY", StudyInstanceUID="", ModalitiesInStudy="SR",
                       NumberOfStudyRelatedInstances="", NumberOfStudyRelatedSeries="")  # fmt: skip
    assert found == {S: "1", "ModalitiesInStudy": "CT\\SR", "NumberOfStudyRelatedInstances": "4",
                     "NumberOfStudyRelatedSeries": "2"}  # fmt: skip


@pytest.mark.parametrize(("key", "studies"), [
    ("CT", ["1", "3"]),
    ("SR", ["1"]),
    ("MR\\SR", ["1", "2"]),
    ("C*", ["1", "3"]),
    ("C", []),
    ("ct", []),
    ("CT*SR", []),
    ("", ["1", "2", "3"]),
    ("*", ["1", "2", "3"]),
])  # fmt: skip
def test_any_modality_of_a_study_matches(archive: Archive, key: str, studies: list[str]) -> None:
    found = answers(archive, "STUDY", StudyInstanceUID="", ModalitiesInStudy=key)
    assert sorted(answer[S] for answer in found) == studies


@pytest.mark.parametrize(("key", "studies"), [
    (CT, ["1", "3"]), (MR, ["1", "2", "3"]), ("1.2", []), (f"1.2\\{CT}", ["1", "3"]),
])  # fmt: skip
def test_any_class_of_a_study_matches(archive: Archive, key: str, studies: list[str]) -> None:
    found = answers(archive, "STUDY", StudyInstanceUID="", SOPClassesInStudy=key)
    assert sorted(answer[S] for answer in found) == studies


def test_keys_together_narrow(archive: Archive) -> None:
    keys = {"StudyInstanceUID": "", "PatientID": "P1", "ModalitiesInStudy": "MR"}
    assert [a[S] for a in answers(archive, "STUDY", **keys)] == ["2"]
    keys["PatientID"] = "P2"
    assert answers(archive, "STUDY", **keys) == []


def test_a_list_of_uids_finds_each(archive: Archive) -> None:
    found = answers(archive, "STUDY", StudyInstanceUID="1\\3\\9")
    assert sorted(answer[S] for answer in found) == ["1", "3"]


def test_a_key_of_an_upper_level_does_not_narrow(archive: Archive) -> None:
    found = answers(archive, "SERIES", StudyInstanceUID="1", PatientID="P9", StudyDate="19000101")
    assert len(found) == 2


def test_a_retrieve_is_widened_by_no_other_key(archive: Archive) -> None:
    query = read("SERIES", StudyInstanceUID="1", SeriesInstanceUID="1.1\\2.1", Modality="*",
                 SOPInstanceUID="", PatientID="")  # fmt: skip
    query.check_retrieve_keys()
    assert {location.uids[:2] for location in archive.locate(query)} == {("1", "1.1")}


def test_keys_in_sequences_match_and_are_answered_from_the_headers(archive: Archive) -> None:
    for code, studies in (
        ("C2", ["2"]),
        ("C*", ["1", "2", "3"]),
        ("C9", []),
        ("", ["1", "2", "3"]),
    ):
        item = Dataset()
        item.CodeValue, item.CodeMeaning = code, ""
        query = read("STUDY", StudyInstanceUID="", ProcedureCodeSequence=Sequence([item]))
        found = {a.texts[0]: a.extra[Tag("ProcedureCodeSequence")] for a in archive.find(query, "")}
        assert sorted(found) == studies
        for study, answered in found.items():
            (only,) = answered.items or ()
            assert {tag: held.text for tag, held in only.items()} == {
                Tag("CodeValue"): f"C{study}", Tag("CodeMeaning"): f"of {study}",
            }  # fmt: skip


UNREADABLE = {
    "no item": ex(0x00081032, "SQ", b"none"),
    "nested too deep": (ex(0x00081032, "SQ", b"", UNDEFINED) + im(ITEM, b"", UNDEFINED)) * 65
    + (ITEM_END + SEQUENCE_END) * 65,
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_sequence_that_cannot_be_read_is_told_and_the_others_are_found(
    tmp_path: Path, what: str
) -> None:
    """It was received as it came, and is asked for."""
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    archive = Archive(tmp_path / "data", sync=False)
    for study, sequence in (("1", b""), ("2", UNREADABLE[what])):
        data = sequence + encoded(ct(study, f"{study}.1", f"{study}.1.1"))
        archive.store(Received(CT, f"{study}.1.1", EXPLICIT, data, CHARSET))
    found = archive.find(read("STUDY", StudyInstanceUID="", ProcedureCodeSequence=None), CHARSET)
    assert [answer.texts[0] for answer in found] == ["1"]
    # One that can be read, and is too much to read, is left out with a warning of the answers'.
    left_out = found.search.left_out if what == "nested too deep" else found.search.unreadable
    assert [one.split()[0] for one in left_out] == ["2.1.1"]


# ---- the table


def test_the_table_has_one_unique_key_a_level() -> None:
    assert {level: a.keyword for level, a in UNIQUE.items()} == {
        Level.PATIENT: P, Level.STUDY: S, Level.SERIES: E, Level.IMAGE: N,
    }  # fmt: skip
    assert sum(a.key is Key.UNIQUE for a in TABLE) == len(Level)


def test_every_attribute_of_the_table_can_be_asked_at_its_level(archive: Archive) -> None:
    upper = {P: "P1", S: "1", E: "1.1"}
    for attribute in TABLE:
        if attribute.sequence:
            continue
        level = max(attribute.level, Level.PATIENT)
        keys = {k: v for k, v in upper.items() if BY_KEYWORD[k].level < level}
        found = answers(archive, level.name, Root.PATIENT, **{**keys, attribute.keyword: ""})
        assert found, attribute.keyword
        assert attribute.keyword in found[0]


def test_a_data_set_is_no_query_and_a_query_is_no_data_set() -> None:
    with pytest.raises(IdentifierError):
        Query.read(Root.STUDY, encoded(ct("1.1", "1.2", "1.3")), EXPLICIT, CHARSET)
    with pytest.raises(MismatchError):
        instance_header.header(BytesIO(IDENTIFIER), EXPLICIT, CHARSET)
