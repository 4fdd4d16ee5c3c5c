"""What an instance is shown as: video, documents, reports, presentation states, thumbnails."""

import io
import os
import signal
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from support import Sample
from support.checks.dicomweb import Web, parts
from support.data import kinds
from support.data.kinds import MADE, data_set, file_of, image, uids_of

OCTETS = "application/octet-stream"
STATE = "1.2.840.10008.5.1.4.1.1.11.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
RAMP = np.arange(600, dtype="<u2").reshape(20, 30) * 4


def path_of(made: Dataset) -> str:
    study, series, instance = (
        made[one].value for one in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    return f"studies/{study}/series/{series}/instances/{instance}"


def path_named(name: str) -> str:
    study, series, instance = uids_of(name)
    return f"studies/{study}/series/{series}/instances/{instance}"


def stored(web: Web, *files: Dataset | bytes) -> None:
    sent = [one if isinstance(one, bytes) else file_of(one) for one in files]
    answer = web.store(sent)
    assert answer.status_code == 200, answer.text


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as made:
        return np.asarray(made).astype(int)


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [("MP4", "video/mp4", kinds.MP4_STREAM), ("MPEG-2", "video/mpeg", kinds.MPEG2_STREAM),
     ("PDF", "application/pdf", kinds.PDF), ("CDA", "text/xml", kinds.CDA)],
)  # fmt: skip
def test_what_is_a_file_already_is_given_as_it_is(
    web: Web, name: str, kind: str, data: bytes
) -> None:
    stored(web, MADE[name])
    path = f"{path_named(name)}/rendered"
    for accept in ("*/*", kind):
        answer = web.get(path, accept)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert answer.content == data
        policy = answer.headers.get("Content-Security-Policy", "")
        assert ("sandbox" in policy) == kind.startswith("text/")
    ((head, body),) = parts(web.get(path, f'multipart/related; type="{kind}"'))
    assert (head["Content-Type"], body) == (kind, data)
    some = web.get(path, kind, Range="bytes=5-9")
    assert (some.status_code, some.content) == (206, data[5:10])
    tag = answer.headers["ETag"]
    assert web.get(path, kind, If_None_Match=tag).status_code == 304
    assert web.get(path, "image/jpeg").status_code == 406
    assert kind in web.get(path, "image/jpeg").json()["message"]


def test_a_stream_without_a_file_around_it_is_no_video_of_a_browser_s(web: Web) -> None:
    stored(web, MADE["H.264 alone"])
    assert web.get(f"{path_named('H.264 alone')}/rendered").status_code == 406
    answer = web.get(f"{path_named('H.264 alone')}/frames/1", "video/mp4")
    assert answer.content.rstrip(b"\0") == kinds.H264_STREAM


def code(meaning: str) -> list[Dataset]:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = "1", "99X", meaning
    return [made]


def content(kind: str, name: str, **values: Any) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", kind
    made.ConceptNameCodeSequence = code(name)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def report() -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", code("mm")
    measured.MeasurementUnitsCodeSequence[0].CodeValue = "mm"
    text = "<script>alert('x')</script>\r\nnichts, größer"
    finding = content("TEXT", "Finding <b>", TextValue=text)
    return data_set(
        "report", REPORT, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^<i>Ä</i>",
        ValueType="CONTAINER", ConceptNameCodeSequence=code("Chest & more"),
        ContentSequence=[
            content("CONTAINER", "Findings", ContentSequence=[
                finding, content("NUM", "Diameter", MeasuredValueSequence=[measured]),
                content("CODE", "Side", ConceptCodeSequence=code("left")),
                content("PNAME", "Observer", PersonName="Doe^Jane"),
            ]),
        ],
    )  # fmt: skip


def test_a_report_is_a_page_in_which_nothing_of_it_is_markup(web: Web) -> None:
    made = report()
    stored(web, made)
    answer = web.get(f"{path_of(made)}/rendered", "text/html")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    page = answer.content.decode()
    assert "<h1>Chest &amp; more</h1>" in page
    assert "Finding &lt;b&gt;" in page
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert "<i>" not in page
    assert "Müller^&lt;i&gt;Ä" in page
    assert "12.5 mm" in page
    assert page.count("<ul>") == page.count("</ul>") == 2
    text = web.get(f"{path_of(made)}/rendered", "text/plain").content.decode()
    assert "    Diameter: 12.5 mm\n    Side: left\n    Observer: Doe^Jane\n" in text


def reference(made: Dataset, frame: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = made.SOPClassUID
    item.ReferencedSOPInstanceUID = made.SOPInstanceUID
    if frame:
        item.ReferencedFrameNumber = frame
    return item


def state(name: str, made: Dataset, **values: Any) -> Dataset:
    """A presentation state of an image, in its study."""
    series = Dataset()
    series.SeriesInstanceUID = made.SeriesInstanceUID
    series.ReferencedImageSequence = [reference(made)]
    found = data_set(name, STATE, ReferencedSeriesSequence=[series], Modality="PR", **values)
    found.StudyInstanceUID = made.StudyInstanceUID
    return found


def window_of(center: str, width: str, *images: Dataset) -> Dataset:
    item = Dataset()
    item.WindowCenter, item.WindowWidth = center, width
    if images:
        item.ReferencedImageSequence = list(images)
    return item


def area(left: int, upper: int, right: int, lower: int) -> Dataset:
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = [left, upper]
    item.DisplayedAreaBottomRightHandCorner = [right, lower]
    item.PresentationSizeMode = "SCALE TO FIT"
    return item


def test_a_presentation_state_shows_its_image_by_what_it_says(web: Web) -> None:
    made = image("of a state", RAMP, PhotometricInterpretation="MONOCHROME1", RescaleSlope="3",
                 RescaleIntercept="7", WindowCenter="5", WindowWidth="5")  # fmt: skip
    shown = state(
        "a state", made, PresentationLUTShape="INVERSE", ImageRotation=90, ImageHorizontalFlip="Y",
        SoftcopyVOILUTSequence=[window_of("9", "9", reference(report())),
                                window_of("1200", "2400", reference(made))],
        DisplayedAreaSelectionSequence=[area(3, 5, 22, 14)],
        GraphicAnnotationSequence=[Dataset()],
    )  # fmt: skip
    stored(web, made, shown)
    answer = web.get(f"{path_of(shown)}/rendered", "image/png")
    assert answer.status_code == 200, answer.text
    # Without a modality LUT in the state there is none (PS3.4 N.2.1), nor the image's polarity.
    values = RAMP[4:14, 2:22].astype(float)
    expected = 255 - np.clip((values - 1199.5) / 2399 + 0.5, 0, 1) * 255
    turned = np.rot90(expected, -1)[:, ::-1]
    assert np.abs(pixels(answer.content) - turned).max() <= 0.51
    assert "annotations" in answer.headers["Warning"]


def test_a_picture_by_uri_is_by_the_state_that_is_named(web: Web) -> None:
    made, other = image("by uri", RAMP), image("beside it", RAMP)
    other.StudyInstanceUID = made.StudyInstanceUID
    shown = state("its state", made, SoftcopyVOILUTSequence=[window_of("600", "300")])
    stored(web, made, other, shown)

    def by_uri(one: Dataset, **more: str) -> requests.Response:
        asked = {
            "requestType": "WADO", "studyUID": one.StudyInstanceUID, "contentType": "image/png",
            "seriesUID": one.SeriesInstanceUID, "objectUID": one.SOPInstanceUID,
            "presentationSeriesUID": shown.SeriesInstanceUID,
            "presentationUID": shown.SOPInstanceUID, **more,
        }  # fmt: skip
        return web.get(f"{web.origin}/wado?{urlencode(asked)}")

    expected = np.clip((RAMP.astype(float) - 599.5) / 299 + 0.5, 0, 1) * 255
    assert np.abs(pixels(by_uri(made).content) - expected).max() <= 0.51
    assert by_uri(other).status_code == 400
    assert by_uri(made, presentationSeriesUID="").status_code == 400
    assert by_uri(made, windowCenter="1", windowWidth="5").status_code == 400
    assert by_uri(made, presentationUID="1.2.3").status_code == 404
    alone = {"presentationUID": "", "presentationSeriesUID": ""}
    assert by_uri(made, contentType="text/html", **alone).status_code == 406


def test_a_state_whose_image_is_not_held_is_406_in_words(web: Web) -> None:
    shown = state("an orphan", image("never stored", RAMP))
    stored(web, shown)
    answer = web.get(f"{path_of(shown)}/rendered")
    assert answer.status_code == 406
    assert "none of the images" in answer.json()["message"]


def test_a_thumbnail_is_of_the_image_in_the_middle_of_many_that_are_none(web: Web) -> None:
    made = [image(f"one of {number}", np.full((8, 8), 60 * number, "u1"), WindowCenter="128",
                  WindowWidth="256") for number in range(3)]  # fmt: skip
    reports = [data_set(f"report {number}", REPORT) for number in range(9)]
    study = "1.2.826.0.1.3680043.8.498.78.1"
    for number, one in enumerate([*made, *reports]):
        one.StudyInstanceUID, one.SeriesInstanceUID = study, f"{study}.{number // 3}"
        one.SOPInstanceUID = f"{study}.0.{number}"
    stored(web, *made, *reports)
    answer = web.get(f"studies/{study}/thumbnail", "image/png")
    assert answer.status_code == 200, answer.text
    assert len(np.unique(pixels(answer.content))) == 1
    assert pixels(answer.content)[0, 0] == 60
    assert web.get(f"studies/{study}/series/{study}.1/thumbnail").status_code == 406
    # Of both kinds as parts: those that there are.
    assert len(parts(web.get(f"studies/{study}/rendered", "image/jpeg"))) == 3
    assert web.get(f"studies/{study}/series/{study}.1/rendered", "image/jpeg").status_code == 406


def test_a_segmentation_beside_a_report_has_a_thumbnail(web: Web) -> None:
    made, study = image("a segmentation", np.eye(8, dtype="u1")), "1.2.826.0.1.3680043.8.498.78.3"
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    beside = [data_set(f"beside {number}", REPORT) for number in range(2)]
    for number, one in enumerate((made, *beside)):
        one.StudyInstanceUID, one.SOPInstanceUID = study, f"{study}.{number}"
    stored(web, made, *beside)
    assert web.get(f"studies/{study}/thumbnail").status_code == 200


def test_the_pixels_of_a_study_are_those_of_its_images_each_in_its_form(web: Web) -> None:
    study = "1.2.826.0.1.3680043.8.498.78.2"
    native, other = image("native", RAMP), report()
    jpeg = dcmread(io.BytesIO(MADE["fragments, no table"]))
    for number, one in enumerate((other, native, jpeg)):
        one.StudyInstanceUID, one.SOPInstanceUID = study, f"{study}.{number}"
    stored(web, other, native, file_of(jpeg, kinds.JPEG_BASELINE))
    answer = web.get(f"studies/{study}/pixeldata", f"multipart/related; type={OCTETS}; "
                     "transfer-syntax=*")  # fmt: skip
    found = [(head["Content-Type"], data) for head, data in parts(answer)]
    assert (f"{OCTETS}; transfer-syntax={kinds.EXPLICIT}", RAMP.tobytes()) in found
    frame = next(generate_frames(jpeg.PixelData, number_of_frames=2))
    compressed = f"{OCTETS}; transfer-syntax={kinds.JPEG_BASELINE}", frame
    assert found.count(compressed) == 2
    only = web.get(f"studies/{study}/pixeldata", 'multipart/related; type="image/jpeg"')
    assert only.status_code == 206
    assert "left out" in only.headers["Warning"]
    assert [data for _, data in parts(only)] == [frame, frame]
    series = path_of(other).partition("/instances/")[0]
    assert web.get(f"{series}/pixeldata").status_code == 404


def claimed(name: str, rows: int, columns: int, frames: int, syntax: str = "") -> bytes:
    """An image that says more than it holds."""
    made = image(name, np.zeros((2, 2), "u1"), NumberOfFrames=str(frames))
    made.Rows, made.Columns = rows, columns
    if syntax:
        made.PixelData = struct.pack("<HHIHHI", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, 8) + b"\0" * 8
    return file_of(made, syntax or kinds.EXPLICIT)


@pytest.mark.parametrize(
    ("file", "asked", "status"),
    [
        (claimed("large", 60_000, 60_000, 1), "", 413),
        (claimed("large in RLE", 60_000, 60_000, 1, "1.2.840.10008.1.2.5"), "", 413),
        (claimed("short", 1_000, 1_000, 1), "", 406),
        (file_of(image("square", RAMP[:, :20])), "?viewport=16384,16384", 413),
        (file_of(image("small", RAMP)), "?viewport=16384,2", 200),
        (file_of(image("beside", RAMP)), "?viewport=64,64,500,500,10,10", 400),
        (file_of(image("moving", np.zeros((600, 2, 2), "u1"))), "", 413),
        (file_of(image("moving", np.zeros((600, 2, 2), "u1"))), "?viewport=8,8", 413),
        (file_of(image("pictures", np.zeros((400, 8, 8), "u1"))), "?viewport=2000,2000", 413),
        (file_of(image("pictures", np.zeros((400, 8, 8), "u1"))), "", 200),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_a_picture_is_bounded_and_the_next_one_is_made(
    web: Web, file: bytes, asked: str, status: int
) -> None:
    stored(web, file)
    path = path_of(dcmread(io.BytesIO(file), stop_before_pixels=True))
    answer = web.get(f"{path}/rendered{asked}", "image/gif")
    assert answer.status_code == status, answer.text[:200]
    stored(web, image("afterwards", RAMP))
    assert web.get(f"{path_named('afterwards')}/rendered").status_code == 200


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [("iccprofile=yes", "image/jpeg", ""), ("iccprofile=srgb", "image/png", ""),
     ("iccprofile=no", "image/png", ""), ("iccprofile=adobergb", "image/png", "sRGB"),
     ("iccprofile=yes", "image/gif", "image/gif"),
     ("window=10,20,linear", "image/png", "grayscale"),
     ("annotation=patient,foo", "image/png", "foo")],
)  # fmt: skip
def test_what_is_not_done_is_told(web: Web, asked: str, kind: str, words: str) -> None:
    made = image("colours", np.zeros((4, 4), "u1"), SamplesPerPixel=3, PlanarConfiguration=0,
                 PhotometricInterpretation="RGB")  # fmt: skip
    made.PixelData = bytes(range(48))
    stored(web, made)
    answer = web.get(f"{path_of(made)}/rendered?{asked}", kind)
    assert answer.status_code == 200
    assert words in answer.headers.get("Warning", "")
    assert bool(words) == ("Warning" in answer.headers)
    with Image.open(io.BytesIO(answer.content)) as shown:
        has_profile = "icc_profile" in shown.info
    assert has_profile == ("iccprofile" in asked and "no" not in asked and kind != "image/gif")


def children(process: int) -> dict[int, str]:
    """The processes that one has started, by id: their names."""
    found = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


def test_frames_that_are_named_are_all_given_and_a_thumbnail_stands_still(web: Web) -> None:
    grays = np.stack([np.full((8, 8), 50 * number, "u1") for number in range(5)])
    made = image("five", grays, WindowCenter="128", WindowWidth="256", FrameTime="40")
    stored(web, made)
    path = path_of(made)
    for accept in ("image/png", 'multipart/related; type="image/png"'):
        found = parts(web.get(f"{path}/frames/4,2/rendered", accept))
        assert [pixels(data)[0, 0] for _, data in found] == [150, 50]
    moving = web.get(f"{path}/frames/4,2/rendered", "image/gif").content
    with Image.open(io.BytesIO(moving)) as shown:
        assert (shown.n_frames, shown.info["duration"]) == (2, 40)
    for accept in ("image/gif", "image/png"):
        with Image.open(io.BytesIO(web.get(f"{path}/thumbnail", accept).content)) as shown:
            assert getattr(shown, "n_frames", 1) == 1
            assert np.asarray(shown.convert("L"))[0, 0] == 100


def test_a_rotated_picture_fits_what_is_asked(web: Web) -> None:
    made = image("tall pixels", RAMP, PixelSpacing=["2", "1"])
    shown = state("sideways", made, ImageRotation=270)
    stored(web, made, shown)
    sizes = {"": (20, 15), "?viewport=80,80": (80, 60), "?viewport=80,30": (40, 30)}
    for asked, size in sizes.items():
        answer = web.get(f"{path_of(shown)}/rendered{asked}", "image/png")
        with Image.open(io.BytesIO(answer.content)) as found:
            assert found.size == size


def test_a_decoder_that_dies_takes_nobody_with_it(web: Web, held_samples: list[Sample]) -> None:
    compressed = next(one for one in held_samples if one.name == "JPEG2000.dcm")
    study, series, instance = compressed.uids
    url = f"studies/{study}/series/{series}/instances/{instance}/rendered"
    expected = web.get(url, "image/png").content
    processes = {one for one, name in children(web.node.process.pid).items() if name == "web"}
    assert processes
    decoders = [decoder for one in processes for decoder in children(one)]
    assert decoders
    for decoder in decoders:
        os.kill(decoder, signal.SIGKILL)
    assert web.get(url, "image/png", Cache_Control="no-cache").content == expected
    assert processes <= children(web.node.process.pid).keys()
