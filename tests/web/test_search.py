"""QIDO-RS (PS3.18 10.6): what a C-FIND finds, found over HTTP."""

from urllib.parse import quote

import pytest
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from support import CT, EXPLICIT, FIND, ct, encoded, find
from support.checks.dicomweb import Web

from storage.dicom import part10

ONE = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"  # of CT_small.dcm
NAMES = "CompressedSamples^CT1"


def file_of(uid: str, study: str) -> bytes:
    return part10.header(CT, uid, EXPLICIT) + encoded(ct(study, f"{study}.1", uid))


def uids(found: list[dict], tag: str = "0020000D") -> set[str]:
    return {one[tag]["Value"][0] for one in found}


def found_by_c_find(web: Web, **keys: str) -> set[str]:
    """The studies that a relational C-FIND finds."""
    options = [SOPClassExtendedNegotiation()]
    options[0].sop_class_uid = FIND["STUDY"]
    options[0].service_class_application_information = b"\x01"
    with web.node.association((FIND["STUDY"], EXPLICIT), ext_neg=options) as association:
        answers, final = find(
            association, FIND["STUDY"], "STUDY", **{"StudyInstanceUID": ""} | keys
        )
    assert final.Status == 0x0000
    found = [str(one.StudyInstanceUID) for one in answers]
    assert len(set(found)) == len(found)
    return set(found)


def test_all_studies_are_those_of_a_find(web: Web) -> None:
    found = web.get("studies").json()
    assert uids(found) == found_by_c_find(web)
    assert len(uids(found)) == len(found)


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ("PatientName=CompressedSamples*", {"PatientName": "CompressedSamples*"}),
        ("00100010=compressedsamples^ct1", {"PatientName": "compressedsamples^ct1"}),
        ("StudyDate=20040101-20041231", {"StudyDate": "20040101-20041231"}),
        ("ModalitiesInStudy=MR", {"ModalitiesInStudy": "MR"}),
        ("ModalitiesInStudy=MR,US", {"ModalitiesInStudy": "MR\\US"}),
        (f"StudyInstanceUID={ONE},1.2.3", {"StudyInstanceUID": f"{ONE}\\1.2.3"}),
        ("PatientID=", {"PatientID": ""}),
        ("PatientSex=O", {"PatientSex": "O"}),
    ],
)
def test_a_key_matches_as_in_a_find(web: Web, asked: str, keys: dict[str, str]) -> None:
    answer = web.get(f"studies?{asked}")
    assert answer.status_code == 200
    assert uids(answer.json()) == found_by_c_find(web, **keys)


def test_a_study_is_answered_with_what_the_table_says(web: Web) -> None:
    (study,) = web.get(f"studies?StudyInstanceUID={ONE}").json()
    assert study["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": NAMES}]}
    assert study["00080061"]["Value"] == ["CT"]
    assert study["00201206"]["Value"] == [1]
    assert study["00201208"]["Value"] == [1]
    assert study["00080056"]["Value"] == ["ONLINE"]
    assert study["00081190"]["Value"] == [f"{web.url}/studies/{ONE}"]
    assert {"00080020", "00080030", "00080050", "00080090", "00100020", "00200010"} <= study.keys()
    assert list(study) == sorted(study)


def test_a_study_of_no_modality_is_answered_without_modalities(web: Web) -> None:
    """Of one that has them without a value OHIF's list of studies shows an error, and no study."""
    found = [one.get("00080061") for one in web.get("studies").json()]
    assert None in found
    assert all(one is None or one["Value"] for one in found)


@pytest.mark.parametrize("path", ["series", "instances"])
def test_of_all_studies_an_answer_has_what_is_above_it(web: Web, path: str) -> None:
    (found,) = web.get(f"{path}?StudyInstanceUID={ONE}").json()
    assert found["00100010"]["Value"] == [{"Alphabetic": NAMES}]
    (of_study,) = web.get(f"studies/{ONE}/{path}").json()
    assert "00100010" not in of_study
    assert of_study["0020000D"]["Value"] == [ONE]


def test_what_is_included_is_answered(web: Web) -> None:
    plain = web.get(f"studies?StudyInstanceUID={ONE}").json()[0]
    more = web.get(
        f"studies?StudyInstanceUID={ONE}&includefield=StudyDescription,00101010"
        "&includefield=InstitutionAddress"
    ).json()[0]
    assert more.keys() - plain.keys() == {"00081030", "00101010", "00080081"}
    everything = web.get(f"studies?StudyInstanceUID={ONE}&includefield=all").json()[0]
    assert more.keys() - {"00080081"} < everything.keys()


def test_an_attribute_of_a_lower_level_is_not_included(web: Web) -> None:
    (study,) = web.get(f"studies?StudyInstanceUID={ONE}&includefield=SOPInstanceUID").json()
    assert "00080018" not in study


def test_pages_follow_one_another_and_say_that_there_are_more(web: Web) -> None:
    everything = list(map(repr, web.get("instances").json()))
    paged, offset = [], 0
    while True:
        answer = web.get(f"instances?limit=7&offset={offset}")
        paged += map(repr, answer.json())
        offset += 7
        if "Warning" not in answer.headers:
            break
        assert len(answer.json()) == 7
        assert "additional results" in answer.headers["Warning"]
    assert paged == everything
    assert web.get(f"instances?offset={len(everything)}").json() == []
    assert "Warning" in web.get("studies?limit=0").headers


def test_pages_lose_and_double_nothing_while_others_store(empty: Web) -> None:
    studies = [f"1.2.9.{number}" for number in range(9)]
    assert empty.store([file_of(f"{one}.1.1", one) for one in studies]).status_code == 200
    there = [one["0020000D"]["Value"][0] for one in empty.get("studies").json()]
    paged: list[str] = []
    for page in range(3):
        found = empty.get(f"studies?limit=3&offset={len(paged)}&PatientID=*").json()
        paged += [one["0020000D"]["Value"][0] for one in found]
        # One that is new, and one more of what was shown.
        new = f"1.2.8.{page}"
        files = [file_of(f"{new}.1.1", new), file_of(f"{paged[0]}.1.{page + 2}", paged[0])]
        assert empty.store(files).status_code == 200
    assert paged == there
    assert sorted(there) == sorted(studies)


def test_names_that_sound_alike_are_found_where_that_is_asked(web: Web) -> None:
    name = "Compresedsamples"
    assert web.get(f"studies?PatientName={name}").json() == []
    assert web.get(f"studies?PatientName={name}&fuzzymatching=true").json()


def test_values_are_percent_encoded_utf_8(web: Web) -> None:
    for name in ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Äneas^Rüdiger", "Люк"):
        answer = web.get(f"studies?PatientName={quote(name)}")
        assert answer.status_code == 200
        assert answer.encoding is None or answer.encoding.lower() == "utf-8"


@pytest.mark.parametrize(
    "asked",
    [
        "limit=-1", "limit=x", "offset=1.5", "fuzzymatching=maybe",
        "StudyDate=yesterday", "PatientID=1&PatientID=2", "PatientID=1&00100020=1",
        "includefield=NoSuchKeyword", "0010001=1",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_a_bad_request_that_says_why(web: Web, asked: str) -> None:
    answer = web.get(f"studies?{asked}")
    assert answer.status_code == 400
    assert len(answer.json()["message"]) > 10


def test_the_path_and_a_key_that_contradict_each_other_are_a_bad_request(web: Web) -> None:
    assert web.get(f"studies/{ONE}/series?StudyInstanceUID=1.2.3").status_code == 400
    assert web.get(f"studies/{ONE}/series?StudyInstanceUID={ONE}").status_code == 200


def test_nothing_that_matches_is_an_empty_list(web: Web) -> None:
    answer = web.get("studies?PatientID=nobody")
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["Content-Type"] == "application/dicom+json"
