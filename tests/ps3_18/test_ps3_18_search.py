"""PS3.18 10.6 and 8.3.4, asked from outside: what a search finds, answers, and refuses."""

import re
from urllib.parse import quote

import pytest
from support.checks.dicomweb import parts
from support.data.web_kit import A, B, C, D, Kit

STUDIES = {A: "A", B: "B", C: "C", D: "D"}
CT, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7.4"


def found(kit: Kit, path: str) -> list[dict]:
    """The answers of a search."""
    answer = kit.ask(path)
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.content else []


def studies(kit: Kit, query: str) -> str:
    """Which of the four studies a search finds, as letters."""
    uids = [one["0020000D"]["Value"][0] for one in found(kit, f"studies?{query}")]
    assert len(uids) == len(set(uids))
    return "".join(sorted(STUDIES[uid] for uid in uids if uid in STUDIES))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # Table 10.6.1-5, at the level of studies; by keyword, by tag, in small letters.
        ("StudyDate=20240115", "A"), ("00080020=20240115", "A"), ("StudyTime=235959", "B"),
        ("AccessionNumber=X1", "C"), ("ModalitiesInStudy=MR&PatientID=PAT-1", "A"),
        ("ModalitiesInStudy=CT&StudyInstanceUID={A}", "A"),
        ("ReferringPhysicianName=REF%5EDOC", "ABD"), ("PatientName=DOE%5EJOHN", "A"),
        ("PatientID=PAT-1", "A"), ("00100020=PAT-1", "A"), ("StudyID=2", "B"),
        ("StudyInstanceUID={A}", "A"), ("0020000D={B}", "B"), ("0020000d={B}", "B"),
        # A list of UIDs has commas (8.3.4.1), or backslashes as in C-FIND.
        ("StudyInstanceUID={A},{B}", "AB"), ("StudyInstanceUID={A}%2C{C}", "AC"),
        ("StudyInstanceUID={A}%5C{D}", "AD"), ("StudyInstanceUID=1.2.3,{B}", "B"),
        # Percent-encoded or not, as RFC 3986 lets it be.
        ("PatientName=DOE^JOHN", "A"), ("PatientName=DOE%5eJOHN", "A"),
        ("%50atientName=DOE%5EJOHN", "A"), ("AccessionNumber=ACC%201%2B2", "A"),
        ("AccessionNumber=ACC+1%2B2", "A"), ("StudyID=S%201", "ACD"), ("StudyID=S+1", "ACD"),
        ("StudyDescription=CHEST%3B%20100%25%20%26%20more%3Dless", "ACD"),
        ("StudyDescription=" + quote("Übersicht"), "B"),
        ("PatientName=" + quote("Müller^Jürgen"), "B"),
        ("PatientName=" + quote("山田*"), ""), ("PatientName=" + quote("*=山田*"), "C"),
        ("PatientName=" + quote("Yamada^Tarou"), "C"),
        ("PatientName=" + quote("Yamada^Tarou=山田^太郎"), "C"),
        # Wild cards (PS3.4 C.2.2.2.4), with the case of names alone left open.
        ("PatientName=DOE*", "A"), ("PatientName=DOE%2A", "A"), ("PatientName=D?E%5EJ*", "A"),
        ("PatientName=D%3FE*", "A"), ("PatientName=doe%5Ejohn", "A"), ("PatientID=PAT-*", "ABD"),
        ("PatientID=pat-1", ""), ("PatientID=PAT%3F*", "ABCD"), ("AccessionNumber=X%3F", "CD"),
        ("PatientID=*1&PatientName=DOE*", "A"), ("PatientID=PAT-_", ""), ("PatientID=PAT-%25", ""),
        # Ranges (C.2.2.2.5).
        ("StudyDate=20240115-20240116", "AB"), ("StudyDate=-20240115&PatientID=PAT*", "AC"),
        ("StudyDate=20240116-&PatientID=PAT*", "B"), ("StudyDate=20240114-20240114", ""),
        ("StudyDate=20231231-20240115&PatientID=PAT*", "AC"),
        ("StudyTime=10-11&PatientID=PAT*", "A"), ("StudyTime=101530-101530.5&PatientID=PAT*", "A"),
        # Both as one time (C.2.2.2.5.4, which 8.3.4.1.1 has be so).
        ("StudyDate=20231231-20240115&StudyTime=070000-110000&PatientID=PAT*", "AC"),
        ("StudyDate=20240115-20240116&StudyTime=200000-110000&PatientID=PAT*", ""),
        ("StudyDate=20240115-20240117&StudyTime=120000-110000&PatientID=PAT*", "B"),
        # Nothing, or "*", matches all.
        ("PatientID=&StudyInstanceUID={A},{B}", "AB"), ("PatientID&StudyInstanceUID={A}", "A"),
        ("PatientSex=*&StudyInstanceUID={A},{D}", "AD"),
        ("PatientBirthDate=&StudyInstanceUID={D}", "D"),
        # Keys of a sequence, and of series and instances below.
        ("OtherPatientIDsSequence.PatientID=11235813&PatientName=DOE*", "A"),
        ("00101002.00100020=11235813&PatientID=PAT-1", "A"),
        ("00101002.00100020=1123581&PatientID=PAT-1", ""),
        ("00101002.PatientID=11235813&PatientID=PAT-1", "A"),
        # With nothing between (8.3).
        ("PatientID=PAT-1&", "A"), ("&PatientID=PAT-1", "A"), ("PatientID=PAT-1&&limit=5", "A"),
        # Empty values (8.3.4.5).
        ("emptyvaluematching=true&PatientSex=&PatientID=PAT*", "ABCD"),
        ("emptyvaluematching=false&PatientSex=&PatientID=PAT*", "ABCD"),
        ('emptyvaluematching=true&PatientSex=%22%22&PatientID=PAT*', "D"),
        # Fuzzy names.
        ("fuzzymatching=true&PatientName=Doe", "A"),
        ("fuzzymatching=true&PatientName=jon%20doe&PatientID=PAT*", "A"),
        ("fuzzymatching=false&PatientName=Doe&PatientID=PAT*", ""),
    ],
)  # fmt: skip
def test_a_study_is_found_by_what_it_says(kit: Kit, query: str, expected: str) -> None:
    letters = studies(kit, query)
    if "PAT" not in query and "UID" not in query:
        assert set(expected) <= set(letters)  # samples may match too
        return
    assert letters == expected


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("studies/{A}/series", 2), ("studies/{A}/series?Modality=CT", 1),
        ("studies/{A}/series?00080060=MR", 1), ("studies/{A}/series?SeriesNumber=7", 1),
        ("studies/{A}/series?SeriesNumber=07", 1),
        ("studies/{A}/series?SeriesInstanceUID={A}.2", 1),
        ("studies/{A}/series?SeriesInstanceUID={A}.1,{A}.2", 2),
        ("studies/{A}/series?PerformedProcedureStepStartDate=20240115", 1),
        ("studies/{A}/series?PerformedProcedureStepStartTime=1000-1020", 2),
        ("studies/{A}/series?RequestAttributesSequence.ScheduledProcedureStepID=SPS1", 2),
        ("studies/{A}/series?RequestAttributesSequence.RequestedProcedureID=RP2", 0),
        ("studies/{A}/series?00400275.00401001=RP1", 2),
        ("studies/{A}/series?PatientID=PAT-1", 2), ("studies/{A}/series?PatientID=PAT-2", 0),
        ("series?PatientID=PAT-1", 2), ("series?PatientID=PAT-1&Modality=MR", 1),
        ("series?StudyInstanceUID={A}", 2),
        ("series?SeriesDescription=AXIAL%2C%20thin&PatientID=PAT-1", 1),
        ("studies/{A}/instances", 4), ("studies/{A}/instances?Modality=CT", 3),
        ("studies/{A}/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.2", 4),
        ("studies/{A}/instances?SOPInstanceUID={A}.1.2", 1),
        ("studies/{A}/instances?SOPInstanceUID={A}.1.1,{A}.1.3,{A}.2.1", 3),
        ("studies/{A}/series/{A}.1/instances", 3),
        ("studies/{A}/series/{A}.1/instances?InstanceNumber=2", 1),
        ("studies/{A}/series/{A}.1/instances?InstanceNumber=02", 1),
        ("studies/{A}/series/{A}.2/instances", 1), ("studies/{A}/series/1.2.3/instances", 0),
        ("studies/1.2.3/series", 0), ("studies/1.2.3/instances", 0),
        ("instances?PatientID=PAT-1", 4), ("instances?SOPInstanceUID={A}.1.2", 1),
        ("instances?SeriesInstanceUID={A}.1", 3),
        ("instances?StudyInstanceUID={A}&InstanceNumber=1", 2),
        ("instances?PatientName=DOE*&Rows=24", 4), ("instances?PatientName=DOE*&Rows=25", 0),
        ("studies/{A}/instances?00230010=AcmeCompany&00231001=001239", 4),
        ("studies/{A}/instances?00230010=AcmeCompany&00231001=other", 0),
        ("studies/{A}/series/", 2), ("studies/{A}/instances/", 4), ("series/?PatientID=PAT-1", 2),
    ],
)  # fmt: skip
def test_series_and_instances_are_found_at_each_path(kit: Kit, path: str, count: int) -> None:
    assert len(found(kit, path)) == count


OF_STUDY = {"00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00081190",
            "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206",
            "00201208"}  # fmt: skip
OF_SERIES = {"00080060", "0008103E", "00081190", "0020000E", "00200011", "00201209", "00400244",
             "00400245", "00400275"}  # fmt: skip
OF_INSTANCE = {"00080016", "00080018", "00080056", "00081190", "00200013", "00280010", "00280011",
               "00280100"}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("studies?PatientID=PAT-1", OF_STUDY), ("studies/{A}/series", OF_SERIES),
        ("series?PatientID=PAT-1", OF_SERIES | OF_STUDY),
        ("studies/{A}/series/{A}.1/instances", OF_INSTANCE),
        ("studies/{A}/instances", OF_INSTANCE | OF_SERIES),
        ("instances?PatientID=PAT-1", OF_INSTANCE | OF_SERIES | OF_STUDY),
        ("studies/{B}/instances", OF_INSTANCE | {"00280008"}),
        ("studies/{A}/series?includefield=StudyDescription", OF_SERIES | {"00081030"}),
        ("studies/{A}/instances?includefield=PatientName,StudyDate", {"00100010", "00080020"}),
        ("studies?PatientID=PAT-1&includefield=00081030", {"00081030"}),
        ("studies?PatientID=PAT-1&includefield=0008103e,00081030", {"00081030"}),
        ("studies?PatientID=PAT-1&includefield=00081030%2C00101010", {"00081030"}),
        ("studies?PatientID=PAT-1&includefield=StudyDescription&includefield=PatientComments",
         {"00081030", "00104000"}),
        ("studies?PatientID=PAT-1&includefield=all", OF_STUDY | {"00081030"}),
        ("studies/{A}/series?includefield=all", OF_SERIES),
        ("studies/{A}/series/{A}.1/instances?includefield=all", OF_INSTANCE),
        ("studies?PatientID=PAT-1&StudyDescription=CHEST*", {"00081030"}),
        ("studies?PatientID=PAT-1&includefield=OtherPatientIDsSequence", {"00101002"}),
        ("studies?PatientID=PAT-1&includefield=OtherPatientIDsSequence.PatientID", {"00101002"}),
        ("studies?StudyInstanceUID={C}&includefield=TimezoneOffsetFromUTC", {"00080201"}),
        ("studies/{A}/instances?includefield=ImageType,WindowCenter", {"00080008", "00281050"}),
        ("studies/{A}/instances?00230010=AcmeCompany&includefield=00231001,00231002",
         {"00230010", "00231001", "00231002"}),
    ],
)  # fmt: skip
def test_an_answer_holds_what_the_tables_say_and_what_is_asked(
    kit: Kit, path: str, expected: set[str]
) -> None:
    for one in found(kit, path):
        assert expected <= one.keys(), expected - one.keys()
        assert list(one) == sorted(one)
        assert all(re.fullmatch("[0-9A-F]{8}", tag) and "vr" in held for tag, held in one.items())


@pytest.mark.parametrize(
    ("path", "absent"),
    [
        ("studies?PatientID=PAT-1&includefield=SeriesInstanceUID", "0020000E"),
        ("studies?PatientID=PAT-1&includefield=Modality,SOPInstanceUID", "00080018"),
        ("studies/{A}/series?includefield=InstanceNumber", "00200013"),
        ("studies?PatientID=PAT-1", "00081030"), ("studies/{A}/series", "00100010"),
    ],
)  # fmt: skip
def test_what_is_of_a_lower_level_is_not_answered(kit: Kit, path: str, absent: str) -> None:
    answers = found(kit, path)
    assert answers
    assert all(absent not in one for one in answers)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("00080020", {"vr": "DA", "Value": ["20240115"]}),
        ("00080030", {"vr": "TM", "Value": ["101530.25"]}),
        ("00080050", {"vr": "SH", "Value": ["ACC 1+2"]}),
        ("00080056", {"vr": "CS", "Value": ["ONLINE"]}),
        ("00080090", {"vr": "PN", "Value": [{"Alphabetic": "REF^DOC"}]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "DOE^JOHN"}]}),
        ("00100030", {"vr": "DA", "Value": ["19600102"]}),
        ("00201206", {"vr": "IS", "Value": [2]}), ("00201208", {"vr": "IS", "Value": [4]}),
        ("00081030", {"vr": "LO", "Value": ["CHEST; 100% & more=less"]}),
        ("00101002", {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["11235813"]}}]}),
    ],
)  # fmt: skip
def test_a_value_is_as_annex_f_has_it(kit: Kit, tag: str, expected: dict) -> None:
    (one,) = found(kit, f"studies?PatientID=PAT-1&includefield={tag}")
    held = one[tag]
    if expected["vr"] == "SQ":
        held["Value"] = [item for item in held["Value"] if item]
    assert held == expected


def test_modalities_in_study_are_several_values(kit: Kit) -> None:
    (one,) = found(kit, "studies?PatientID=PAT-1")
    assert sorted(one["00080061"]["Value"]) == ["CT", "MR"]


@pytest.mark.parametrize("tag", ["00080020", "00080030", "00100010", "00100030", "00100040"])
def test_an_attribute_without_a_value_is_there_and_has_none(kit: Kit, tag: str) -> None:
    (one,) = found(kit, "studies?PatientID=PAT-4")
    assert one[tag].keys() == {"vr"}


def test_a_name_of_three_groups_has_all_of_them(kit: Kit) -> None:
    (one,) = found(kit, f"studies?StudyInstanceUID={C}")
    assert one["00100010"]["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]


@pytest.mark.parametrize(
    ("path", "url"),
    [("studies?PatientID=PAT-1", "studies/{A}"), ("studies/{A}/series?Modality=CT",
    "studies/{A}/series/{A}.1"),
     ("series?SeriesInstanceUID={A}.2", "studies/{A}/series/{A}.2"),
     ("instances?SOPInstanceUID={A}.1.2", "studies/{A}/series/{A}.1/instances/{A}.1.2")],
)  # fmt: skip
def test_where_it_is_to_be_had_can_be_asked(kit: Kit, path: str, url: str) -> None:
    (one,) = found(kit, path)
    held = one["00081190"]
    assert held == {"vr": "UR", "Value": [f"{kit.web.url}/{url.format(A=A)}"]}
    answer = kit.ask(held["Value"][0].removeprefix(f"{kit.web.url}/"), "*/*")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=-1", 400), ("limit=abc", 400), ("limit=", 400), ("limit=1.5", 400),
        ("offset=-1", 400), ("offset=x", 400), ("offset=1e3", 400), 
        ("offset=100000000000000000000", 400),
        ("fuzzymatching=yes", 400), ("fuzzymatching=", 400), ("emptyvaluematching=1", 400),
        ("StudyDate=2024-01-15", 400), ("StudyDate=yesterday", 400), ("StudyTime=25", 400),
        ("StudyDate=20241301", 400), ("StudyDate=20240132", 400),
        ("StudyTime=1060", 400), ("InstanceNumber=abc", 400), ("Rows=-1", 400),
        ("SOPClassUID=CT", 400),
        ("StudyDate=20240115-20240116-20240117", 400), ("StudyInstanceUID=abc", 400),
        ("StudyInstanceUID=1.2.*", 400),
        ("PatientID=1&PatientID=2", 400), ("PatientID=1&00100020=1", 400), ("0010002=1", 400),
        ("00100020.00100010=1", 400), ("PatientID.PatientName=1", 400), ("001000200=1", 400),
        ("includefield=00100", 400), ("includefield=NoSuchKeyword", 400),
        ("charset=nonsense", 400), ("charset=UTF-8", 200), ("charset=utf-8", 200),
        ("NoSuchKeyword=1", 200), ("foo=bar", 200), ("foo", 200), ("_=1700000000", 200),
        ("includefield=", 200), ("includefield=all,StudyDate", 200), ("limit=0", 200),
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_refused_and_one_that_is_not_known_is_not(
    kit: Kit, query: str, status: int
) -> None:
    answer = kit.ask(
        f"studies?{query}&StudyInstanceUID={A}" if "UID" not in query else f"studies?{query}"
    )
    assert answer.status_code == status, answer.text
    if status == 400:
        assert len(answer.json()["message"]) > 10


@pytest.mark.parametrize("name", ["NoSuchKeyword", "foo", "patientid", "Limit"])
def test_of_what_is_not_known_a_warning_tells(kit: Kit, name: str) -> None:
    answer = kit.ask(f"studies?{name}=1&StudyInstanceUID={A}")
    assert len(answer.json()) == 1
    assert answer.headers["Warning"].startswith("299 ")
    assert name in answer.headers["Warning"]


@pytest.mark.parametrize(
    ("query", "is_told"),
    [("InstanceAvailability=ONLINE", False), ("00080056=*", False), ("00080056=OFFLINE", True),
     ("RetrieveURL=x", True), ("includefield=InstanceAvailability,RetrieveURL", False),
     ("PixelData=1", True), ("TimezoneOffsetFromUTC=%2B0900", True),
     ("NumberOfStudyRelatedInstances=9", True)],
)  # fmt: skip
def test_what_is_told_alone_narrows_nothing_and_that_is_told(
    kit: Kit, query: str, is_told: bool
) -> None:
    answer = kit.ask(f"studies?StudyInstanceUID={A}&{query}")
    (one,) = answer.json()
    assert one["00080056"]["Value"] == ["ONLINE"]
    assert one["00081190"]["Value"] == [f"{kit.web.url}/studies/{A}"]
    assert ("Warning" in answer.headers) is is_told


@pytest.mark.parametrize(
    ("query", "uids", "remaining"),
    [
        ("limit=1", 1, 3), ("limit=3", 3, 1), ("limit=4", 4, 0), ("limit=5", 4, 0),
        ("offset=1", 3, 0), ("offset=1&limit=1", 1, 2), ("offset=3&limit=10", 1, 0),
        ("offset=4", 0, 0), ("offset=400", 0, 0), ("limit=0", 0, 4),
    ],
)  # fmt: skip
def test_a_page_says_how_many_remain(kit: Kit, query: str, uids: int, remaining: int) -> None:
    answer = kit.ask(f"studies/{A}/instances?{query}")
    assert len(answer.json() if answer.content else []) == uids
    words = answer.headers.get("Warning", "")
    if not remaining:
        assert "additional" not in words
        return
    # As 8.3.4.4.1 words it.
    service = kit.web.url
    assert words == (
        f"299 {service}: There are {remaining} additional results that can be requested"
    )


def test_pages_are_in_one_order_and_make_the_whole(kit: Kit) -> None:
    whole = found(kit, "instances")
    paged = [
        one
        for at in range(0, len(whole), 3)
        for one in found(kit, f"instances?limit=3&offset={at}")
    ]
    assert paged == whole


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/dicom+json", "application/dicom+json"), ("*/*", "application/dicom+json"),
        ("application/json", "application/dicom+json"), ("application/*", "application/dicom+json"),
        ("APPLICATION/DICOM+JSON", "application/dicom+json"),
        ("application/dicom+json; charset=utf-8", "application/dicom+json"),
        ("application/dicom+json;q=0.5, text/html", "application/dicom+json"),
        ("text/html, application/xhtml+xml, */*;q=0.1", "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', "multipart/related"),
        ("multipart/related; type=application/dicom+xml", "multipart/related"),
        ('multipart/related;type="application/dicom+xml";q=0.9, application/dicom+json;q=0.5',
         "multipart/related"),
        ("application/dicom+json, multipart/related; type=application/dicom+xml;q=0.1",
         "application/dicom+json"),
        ("application/dicom+json  ,  text/plain ;q=0.3", "application/dicom+json"),
        (", application/dicom+json", "application/dicom+json"),
        ("application/dicom+json;q=0, */*;q=0.1", "multipart/related"),
        ("text/html", ""), ("image/jpeg", ""), ("application/dicom", ""), ("text/*", ""),
        ("application/dicom+json;q=0", ""), ('multipart/related; type="application/dicom"', ""),
        ("*/*;q=0", ""),
    ],
)  # fmt: skip
def test_the_accept_header_decides_the_form(kit: Kit, accept: str, kind: str) -> None:
    answer = kit.ask(f"studies?StudyInstanceUID={A}", accept)
    if not kind:
        assert answer.status_code == 406
        assert "application/dicom+json" in answer.text
        return
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("accept=application/dicom%2Bjson", "*/*", "application/dicom+json"),
        ("accept=application/dicom+json", "*/*", "application/dicom+json"),
        ("accept=multipart/related;type=%22application/dicom%2Bxml%22", "*/*", "multipart/related"),
        ("accept=multipart/related;type=application/dicom%2Bxml", "*/*", "multipart/related"),
        ("accept=text/html", "application/dicom+json", "application/dicom+json"),
        ("Accept=text/html", "application/dicom+json", "application/dicom+json"),
    ],
)  # fmt: skip
def test_the_parameter_accept_goes_first(kit: Kit, query: str, accept: str, kind: str) -> None:
    answer = kit.ask(f"studies?StudyInstanceUID={A}&{query}", accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind


def test_each_answer_in_xml_is_a_document_of_its_own(kit: Kit) -> None:
    answer = kit.ask(f"studies/{A}/series", 'multipart/related; type="application/dicom+xml"')
    held = parts(answer)
    assert len(held) == 2
    for head, data in held:
        assert head["Content-Type"].startswith("application/dicom+xml")
        assert data.startswith(b"<?xml")
        assert b"<NativeDicomModel" in data
        assert b'keyword="SeriesInstanceUID"' in data


@pytest.mark.parametrize("path", ["studies?PatientID=nobody", "studies/1.2.3/series"])
def test_nothing_found_is_a_success_without_results(kit: Kit, path: str) -> None:
    answer = kit.ask(path)
    assert (answer.status_code, answer.content) in ((200, b"[]"), (204, b""))


def test_several_accept_headers_are_one(kit: Kit) -> None:
    import http.client

    host = kit.web.origin.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest("GET", f"/dicom-web/studies?StudyInstanceUID={A}")
    connection.putheader("Accept", "text/html")
    connection.putheader("Accept", "application/dicom+json")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/dicom+json")
    connection.close()


@pytest.mark.parametrize("study", [B, D])
def test_values_come_back_as_they_were_sent(kit: Kit, study: str) -> None:
    (one,) = found(kit, f"studies?StudyInstanceUID={study}")
    name = one["00100010"].get("Value", [{}])[0].get("Alphabetic", "")
    assert name == ("Müller^Jürgen" if study == B else "")
