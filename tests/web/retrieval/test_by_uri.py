"""WADO-URI (PS3.18 9): one instance by the parameters of a URL."""

from io import BytesIO
from urllib.parse import urlencode

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian
from support import EXPLICIT, IMPLICIT, Sample
from support.checks.dicomweb import Web

BIG_ENDIAN = str(ExplicitVRBigEndian)


def ask(web: Web, sample: Sample, **more: str):
    study, series, instance = sample.uids
    uids = {"studyUID": study, "seriesUID": series, "objectUID": instance}
    return web.get(f"{web.origin}/wado?" + urlencode({"requestType": "WADO", **uids, **more}))


@pytest.fixture
def image(held_samples: list[Sample]) -> Sample:
    return next(one for one in held_samples if one.name == "CT_small.dcm")


@pytest.fixture
def frames(held_samples: list[Sample]) -> Sample:
    return next(
        one
        for one in held_samples
        if one.name.startswith("emri_small") or one.name == "SC_rgb_rle_2frame.dcm"
    )


def test_a_file_comes_as_it_is_stored_where_any_transfer_syntax_will_do(
    web: Web, held_samples: list[Sample]
) -> None:
    for sample in held_samples:
        if sample.transfer_syntax_uid in (IMPLICIT, BIG_ENDIAN):  # PS3.18 8.7.3
            continue
        answer = ask(web, sample, contentType="application/dicom", transferSyntax="*")
        assert answer.status_code == 200
        assert answer.content.endswith(sample.data_set)


def test_a_file_comes_in_another_transfer_syntax(web: Web, held_samples: list[Sample]) -> None:
    sample = next(one for one in held_samples if one.name == "MR_small_RLE.dcm")
    answer = ask(web, sample, contentType="application/dicom", transferSyntax=EXPLICIT)
    assert dcmread(BytesIO(answer.content)).file_meta.TransferSyntaxUID == EXPLICIT


def test_an_image_of_one_frame_is_a_picture_unless_a_file_is_asked_for(
    web: Web, image: Sample, held_samples: list[Sample]
) -> None:
    assert ask(web, image).headers["Content-Type"] == "image/jpeg"
    report = next(one for one in held_samples if one.name == "reportsi.dcm")
    assert ask(web, report).headers["Content-Type"].startswith("application/dicom")


def test_a_picture_is_made_as_it_is_asked_for(web: Web, image: Sample) -> None:
    answer = ask(web, image, contentType="image/png", rows="64", columns="32",
                 region="0,0,0.5,1", windowCenter="40", windowWidth="400")  # fmt: skip
    with Image.open(BytesIO(answer.content)) as made:
        assert made.size == (32, 64)


def test_without_an_identity_means_without_it(web: Web, image: Sample) -> None:
    answer = ask(web, image, contentType="application/dicom", anonymize="yes")
    made = dcmread(BytesIO(answer.content))
    assert made.PatientIdentityRemoved == "YES"
    assert str(image.dataset.PatientName) not in answer.content.decode("latin-1")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"requestType": "MADO"}, 400), ({"studyUID": ""}, 400), ({"objectUID": "1.2.3"}, 404),
        ({"objectUID": "../../x"}, 400), ({"contentType": "text/html"}, 406),
        ({"contentType": "text/html,image/png"}, 200), ({"rows": "0"}, 400), ({"rows": "x"}, 400),
        ({"region": "0,0,2,2"}, 400), ({"region": "0.5,0,0.1,1"}, 400),
        ({"windowCenter": "1"}, 400), ({"windowCenter": "nan", "windowWidth": "1"}, 400),
        ({"imageQuality": "0"}, 400), ({"frameNumber": "0"}, 400), ({"frameNumber": "2"}, 400),
        ({"anonymize": "yes"}, 400), ({"transferSyntax": "1.2"}, 400),
        ({"anonymize": "no", "contentType": "application/dicom"}, 400),
        ({"rows": "64", "contentType": "application/dicom"}, 400),
        ({"presentationUID": "1.2.3"}, 400),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_never_ignored(
    web: Web, image: Sample, more: dict[str, str], status: int
) -> None:
    kind = {} if "anonymize" in more or "transferSyntax" in more else {"contentType": "image/png"}
    assert ask(web, image, **{**kind, **more}).status_code == status


def test_frames_have_numbers(web: Web, frames: Sample) -> None:
    count = int(frames.dataset.NumberOfFrames)
    last = ask(web, frames, contentType="image/png", frameNumber=str(count))
    assert last.status_code == 200
    beyond = ask(web, frames, contentType="image/png", frameNumber=str(count + 1))
    assert beyond.status_code == 400  # PS3.18 9.5.2.1
    moving = ask(web, frames, contentType="image/gif")
    with Image.open(BytesIO(moving.content)) as made:
        assert getattr(made, "n_frames", 1) > 1
