"""A study, its series and instances: what is shown of them, and where their pictures come from."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from support import ct
from support.data.web_page import Page, opened_page

from scp.web.page.study import overview

STUDY, SERIES = "1.1", "1.1.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
IMAGE = {
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 8,
    "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
}  # fmt: skip


def item(**values: Any) -> Dataset:
    """A data set of these elements."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(meaning: str) -> list[Dataset]:
    return [item(CodeValue="1", CodingSchemeDesignator="99T", CodeMeaning=meaning)]


def without_pixels(data_set: Dataset, **values: Any) -> Dataset:
    """The same, no picture."""
    for keyword in ("PixelData", "Rows", "Columns"):
        del data_set[keyword]
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def report() -> Dataset:
    measured = item(NumericValue="8.4", MeasurementUnitsCodeSequence=code("millimeter"))
    findings = [
        item(ValueType="TEXT", ConceptNameCodeSequence=code("Lung"), TextValue="A nodule <b>"),
        item(ValueType="NUM", ConceptNameCodeSequence=code("Diameter"),
             MeasuredValueSequence=[measured]),
    ]  # fmt: skip
    return without_pixels(
        ct(STUDY, "1.1.8", "1.1.8.1", SOPClassUID=REPORT, Modality="SR", SeriesNumber="8"),
        ValueType="CONTAINER", ConceptNameCodeSequence=code("Radiology report"),
        ContentSequence=[item(ValueType="CONTAINER", ConceptNameCodeSequence=code("Findings"),
                              ContentSequence=findings)],
    )  # fmt: skip


def document(instance: str, data: bytes) -> Dataset:
    return without_pixels(
        ct(STUDY, "1.1.9", instance, SOPClassUID=PDF, Modality="DOC", SeriesNumber="9"),
        MIMETypeOfEncapsulatedDocument="application/pdf", EncapsulatedDocument=data,
    )  # fmt: skip


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A study of four slices, an instance of three frames, a report and two documents."""
    with opened_page(tmp_path_factory.mktemp("study")) as page:
        named = {"StudyDescription": "Chest", "SeriesDescription": "Thorax", "SeriesNumber": "2"}
        for number in (10, 9, 2, 1):
            page.store(ct(
                STUDY, SERIES, f"1.1.1.{number}", InstanceNumber=str(number), WindowCenter="40",
                WindowWidth="400", RescaleIntercept="-1024", RescaleSlope="1", **named, **IMAGE,
            ))  # fmt: skip
        page.store(
            ct(
                STUDY,
                "1.1.2",
                "1.1.2.1",
                SeriesNumber="1",
                NumberOfFrames="3",
                Modality="XA",
                FrameTime="40",
                **{**IMAGE, "PixelData": bytes(48)},
            )
        )
        page.store(report(), document("1.1.9.1", b"%PDF-1.4 x"), document("1.1.9.2", b"<html>"))
        yield page


def test_series_stand_in_the_order_of_their_numbers(held: Page) -> None:
    shown = held.get(f"/page/studies/{STUDY}")
    found = re.findall(r'class="card" href="/page/studies/1.1/series/([^"]+)"', shown)
    assert found == ["1.1.2", "1.1.1", "1.1.8", "1.1.9"]


def test_a_series_has_a_thumbnail_where_there_is_a_picture_in_it(held: Page) -> None:
    shown = held.get(f"/page/studies/{STUDY}")
    found = re.findall(r'<img src="/dicom-web/studies/1.1/series/([^/]+)/thumbnail', shown)
    assert found == ["1.1.2", "1.1.1"]


def test_a_thumbnail_is_there(held: Page) -> None:
    path = re.findall(r'<img src="(/dicom-web[^"]+)"', held.get(f"/page/studies/{STUDY}"))[1]
    answer = held.answer(path.replace("&amp;", "&"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")


def test_slices_stand_in_the_order_of_their_numbers(held: Page) -> None:
    told = json.loads(held.get(f"/page/studies/{STUDY}/series/{SERIES}/list"))
    assert told["instances"] == [[f"1.1.1.{number}", 1] for number in (1, 2, 9, 10)]
    assert told["window"] == [40, 400]
    assert told["range"] == 256


def test_each_frame_is_a_step(held: Page) -> None:
    path = f"/page/studies/{STUDY}/series/1.1.2"
    told = json.loads(held.get(f"{path}/list"))
    assert (told["instances"], told["rate"]) == ([["1.1.2.1", 3]], 25)
    assert "instances/1.1.2.1/frames/3/rendered" in held.get(f"{path}?slice=3")


@pytest.mark.parametrize(
    ("asked", "instance", "part"),
    [
        ("", "1.1.1.1", "quality=90"),
        ("?slice=3", "1.1.1.9", "quality=90"),
        ("?slice=99", "1.1.1.10", "quality=90"),
        ("?slice=2&window=-600,1500", "1.1.1.2", "window=-600,1500,linear"),
    ],
)
def test_without_a_script_a_slice_and_a_window_are_asked_for_by_links(
    held: Page, asked: str, instance: str, part: str
) -> None:
    shown = held.get(f"/page/studies/{STUDY}/series/{SERIES}{asked}")
    path = re.findall(r'id="picture" src="([^"]+)"', shown)[0].replace("&amp;", "&")
    assert f"/instances/{instance}/rendered" in path
    assert part in path
    assert held.answer(path).headers["Content-Type"] == "image/jpeg"
    assert 'rel="next"' in shown or 'rel="prev"' in shown


@pytest.mark.parametrize(
    "asked", ["slice=x", "slice=-1", "window=nan,1", "window=1", "window=1,2,3"]
)
def test_a_slice_or_window_that_is_none_is_refused(held: Page, asked: str) -> None:
    held.get(f"/page/studies/{STUDY}/series/{SERIES}?{asked}", 400)


@pytest.mark.parametrize(
    "path",
    ["studies/9.9", "studies/1.1/series/9.9", "studies/1.1/series/1.1.1/instances/9.9",
     "studies/9.9/way", "studies/9.9/zip", "studies/1.1/series/1.1.1/instances/1.1.1.1/document",
     "nothing", "files/nothing.js", "files/..%2fanswers.py"],
)  # fmt: skip
def test_what_is_not_held_is_said_not_to_be(held: Page, path: str) -> None:
    assert held.answer(f"/page/{path}").status_code == 404


@pytest.mark.parametrize("uid", ["a", "1.1%00", "..%2f", "1" * 65])
def test_what_is_no_uid_is_refused(held: Page, uid: str) -> None:
    assert held.answer(f"/page/studies/{uid}").status_code in (400, 404)


def test_the_elements_of_an_instance_are_shown_with_those_of_its_items(held: Page) -> None:
    shown = held.get(f"/page/studies/{STUDY}/series/1.1.8/instances/1.1.8.1")
    rows = re.findall(r'<td class="mono depth(\d)">([^<]+)</td><td class="mono">(\w*)', shown)
    tags = [row[1] for row in rows if not int(row[0])]
    assert tags == sorted(tags)
    assert ("0", "(0010,0010)", "PN") in rows
    assert ("1", "(0040,A040)", "CS") in rows
    assert ("2", "(0040,A160)", "UT") in rows
    assert "Patient&#39;s Name" in shown


def test_a_report_is_shown_as_one(held: Page) -> None:
    shown = held.get(f"/page/studies/{STUDY}/series/1.1.8/instances/1.1.8.1")
    text = shown.partition('class="sheet report"')[2].partition("</section>")[0]
    words = re.sub(r"<[^>]+>|\s+", " ", text)
    assert "Radiology report" in words
    assert re.search(r"Lung +A nodule &lt;b&gt;", words)
    assert re.search(r"Diameter +8.4 millimeter", words)


def test_a_pdf_is_shown_and_what_is_none_is_a_file(held: Page) -> None:
    path = f"/page/studies/{STUDY}/series/1.1.9/instances"
    assert f'<iframe class="document" src="{path}/1.1.9.1/document"' in held.get(f"{path}/1.1.9.1")
    pdf, html = (held.answer(f"{path}/1.1.9.{number}/document") for number in (1, 2))
    assert (pdf.data, pdf.headers["Content-Type"]) == (b"%PDF-1.4 x", "application/pdf")
    assert html.headers["Content-Type"] == "application/octet-stream"
    assert html.headers["Content-Disposition"].startswith("attachment")
    assert "frame-ancestors 'self'" in pdf.headers["Content-Security-Policy"]


def test_the_digest_and_the_sender_of_an_instance_are_shown(held: Page) -> None:
    (file,) = Path(held.archive.tree.data, "journal").glob("receipts.jsonl")
    told = next(one for one in map(json.loads, filter(None, file.read_text().split("\n")))
                if one["uids"][2] == "1.1.1.9")  # fmt: skip
    shown = held.get(f"/page/studies/{STUDY}/series/{SERIES}/instances/1.1.1.9")
    assert told["digest"] in shown
    assert "CT1" in shown


def test_a_series_without_pictures_lists_what_it_holds(held: Page) -> None:
    shown = held.get(f"/page/studies/{STUDY}/series/1.1.8")
    assert "/instances/1.1.8.1" in shown
    assert "viewer.js" not in shown


def test_the_series_of_a_study_of_very_many_are_gone_through(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "_MOST_SERIES", 4)
    for number in range(1, 11):
        page.store(ct("1.7", f"1.7.{number}", f"1.7.{number}.1", SeriesNumber=str(number)))
    path, found = "/page/studies/1.7", []
    while path:
        shown = page.get(path)
        found += re.findall(r'class="card" href="/page/studies/1.7/series/([^"]+)"', shown)
        _, _, behind = shown.partition('rel="next" href="')
        path = behind.partition('"')[0]
    assert found == [f"1.7.{number}" for number in range(1, 11)]
    assert "Series 9 to 10" in shown
    page.get("/page/studies/1.7?from=-1", 400)


def test_a_study_of_a_thousand_series_is_shown(page: Page) -> None:
    page.store(*(
        ct("1.7", f"1.7.{number}", f"1.7.{number}.1", SeriesNumber=str(number))
        for number in range(1000)
    ))  # fmt: skip
    assert page.get("/page/studies/1.7").count('class="card"') == 500
    assert "?from=500" in page.get("/page/studies/1.7")
    assert "1.7.77" in page.get("/page/studies/1.7/series/1.7.77")


def test_an_instance_of_65535_frames_is_gone_through_to_its_end(page: Page) -> None:
    frames = 65535
    page.store(ct("1.8", "1.8.1", "1.8.1.1", NumberOfFrames=str(frames),
                  **IMAGE | {"PixelData": bytes(16 * frames)}))  # fmt: skip
    told = json.loads(page.get("/page/studies/1.8/series/1.8.1/list"))
    assert told["instances"] == [["1.8.1.1", frames]]
    shown = page.get(f"/page/studies/1.8/series/1.8.1?slice={frames}")
    assert f"/frames/{frames}/rendered" in shown
    assert "larger than is shown" not in shown


def test_a_study_without_a_date_or_a_name_is_shown(page: Page) -> None:
    page.store(ct("1.9", "1.9.1", "1.9.1.1", PatientName="", StudyDate="", PatientID=""))
    for path in ("", "/arrivals", "/studies/1.9", "/studies/1.9/way", "/studies/1.9/series/1.9.1"):
        assert "1.9" in page.get(f"/page{path}")


def test_names_in_a_zip_are_those_of_uids_whatever_a_peer_sent(page: Page) -> None:
    hostile = "../../etc/passwd\x00<b>"
    page.store(ct("1.10", "1.10.1", "1.10.1.1", PatientName=hostile, PatientID=hostile,
                  StudyDescription=hostile, SeriesDescription=hostile))  # fmt: skip
    for asked in ("", "?media=1", "?deidentified=1"):
        answer = page.answer(f"/page/studies/1.10/zip{asked}")
        for name in ZipFile(BytesIO(answer.data)).namelist():
            assert re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", name)
            assert ".." not in name
        told = answer.headers["Content-Disposition"]
        assert re.fullmatch(r'attachment; filename="[a-z0-9.-]+"', told)


@pytest.fixture
def zipped(held: Page) -> Iterator[Any]:
    def get(asked: str = "") -> ZipFile:
        answer = held.answer(f"/page/studies/{STUDY}/zip{asked}")
        assert answer.headers["Content-Type"] == "application/zip"
        return ZipFile(BytesIO(answer.data))

    return get


def test_a_zip_holds_the_files_as_they_lie(held: Page, zipped: Any) -> None:
    made = zipped()
    assert made.testzip() is None
    files = {dcmread(BytesIO(made.read(name))).SOPInstanceUID for name in made.namelist()}
    assert len(files) == 8


def test_a_zip_for_media_has_a_dicomdir(zipped: Any) -> None:
    made = zipped("?media=1")
    directory = dcmread(BytesIO(made.read("DICOMDIR")))
    kinds = [one.DirectoryRecordType for one in directory.DirectoryRecordSequence]
    assert kinds.count("IMAGE") == 5


def test_a_zip_that_is_de_identified_names_no_patient_and_says_what_is_not_in_it(
    zipped: Any,
) -> None:
    made = zipped("?deidentified=1")
    files = [name for name in made.namelist() if name.endswith(".dcm")]
    assert files
    assert not [name for name in files if b"Doe" in made.read(name) or "1.1.1" in name[:5]]
    assert b"document" in made.read("NOT-EXPORTED.TXT")


def test_a_zip_that_nobody_takes_any_more_is_ended(held: Page) -> None:
    with held.client.get(f"/page/studies/{STUDY}/zip", headers={"Host": "localhost"}) as answer:
        next(answer.iter_encoded())
    trail = Path(held.archive.tree.data, "audit", "audit.jsonl").read_text().splitlines()
    assert json.loads(trail[-1])["path"].endswith("/zip")


def test_files_that_are_passed_through_are_in_the_audit_trail(held: Page) -> None:
    kind = 'multipart/related; type="application/dicom"'
    held.answer(f"/dicom-web/studies/{STUDY}", Accept=kind)
    trail = Path(held.archive.tree.data, "audit", "audit.jsonl").read_text().splitlines()
    told = json.loads(trail[-1])
    assert (told["event"], told["instances"]) == ("dicomweb", 8)


def ecg(**values: Any) -> Dataset:
    """Two channels of 1 s, of which the first rises by 1 mV in the middle."""
    units = [item(CodeValue="uV", CodingSchemeDesignator="UCUM", CodeMeaning="microvolt")]
    lead = {"ChannelSensitivity": "5", "ChannelSensitivityUnitsSequence": units,
            "ChannelSensitivityCorrectionFactor": "1", "ChannelBaseline": "0"}  # fmt: skip
    data = [value for number in range(100) for value in (200 * (number > 60), 0)]
    group = {
        "NumberOfWaveformChannels": 2, "NumberOfWaveformSamples": 100, "SamplingFrequency": "100",
        "WaveformBitsAllocated": 16, "WaveformSampleInterpretation": "SS",
        "WaveformData": b"".join(one.to_bytes(2, "little", signed=True) for one in data),
        "ChannelDefinitionSequence": [item(ChannelLabel="Lead <I>", **lead), item(**lead)],
    }  # fmt: skip
    made = item(**(group | values))
    made["WaveformData"].VR = "OW"
    return made


def test_a_waveform_is_drawn_to_scale_and_one_that_is_none_is_not(page: Page) -> None:
    kind = "1.2.840.10008.5.1.4.1.1.9.1.1"
    groups = [
        ecg(), ecg(WaveformData=b"\0\0"), ecg(SamplingFrequency="0"),
        ecg(NumberOfWaveformSamples=4_000_000_000),
    ]  # fmt: skip
    held = ct("1.7", "1.7.1", "1.7.1.1", SOPClassUID=kind, Modality="ECG")
    page.store(without_pixels(held, WaveformSequence=groups))
    shown = page.get("/page/studies/1.7/series/1.7.1/instances/1.7.1.1")
    pictures = shown.split("<svg ")[1:]
    assert len(pictures) == 1
    assert pictures[0].startswith('viewBox="0 0 100 176"')
    assert "Lead &lt;I&gt;" in pictures[0]
    points = re.findall(r'points="([^"]*)"', pictures[0])
    heights = [float(one.split(",")[1]) for one in points[0].split()]
    assert (len(heights), heights[0], heights[-1]) == (100, 44, 4)
    assert {one.split(",")[1] for one in points[1].split()} == {"44.0"}


def test_of_frames_without_end_some_are_shown_and_that_is_said(page: Page) -> None:
    for number, frames in enumerate(("2", "4000000000", "3"), 1):
        page.store(ct("1.8", "1.8.1", f"1.8.1.{number}", InstanceNumber=str(number),
                      NumberOfFrames=frames, **IMAGE))  # fmt: skip
    told = json.loads(page.get("/page/studies/1.8/series/1.8.1/list"))
    assert told["instances"] == [["1.8.1.1", 2], ["1.8.1.2", 99_998]]
    assert "larger than is shown" in page.get("/page/studies/1.8/series/1.8.1")
