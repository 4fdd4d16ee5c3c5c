"""WADO-RS: instances, metadata and bulk data of each of pydicom's samples."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian
from support import CT, EXPLICIT, IMPLICIT, Sample, minipacs
from support.checks.dicomweb import Web, parts
from support.data.samples import ct, encoded

from scp.copies.corrected import reachable
from storage.dicom import part10

DICOM = 'multipart/related; type="application/dicom"'
ALL = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm",
       "MR_small_bigendian.dcm", "image_dfl.dcm", "rtplan.dcm", "reportsi.dcm",
       "emri_small_jpeg_ls_lossless.dcm"]  # fmt: skip

GREY = {"SamplesPerPixel": 1, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}  # fmt: skip


def url_of(web: Web, sample: Sample) -> str:
    study, series, instance = sample.uids
    return f"{web.url}/studies/{study}/series/{series}/instances/{instance}"


def test_each_sample_comes_back_byte_for_byte(web: Web, held_samples: list[Sample]) -> None:
    assert len(held_samples) > 90
    for sample in (one for one in held_samples if one.transfer_syntax_uid not in NOT_OF_THE_WEB):
        url = url_of(web, sample)
        answer = web.get(url, f"{DICOM}; transfer-syntax=*")
        assert answer.status_code == 200, sample.name
        ((head, data),) = parts(answer)
        assert data.endswith(sample.data_set), sample.name
        assert head["Content-Type"] == (
            f"application/dicom; transfer-syntax={sample.transfer_syntax_uid}"
        )
        assert head["Content-Location"] == url
        assert int(head["Content-Length"]) == len(data)
        alone = web.get(url, "application/dicom; transfer-syntax=*")
        assert alone.content == data
        assert "multipart" not in alone.headers["Content-Type"]


def test_implicit_vr_and_big_endian_are_not_used_with_web_services(
    web: Web, held_samples: list[Sample]
) -> None:
    """PS3.18 8.7.3, whatever transfer syntax will do."""
    found = [one for one in held_samples if one.transfer_syntax_uid in NOT_OF_THE_WEB]
    assert len({one.transfer_syntax_uid for one in found}) == len(NOT_OF_THE_WEB)
    for sample in found:
        answer = web.get(url_of(web, sample), f"{DICOM}; transfer-syntax=*")
        ((head, data),) = parts(answer)
        assert head["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
        made = dcmread(BytesIO(data))
        assert made.file_meta.TransferSyntaxUID == EXPLICIT
        assert made.SOPInstanceUID == sample.uids[2]
        asked = f"{DICOM}; transfer-syntax={sample.transfer_syntax_uid}"
        assert web.get(url_of(web, sample), asked).status_code == 406


def test_without_a_transfer_syntax_it_is_explicit_vr_little_endian(
    web: Web, held_samples: list[Sample]
) -> None:
    for sample in held_samples:
        answer = web.get(url_of(web, sample), DICOM)
        stored = sample.transfer_syntax_uid
        if stored != EXPLICIT and EXPLICIT not in reachable(stored):
            assert answer.status_code == 406, sample.name
            assert stored in answer.json()["message"]
            continue
        if answer.status_code != 200:  # one that is damaged: it has no end, or no part
            assert sample.name in DAMAGED, (sample.name, answer.text)
            continue
        ((_, data),) = parts(answer)
        assert dcmread(BytesIO(data)).file_meta.TransferSyntaxUID == EXPLICIT


NOT_OF_THE_WEB = {IMPLICIT, str(ExplicitVRBigEndian)}
# Whose Pixel Data no decoder here takes, or is not what the attributes say.
DAMAGED = {"JPEG2000-embedded-sequence-delimiter.dcm"}


def test_a_study_comes_in_parts(web: Web, held_samples: list[Sample]) -> None:
    study = next(s.uids[0] for s in held_samples if s.name == "CT_small.dcm")
    of_study = {s.uids[2] for s in held_samples if s.uids[0] == study}
    found = parts(web.get(f"studies/{study}", f"{DICOM}; transfer-syntax=*"))
    assert {str(dcmread(BytesIO(data)).SOPInstanceUID) for _, data in found} == of_study


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html", 406), ("application/dicom+json", 406), ("image/jpeg", 406), ("*/*", 200),
        ("application/*", 200), ("multipart/related", 200),
        ("multipart/related; type=application/dicom", 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.3', 406),
        ("text/html, application/dicom;q=0.1", 200), ("application/dicom;q=0", 406),
        ('multipart/related; type="image/jpeg", multipart/related; type="application/dicom"', 200),
    ],
)  # fmt: skip
def test_what_is_accepted_is_given_or_it_is_said_what_there_is(
    web: Web, held_samples: list[Sample], accept: str, status: int
) -> None:
    sample = next(s for s in held_samples if s.name == "CT_small.dcm")
    answer = web.get(url_of(web, sample), accept)
    assert answer.status_code == status
    if status == 406:
        assert "application/dicom" in answer.json()["message"]


def test_the_parameter_accept_goes_before_the_header(web: Web, held_samples: list[Sample]) -> None:
    sample = next(s for s in held_samples if s.name == "CT_small.dcm")
    answer = web.get(f"{url_of(web, sample)}?accept=application/dicom", "text/html")
    assert answer.status_code == 200
    assert answer.content[128:132] == b"DICM"


def test_what_is_not_held_is_not_found(web: Web, held_samples: list[Sample]) -> None:
    study, series, _ = next(s.uids for s in held_samples if s.name == "CT_small.dcm")
    for path in ("studies/1.2.3", f"studies/{study}/series/1.2.3", "studies/1.2.3/metadata",
                 f"studies/{study}/series/{series}/instances/1.2.3/frames/1",
                 f"studies/{study}/series/1.2.3/rendered", "nothing/of/that/name"):  # fmt: skip
        assert web.get(path).status_code == 404, path


def test_a_tag_tells_whether_it_is_another(web: Web, held_samples: list[Sample]) -> None:
    sample = next(s for s in held_samples if s.name == "CT_small.dcm")
    for end in ("", "/metadata", "/rendered", "/frames/1"):
        accept = {"": "application/dicom", "/frames/1": "application/octet-stream"}.get(end, "")
        first = web.get(url_of(web, sample) + end, accept)
        assert first.status_code == 200
        again = web.get(url_of(web, sample) + end, accept, If_None_Match=first.headers["ETag"])
        assert (again.status_code, again.content) == (304, b"")


def test_a_part_of_a_file_is_given(web: Web, held_samples: list[Sample]) -> None:
    sample = next(s for s in held_samples if s.name == "CT_small.dcm")
    url, accept = url_of(web, sample), "application/dicom; transfer-syntax=*"
    whole = web.get(url, accept).content
    for asked, expected in (("bytes=0-9", whole[:10]), ("bytes=1000-", whole[1000:]),
                            ("bytes=-7", whole[-7:])):  # fmt: skip
        answer = web.get(url, accept, Range=asked)
        assert answer.status_code == 206
        assert answer.content == expected
    assert web.get(url, accept, Range=f"bytes={len(whole)}-").status_code == 416
    bulk = f"{url}/bulkdata/7FE00010"
    pixels = web.get(bulk, "application/octet-stream").content
    assert web.get(bulk, "application/octet-stream", Range="bytes=5-8").content == pixels[5:9]


def test_head_has_the_same_head_and_no_body(web: Web, held_samples: list[Sample]) -> None:
    sample = next(s for s in held_samples if s.name == "CT_small.dcm")
    answer = web.session.head(url_of(web, sample), headers={"Accept": "application/dicom"})
    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) > len(sample.data_set)


@pytest.mark.parametrize("what", ["pixeldata", "bulkdata"])
def test_a_series_of_many_pages_is_given_to_its_end(empty: Web, tmp_path: Path, what: str) -> None:
    uids = [f"1.2.9.1.{number}" for number in range(1, 3001)]
    folder = tmp_path / "many"
    folder.mkdir()
    for uid in uids:
        data = part10.header(CT, uid, EXPLICIT) + encoded(ct("1.2.9", "1.2.9.1", uid, **GREY))
        (folder / f"{uid}.dcm").write_bytes(data)
    assert minipacs("import", empty.node, str(folder)).returncode == 0
    octets = "application/octet-stream"
    kind = f'multipart/related; type="{octets}"; transfer-syntax=*'
    found = parts(empty.get(f"studies/1.2.9/{what}", kind))
    given = [head["Content-Location"].split("/instances/")[1].split("/")[0] for head, _ in found]
    assert sorted(given) == sorted(uids)


# ---- metadata is made once, and told anew wherever it became other

KEPT = "1.2.9"
NAME, DESCRIPTION, INSTANCE = "00100010", "00081030", "00080018"


def instance_of(number: int, **values: object) -> bytes:
    uid = f"{KEPT}.1.{number}"
    data_set = ct(KEPT, f"{KEPT}.1", uid, **values)
    return part10.header(CT, uid, EXPLICIT) + encoded(data_set)


def told_by_all(web: Web) -> tuple[list[dict[str, Any]], str]:
    """What is told by each of the processes that answer, and its entity tag: both say the same."""
    path = f"{web.url}/studies/{KEPT}/metadata"
    answers = []
    for _ in range(6):
        web.session.close()  # the next connection may be another process's
        answers.append(web.session.get(path, headers={"Accept-Encoding": "identity"}, timeout=60))
    (body,) = {answer.content for answer in answers}
    (tag,) = {answer.headers["ETag"] for answer in answers}
    return json.loads(body), tag


def test_what_arrives_is_corrected_replaced_and_deleted_is_told(empty: Web) -> None:
    empty.store([instance_of(1), instance_of(2)])
    told, first = told_by_all(empty)
    assert len(told) == 2

    empty.store([instance_of(3)])
    told, second = told_by_all(empty)
    assert [one[INSTANCE]["Value"] for one in told] == [[f"{KEPT}.1.{n}"] for n in (1, 2, 3)]

    done = minipacs("correct", empty.node, "--study", KEPT, "StudyDescription=Other", "--yes")
    assert done.returncode == 0, done.stderr
    told, third = told_by_all(empty)
    assert [one[DESCRIPTION]["Value"] for one in told] == [["Other"]] * 3
    assert minipacs("undo", empty.node, "1", "--yes").returncode == 0
    told, fourth = told_by_all(empty)
    assert all(one.get(DESCRIPTION, {}).get("Value") != ["Other"] for one in told)

    empty.store([instance_of(3, PatientName="Replaced^Anew")])
    told, fifth = told_by_all(empty)
    assert told[2][NAME]["Value"] == [{"Alphabetic": "Replaced^Anew"}]

    instance = f"{KEPT}.1.1"
    assert minipacs("delete", empty.node, "--instance", instance, "--yes").returncode == 0
    told, sixth = told_by_all(empty)
    assert len(told) == 2
    assert len({first, second, third, fourth, fifth, sixth}) == 6
