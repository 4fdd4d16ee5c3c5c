"""PS3.18 8.3.5, 8.7.4 and 9, asked from outside: pictures, and instances by WADO-URI."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from support.checks.dicomweb import parts
from support.data.web_kit import COLUMNS, FRAMES, ROWS, Kit, file_of

DICOM = "application/dicom"
EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"


def drawn(data: bytes) -> Image.Image:
    made = Image.open(BytesIO(data))
    made.load()
    return made


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("{ct}/rendered", "*/*", "JPEG"), ("{ct}/rendered", "image/*", "JPEG"),
        ("{ct}/rendered", "image/jpeg", "JPEG"), ("{ct}/rendered", "image/png", "PNG"),
        ("{ct}/rendered", "image/gif", "GIF"), ("{ct}/rendered", "IMAGE/PNG", "PNG"),
        ("{ct}/rendered", "image/png;q=0.5, image/jpeg;q=0.1", "PNG"),
        ("{ct}/rendered", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
         "PNG"),
        ("{ct}/rendered", "image/jxl, image/png;q=0.1", "PNG"),
        ("{ct}/rendered?accept=image/png", "*/*", "PNG"),
        ("{ct}/rendered?accept=image/png", "image/jpeg", "PNG"),
        ("{ct}/frames/1/rendered", "image/jpeg", "JPEG"), ("{ct}/thumbnail", "*/*", "JPEG"),
        ("{ct}/frames/1/thumbnail", "image/png", "PNG"), ("studies/{A}/thumbnail", "*/*", "JPEG"),
        ("studies/{A}/series/{A}.1/thumbnail", "image/png", "PNG"),
        ("{rgb}/rendered", "image/gif", "GIF"), ("{rgb}/rendered", "image/jpeg", "JPEG"),
        ("{rgb}/frames/2/rendered", "image/png", "PNG"), ("{j2k}/rendered", "*/*", "JPEG"),
        ("{jls}/rendered", "image/png", "PNG"), ("{rle}/rendered", "image/jpeg", "JPEG"),
        ("{jpeg}/rendered", "image/jpeg", "JPEG"), ("{palette}/rendered", "image/png", "PNG"),
        ("{implicit}/rendered", "*/*", "JPEG"), ("{big}/rendered", "image/png", "PNG"),
        ("{ct}/rendered/", "*/*", "JPEG"),
    ],
)  # fmt: skip
def test_a_picture_is_of_the_media_type_that_it_says(
    kit: Kit, path: str, accept: str, kind: str
) -> None:
    answer = kit.ask(path, accept)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert drawn(answer.content).format == kind


def values(kit: Kit) -> np.ndarray:
    """What the CT shows, behind its Rescale Intercept."""
    held = np.frombuffer(kit.instances["ct"].PixelData, "<i2").reshape(ROWS, COLUMNS)
    return held.astype(float) - 1024


@pytest.mark.parametrize(
    ("query", "center", "width", "shape"),
    [
        ("", 40, 400, "linear"), ("window=40,400,linear", 40, 400, "linear"),
        ("window=300,1500,linear", 300, 1500, "linear"), ("window=0,100,linear", 0, 100, "linear"),
        ("window=-100.5,300.25,linear", -100.5, 300.25, "linear"),
        ("window=40%2C400%2Clinear", 40, 400, "linear"),
        ("window=1e2,2e2,linear", 100, 200, "linear"),
        ("window=40,400,linear-exact", 40, 400, "linear-exact"),
        ("window=-1000,0.5,linear-exact", -1000, 0.5, "linear-exact"),
        ("window=40,400,sigmoid", 40, 400, "sigmoid"), ("window=40,1,linear", 40, 1, "linear"),
    ],
)  # fmt: skip
def test_shades_are_those_of_the_window(
    kit: Kit, query: str, center: float, width: float, shape: str
) -> None:
    answer = kit.ask("{ct}/rendered?" + query, "image/png")
    shades = np.asarray(drawn(answer.content)).astype(float)
    held = values(kit)
    if shape == "sigmoid":
        expected = 255 / (1 + np.exp(-4 * (held - center) / width))
    elif shape == "linear-exact":
        expected = np.clip(((held - center) / width + 0.5) * 255, 0, 255)
    elif width == 1:
        expected = np.where(held <= center - 0.5, 0, 255)
    else:
        expected = np.clip(((held - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)
    assert np.abs(shades - expected).max() <= 1


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("{ct}/rendered", (32, 24)), ("{ct}/rendered?viewport=64,64", (64, 48)),
        ("{ct}/rendered?viewport=16,100", (16, 12)), ("{ct}/rendered?viewport=100,12", (16, 12)),
        ("{ct}/rendered?viewport=64,64,0,0,16,16", (64, 64)),
        ("{ct}/rendered?viewport=64,64,,,16,16", (64, 64)),
        ("{ct}/rendered?viewport=64,64,16,0,16,24", (43, 64)),
        ("{ct}/rendered?viewport=64,64,0,0,-16,16", (64, 64)),
        ("{ct}/rendered?viewport=64,64,16", (43, 64)),
        ("{ct}/rendered?viewport=64,64,16,12", (64, 48)),
        ("{ct}/rendered?viewport=64%2C64", (64, 48)), ("{ct}/rendered?viewport=1,1", (1, 1)),
        ("{ct}/thumbnail?viewport=16,16", (16, 12)),
        ("{ct}/frames/1/rendered?viewport=8,8", (8, 6)),
        ("studies/{A}/thumbnail?viewport=20,20", (20, 15)),
    ],
)  # fmt: skip
def test_the_viewport_is_filled_and_nothing_is_out_of_proportion(
    kit: Kit, path: str, size: tuple[int, int]
) -> None:
    answer = kit.ask(path, "image/png")
    assert answer.status_code == 200, answer.text
    assert drawn(answer.content).size == size


def test_a_part_of_the_image_is_that_part(kit: Kit) -> None:
    whole = np.asarray(drawn(kit.ask("{ct}/rendered", "image/png").content))
    for query, part in (
        ("16,12,16,12,16,12", whole[12:24, 16:32]), ("16,12,0,0,16,12", whole[:12, :16]),
        ("16,12,0,0,-16,12", whole[:12, 15::-1]), ("16,12,0,0,16,-12", whole[11::-1, :16]),
        ("16,12,16,12", whole[12:24, 16:32]),
    ):  # fmt: skip
        made = drawn(kit.ask("{ct}/rendered?viewport=" + query, "image/png").content)
        assert (np.asarray(made) == part).all(), query


@pytest.mark.parametrize(
    "what", ["{ct}/rendered", "{ct}/frames/1/rendered", "studies/{A}/rendered"]
)
@pytest.mark.parametrize(
    "query",
    [
        "window=40,400", "window=40", "window=", "window=a,b,linear", "window=40,400,cubic",
        "window=40,400,LINEAR,1", "window=nan,400,linear", "window=inf,400,linear",
        "window=40,-inf,linear", "window=40,0,linear", "window=40,-5,linear",
        "window=40,0,sigmoid", "window=1e999,1,linear", "window=,,linear",
        "viewport=0,0", "viewport=64", "viewport=", "viewport=a,b", "viewport=-64,64",
        "viewport=64,64,0,0,0,0", "viewport=64,64,1,1,1,1,1", "viewport=64.5,64",
        "viewport=1000000,1000000", "viewport=64,64,nan,0,1,1",
        "quality=0", "quality=101", "quality=-1", "quality=a", "quality=", "quality=50.5",
        "annotation=", "annotation=%3Cscript%3E", "iccprofile=maybe", "iccprofile=",
        "charset=nonsense",
    ],
)  # fmt: skip
def test_a_parameter_of_pictures_that_is_wrong_is_400(kit: Kit, what: str, query: str) -> None:
    answer = kit.ask(f"{what}?{query}", "image/png, multipart/related; type=image/png")
    assert answer.status_code == 400, answer.text[:100]
    assert len(answer.json()["message"]) > 5


@pytest.mark.parametrize("query", ["viewport=16,16,0,0,5,5", "viewport=0,1", "viewport=16"])
def test_a_viewport_of_a_thumbnail_is_two_numbers(kit: Kit, query: str) -> None:
    assert kit.ask("{ct}/thumbnail?" + query).status_code == 400


@pytest.mark.parametrize("query", ["foo=bar", "zoom=2", "Window=1,2", "quality=1&x"])
def test_a_parameter_of_pictures_that_is_not_known_is_ignored(kit: Kit, query: str) -> None:
    assert kit.ask("{ct}/rendered?" + query, "image/png").status_code == 200


def test_a_better_quality_is_a_larger_picture(kit: Kit) -> None:
    sizes = [len(kit.ask("{ct}/rendered?quality=" + one, "image/jpeg").content)
             for one in ("5", "50", "100")]  # fmt: skip
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.parametrize(
    ("query", "is_drawn", "words"),
    [("annotation=patient", True, ""), ("annotation=technique", True, ""),
     ("annotation=patient,technique", True, ""), ("annotation=other", False, "other"),
     ("annotation=patient,other", True, "other")],
)  # fmt: skip
def test_annotations_are_drawn_and_of_others_a_warning_tells(
    kit: Kit, query: str, is_drawn: bool, words: str
) -> None:
    plain = np.asarray(drawn(kit.ask("{rgb}/frames/1/rendered", "image/png").content))
    answer = kit.ask("{rgb}/frames/1/rendered?" + query, "image/png")
    assert (np.asarray(drawn(answer.content)) != plain).any() == is_drawn
    if words:
        expected = f"The following annotation values are not supported: {words}"
        assert answer.headers["Warning"] == f"299 {kit.web.url}: {expected}"
    else:
        assert "Warning" not in answer.headers


def test_a_thumbnail_shows_nothing_of_the_patient(kit: Kit) -> None:
    plain = kit.ask("{rgb}/thumbnail", "image/png").content
    assert kit.ask("{rgb}/thumbnail?annotation=patient", "image/png").content == plain


@pytest.mark.parametrize("path", ["studies/{A}/rendered", "studies/{A}/series/{A}.1/rendered"])
@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "JPEG"), ('multipart/related; type="image/jpeg"', "JPEG"),
     ("multipart/related; type=image/png", "PNG"), ('multipart/related; type="image/gif"', "GIF")],
)  # fmt: skip
def test_of_several_instances_each_picture_is_a_part(
    kit: Kit, path: str, accept: str, kind: str
) -> None:
    answer = kit.ask(path, accept)
    assert answer.headers["Content-Type"].startswith("multipart/related")
    found = parts(answer)
    assert len(found) == (4 if "series" not in path else 3)
    for head, data in found:
        assert drawn(data).format == kind
        assert head["Content-Type"] == f"image/{kind.lower()}"
        assert head["Content-Location"].endswith("/rendered")


def test_some_frames_are_parts_or_move(kit: Kit) -> None:
    found = parts(kit.ask("{rgb}/frames/1,3/rendered", 'multipart/related; type="image/png"'))
    assert [np.asarray(drawn(data))[0, 0, 0] for _, data in found] == [0, 80]
    moving = drawn(kit.ask("{rgb}/frames/1,3/rendered", "image/gif").content)
    assert getattr(moving, "n_frames", 1) == 2
    whole = drawn(kit.ask("{rgb}/rendered", "image/gif").content)
    assert getattr(whole, "n_frames", 1) == FRAMES


def test_each_frame_is_its_own_picture(kit: Kit) -> None:
    for number in range(FRAMES):
        made = drawn(kit.ask(f"{{rgb}}/frames/{number + 1}/rendered", "image/png").content)
        assert np.asarray(made)[5, 5].tolist() == [40 * number, 10, 200]


# ---- WADO-URI


@pytest.mark.parametrize(
    ("name", "more", "accept", "kind"),
    [
        ("ct", "", "*/*", "JPEG"), ("ct", "", "image/*", "JPEG"), ("ct", "", "image/png", "PNG"),
        ("ct", "", "image/png;q=0.1, image/gif", "GIF"),
        ("ct", "&contentType=image/jpeg", "*/*", "JPEG"),
        ("ct", "&contentType=image/png", "*/*", "PNG"),
        ("ct", "&contentType=image%2Fgif", "*/*", "GIF"),
        ("ct", "&contentType=text/html,image/png", "*/*", "PNG"),
        ("ct", "&contentType=image/gif;q=0.2,image/png", "*/*", "PNG"),
        ("ct", "&contentType=IMAGE/PNG", "*/*", "PNG"),
        ("rgb", "&contentType=image/png", "*/*", "PNG"),
        ("rgb", "&contentType=image/jpeg&frameNumber=2", "*/*", "JPEG"),
        ("rgb", "&contentType=image/gif", "*/*", "GIF"),
        ("j2k", "&contentType=image/png", "*/*", "PNG"),
        ("jpeg", "", "*/*", "JPEG"), ("ct", "&contentType=image/jpeg", "image/jpeg", "JPEG"),
        ("ct", "&foo=bar", "*/*", "JPEG"), ("ct", "&charset=UTF-8", "*/*", "JPEG"),
        ("ct", "", "image/avif,image/webp,image/png,*/*;q=0.8", "PNG"),
    ],
)  # fmt: skip
def test_a_picture_is_given_by_the_parameters_of_a_url(
    kit: Kit, name: str, more: str, accept: str, kind: str
) -> None:
    answer = kit.uri(name, more, accept)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    assert drawn(answer.content).format == kind
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Content-Location"].startswith(f"{kit.base}/wado?requestType=WADO")


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ("", (32, 24)), ("&rows=12&columns=16", (16, 12)), ("&rows=12", (16, 12)),
        ("&columns=16", (16, 12)), ("&rows=100&columns=16", (16, 12)), ("&rows=48", (64, 48)),
        ("&region=0,0,0.5,1", (16, 24)), ("&region=0.5,0.5,1,1", (16, 12)),
        ("&region=0.0,0.0,1.0,1.0", (32, 24)), ("&region=0,0,0.5,0.5&rows=24", (32, 24)),
        ("&windowCenter=40&windowWidth=400", (32, 24)), ("&imageQuality=30", (32, 24)),
        ("&annotation=patient,technique", (32, 24)), ("&frameNumber=1", (32, 24)),
    ],
)  # fmt: skip
def test_rows_columns_and_region_make_the_size(kit: Kit, more: str, size: tuple[int, int]) -> None:
    answer = kit.uri("ct", "&contentType=image/png" + more)
    assert answer.status_code == 200, answer.text
    assert drawn(answer.content).size == size


def test_the_window_and_the_region_are_those_asked(kit: Kit) -> None:
    path = "{ct}/rendered?window=100,50,linear"
    expected = np.asarray(drawn(kit.ask(path, "image/png").content))
    answer = kit.uri("ct", "&contentType=image/png&windowCenter=100&windowWidth=50")
    assert (np.asarray(drawn(answer.content)) == expected).all()
    more = "&contentType=image/png&windowCenter=100&windowWidth=50&region=0.5,0,1,1"
    answer = kit.uri("ct", more)
    assert (np.asarray(drawn(answer.content)) == expected[:, 16:]).all()


@pytest.mark.parametrize("number", range(1, FRAMES + 1))
def test_a_frame_number_counts_from_one(kit: Kit, number: int) -> None:
    made = drawn(kit.uri("rgb", f"&contentType=image/png&frameNumber={number}").content)
    assert np.asarray(made)[5, 5].tolist() == [40 * (number - 1), 10, 200]


@pytest.mark.parametrize(
    ("name", "more", "accept", "syntax"),
    [
        ("ct", "&contentType=application/dicom", "*/*", EXPLICIT),
        ("ct", "&contentType=application%2Fdicom", "*/*", EXPLICIT),
        ("ct", "", "application/dicom", EXPLICIT), ("report", "", "*/*", EXPLICIT),
        ("ct", f"&contentType=application/dicom&transferSyntax={EXPLICIT}", "*/*", EXPLICIT),
        ("ct", "&contentType=application/dicom&transferSyntax=*", "*/*", EXPLICIT),
        ("rle", "&contentType=application/dicom", "*/*", EXPLICIT),
        ("rle", f"&contentType=application/dicom&transferSyntax={RLE}", "*/*", RLE),
        ("rle", "&contentType=application/dicom&transferSyntax=*", "*/*", RLE),
        ("rle", f"&contentType=application/dicom&transferSyntax={EXPLICIT}", "*/*", EXPLICIT),
        ("j2k", "&contentType=application/dicom", "*/*", EXPLICIT),
        ("implicit", "&contentType=application/dicom", "*/*", EXPLICIT),
        ("big", "&contentType=application/dicom", "*/*", EXPLICIT),
    ],
)  # fmt: skip
def test_a_file_is_given_by_the_parameters_of_a_url(
    kit: Kit, name: str, more: str, accept: str, syntax: str
) -> None:
    answer = kit.uri(name, more, accept)
    assert answer.status_code == 200, answer.text
    # Media types of WADO-URI have no transfer syntax (9.1.3).
    assert answer.headers["Content-Type"] == "application/dicom"
    made = dcmread(BytesIO(answer.content))
    assert made.file_meta.TransferSyntaxUID == syntax
    assert made.SOPInstanceUID == kit.instances[name].SOPInstanceUID
    if name == "ct":
        assert answer.content == file_of(kit.instances["ct"])


def test_anonymized_is_another_instance_without_the_patient(kit: Kit) -> None:
    answer = kit.uri("ct", "&contentType=application/dicom&anonymize=yes")
    made = dcmread(BytesIO(answer.content))
    assert made.SOPInstanceUID != kit.instances["ct"].SOPInstanceUID
    assert made.PatientIdentityRemoved == "YES"
    assert b"DOE^JOHN" not in answer.content
    assert b"PAT-1" not in answer.content


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("&contentType=text/html", 406), ("&contentType=video/mp4", 406),
        ("&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.50", 406),
        ("&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2", 406),
        ("&contentType=application/dicom&transferSyntax=abc", 400),
        (f"&contentType=application/dicom&transferSyntax={EXPLICIT}&transferSyntax={RLE}", 400),
        ("&contentType=application/dicom;transfer-syntax=1.2.840.10008.1.2.1", 400),
        ("&contentType=application/dicom;charset=utf-8", 400),
        ("&contentType=application/dicom&anonymize=no", 400),
        ("&contentType=application/dicom&anonymize=", 400),
        ("&contentType=application/dicom&anonymize=yes&anonymize=yes", 400),
        ("&contentType=application/dicom&windowCenter=40&windowWidth=400", 400),
        ("&contentType=application/dicom&windowCenter=40", 400),
        ("&contentType=application/dicom&frameNumber=1", 400),
        ("&contentType=application/dicom&rows=12", 400),
        ("&contentType=image/png&windowCenter=40", 400),
        ("&contentType=image/png&windowWidth=40", 400),
        ("&contentType=image/png&windowCenter=a&windowWidth=b", 400),
        ("&contentType=image/png&windowCenter=nan&windowWidth=1", 400),
        ("&contentType=image/png&windowCenter=1&windowWidth=-1", 400),
        ("&contentType=image/png&windowCenter=1&windowWidth=", 400),
        ("&contentType=image/png&frameNumber=0", 400),
        ("&contentType=image/png&frameNumber=2", 400),
        ("&contentType=image/png&frameNumber=-1", 400),
        ("&contentType=image/png&frameNumber=a", 400),
        ("&contentType=image/png&frameNumber=", 400),
        ("&contentType=image/png&frameNumber=1000000000", 400),
        ("&contentType=image/png&frameNumber=1&frameNumber=1", 400),
        ("&contentType=image/png&rows=0", 400), ("&contentType=image/png&rows=-1", 400),
        ("&contentType=image/png&columns=a", 400), ("&contentType=image/png&rows=1.5", 400),
        ("&contentType=image/png&rows=", 400), ("&contentType=image/png&rows=100000000", 400),
        ("&contentType=image/png&region=0,0,1", 400),
        ("&contentType=image/png&region=0,0,1,1,1", 400),
        ("&contentType=image/png&region=0,0,2,1", 400),
        ("&contentType=image/png&region=0.5,0,0.5,1", 400),
        ("&contentType=image/png&region=1,0,0,1", 400),
        ("&contentType=image/png&region=a,b,c,d", 400),
        ("&contentType=image/png&region=nan,0,1,1", 400), ("&contentType=image/png&region=", 400),
        ("&contentType=image/png&region=-0.1,0,1,1", 400),
        ("&contentType=image/png&imageQuality=0", 400),
        ("&contentType=image/png&imageQuality=101", 400),
        ("&contentType=image/png&imageQuality=", 400), ("&contentType=image/png&annotation=", 400),
        ("&contentType=image/png&presentationUID=1.2.3", 400),
        ("&contentType=image/png&presentationUID=1.2.3&presentationSeriesUID=1.2", 404),
        ("&contentType=image/png&presentationUID=1.2.3&presentationSeriesUID=1.2"
         "&windowCenter=1&windowWidth=1", 400),
        ("&contentType=image/png&charset=nonsense", 400), ("&contentType=", 200),
    ],
)  # fmt: skip
def test_a_parameter_of_a_url_that_is_wrong_is_refused(kit: Kit, more: str, status: int) -> None:
    answer = kit.uri("ct", more)
    assert answer.status_code == status, answer.text[:200]
    if status != 200:
        assert len(answer.json()["message"]) > 5


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400), ("requestType=WADO", 400), ("requestType=WADO&studyUID=1.2", 400),
        ("requestType=WADO&studyUID=1.2&seriesUID=1.2", 400),
        ("requestType=WADO&studyUID=1.2&seriesUID=1.2&objectUID=", 400),
        ("requestType=WADO&studyUID=1.2&seriesUID=1.2&objectUID=1.2", 404),
        ("requestType=WADO&studyUID=1.2&seriesUID=1.2&objectUID=a", 400),
        ("requestType=WADO&studyUID=1.2&seriesUID=1.2&objectUID=..%2F..%2Fx", 400),
        ("requestType=WADO&studyUID={A}&seriesUID={A}.2&objectUID={A}.1.1", 404),
        ("requestType=WADO&studyUID={B}&seriesUID={A}.1&objectUID={A}.1.1", 404),
        ("requestType=wado&studyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 400),
        ("requestType=XDS&studyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 400),
        ("studyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 400),
        ("requestType=WADO&StudyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 400),
        ("objectUID={A}.1.1&seriesUID={A}.1&studyUID={A}&requestType=WADO", 200),
        ("requestType=WADO&studyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 200),
        ("requestType=WADO&studyUID={A}&studyUID={A}&seriesUID={A}.1&objectUID={A}.1.1", 400),
    ],
)  # fmt: skip
def test_what_is_to_be_named_is_to_be_named(kit: Kit, query: str, status: int) -> None:
    answer = kit.ask(f"/wado?{query}" if query else "/wado")
    assert answer.status_code == status, answer.text[:200]


def test_a_picture_by_url_that_has_not_changed_is_not_sent_again(kit: Kit) -> None:
    tag = kit.uri("ct").headers["ETag"]
    held = kit.instances["ct"]
    path = (f"/wado?requestType=WADO&studyUID={held.StudyInstanceUID}"
            f"&seriesUID={held.SeriesInstanceUID}&objectUID={held.SOPInstanceUID}")  # fmt: skip
    assert kit.ask(path, If_None_Match=tag).status_code == 304
    assert kit.ask(path, method="HEAD").status_code == 200
    assert kit.ask(path, method="POST").status_code == 405
