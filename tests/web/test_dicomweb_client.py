"""PyPI's dicomweb-client: what notebooks and tools for AI ask by."""

from io import BytesIO

import numpy as np
import pytest
from dicomweb_client.web import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from requests import HTTPError
from support import EXPLICIT, Sample, samples
from support.checks.dicomweb import Web

NAMES = ("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm",
         "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_rle_2frame.dcm")  # fmt: skip
SAMPLES = {s.name: s for s in samples() if s.name in ("CT_small.dcm", "MR_small_RLE.dcm")}
PLAIN = SAMPLES["CT_small.dcm"]
OCTETS = "application/octet-stream"
AS_STORED, UNCOMPRESSED = (("application/dicom", "*"),), (("application/dicom", EXPLICIT),)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def client(web: Web) -> DICOMwebClient:
    return DICOMwebClient(web.url)


def named(held_samples: list[Sample], name: str) -> Sample:
    """A sample as the node holds it, which may be under another UID than pydicom's."""
    return next(one for one in held_samples if one.name == name)


@pytest.fixture(params=NAMES)
def sample(request: pytest.FixtureRequest, held_samples: list[Sample]) -> Sample:
    """An image."""
    return named(held_samples, request.param)


def uids(found: list[dict], tag: str) -> set[str]:
    return {one[tag]["Value"][0] for one in found}


# ---- searches


def test_it_searches_at_each_level(client: DICOMwebClient, held_samples: list[Sample]) -> None:
    studies, series, instances = zip(*(one.uids for one in held_samples), strict=True)
    assert uids(client.search_for_studies(), "0020000D") >= set(studies)
    assert uids(client.search_for_series(), "0020000E") >= set(series)
    assert uids(client.search_for_instances(), "00080018") >= set(instances)
    study, series_, instance = PLAIN.uids
    assert instance in uids(client.search_for_instances(study, series_), "00080018")


def test_it_gets_page_after_page(client: DICOMwebClient) -> None:
    """It asks on as long as a page holds something."""
    found = client.search_for_instances(limit=40, get_remaining=True)
    assert len(found) == len(uids(found, "00080018")) == len(client.search_for_instances())


def test_it_filters_and_asks_for_fields(client: DICOMwebClient) -> None:
    (found,) = client.search_for_instances(
        search_filters={"SOPInstanceUID": PLAIN.uids[2], "PatientName": "compressed*"},
        fields=["Rows", "00100010", "StudyDescription"], fuzzymatching=False, limit=5, offset=0,
    )  # fmt: skip
    as_data_set = Dataset.from_json(found)
    assert (as_data_set.Rows, as_data_set.PatientName) == (128, PLAIN.dataset.PatientName)


def test_an_empty_answer_is_an_empty_list(client: DICOMwebClient) -> None:
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


# ---- retrieves


def test_it_retrieves_metadata(client: DICOMwebClient, sample: Sample) -> None:
    study, series, instance = sample.uids
    found = client.retrieve_instance_metadata(study, series, instance)
    for several in (client.retrieve_series_metadata(study, series),
                    client.retrieve_study_metadata(study)):  # fmt: skip
        assert found in several
    read = Dataset.from_json(found, bulk_data_uri_handler=lambda *_: b"")
    assert (read.SOPInstanceUID, read.Rows) == (instance, sample.dataset.Rows)


def test_it_retrieves_instances(client: DICOMwebClient, sample: Sample) -> None:
    study, series, instance = sample.uids
    found = client.retrieve_instance(study, series, instance, AS_STORED)
    assert found.file_meta.TransferSyntaxUID == sample.transfer_syntax_uid
    assert found == dcmread(sample.path)
    plain = client.retrieve_instance(study, series, instance, UNCOMPRESSED)
    assert plain.file_meta.TransferSyntaxUID == EXPLICIT
    assert plain.pixel_array.shape == found.pixel_array.shape
    assert instance in {
        one.SOPInstanceUID for one in client.retrieve_series(study, series, AS_STORED)
    }
    assert instance in {one.SOPInstanceUID for one in client.retrieve_study(study, AS_STORED)}
    several = list(client.iter_study(study, AS_STORED))
    assert len(several) == len(client.search_for_instances(study))


def test_it_retrieves_frames(client: DICOMwebClient, sample: Sample) -> None:
    count = int(sample.dataset.get("NumberOfFrames") or 1)
    decoded = client.retrieve_instance(*sample.uids, UNCOMPRESSED)
    explicit = ((OCTETS, EXPLICIT),)
    frames = client.retrieve_instance_frames(*sample.uids, [*range(1, count + 1)], explicit)
    assert len(frames) == count
    assert b"".join(frames) == decoded.PixelData[: sum(map(len, frames))]
    assert list(client.iter_instance_frames(*sample.uids, [count], explicit)) == frames[-1:]
    # Without a media type it says `*/*`, and takes what there is.
    assert len(client.retrieve_instance_frames(*sample.uids, [1])) == 1


def test_it_retrieves_pictures(client: DICOMwebClient, sample: Sample) -> None:
    size = (sample.dataset.Columns, sample.dataset.Rows)
    for media_type, form in (("image/jpeg", "JPEG"), ("image/png", "PNG")):
        for found in (
            client.retrieve_instance_rendered(*sample.uids, (media_type,)),
            client.retrieve_instance_frames_rendered(*sample.uids, [1], (media_type,)),
        ):
            picture = Image.open(BytesIO(found))
            assert (picture.format, picture.size) == (form, size)


def test_a_picture_is_of_the_window_that_was_asked_for(client: DICOMwebClient) -> None:
    params = {"window": "1000,4096,linear", "viewport": "32,32"}
    found = client.retrieve_instance_rendered(*PLAIN.uids, ("image/png",), params)
    picture = Image.open(BytesIO(found))
    assert picture.size == (32, 32)
    assert np.asarray(picture).max() < 255


def test_it_retrieves_bulk_data(client: DICOMwebClient) -> None:
    metadata = client.retrieve_instance_metadata(*PLAIN.uids)
    url = metadata["7FE00010"]["BulkDataURI"]
    for more in ({}, {"media_types": (OCTETS,)}):
        assert client.retrieve_bulkdata(url, **more) == [PLAIN.dataset.PixelData]
        assert list(client.iter_bulkdata(url, **more)) == [PLAIN.dataset.PixelData]


@pytest.mark.parametrize("name", ["reportsi.dcm", "test-SR.dcm"])
def test_what_has_no_pixels_is_refused_by_a_status(
    client: DICOMwebClient, held_samples: list[Sample], name: str
) -> None:
    held = named(held_samples, name).uids
    assert client.retrieve_instance(*held).SOPInstanceUID == held[2]
    with pytest.raises(HTTPError) as caught:
        client.retrieve_instance_frames(*held, [1])
    assert caught.value.response.status_code in (404, 406)


# ---- storing


def test_it_stores(empty: Web, held_samples: list[Sample]) -> None:
    sent = {one.uids[2]: dcmread(one.path) for one in (named(held_samples, n) for n in NAMES)}
    report = DICOMwebClient(empty.url).store_instances(list(sent.values()))
    stored = {str(one.ReferencedSOPInstanceUID) for one in report.ReferencedSOPSequence}
    assert stored == sent.keys()
    assert {path.stem: dcmread(path) for path in empty.node.files()} == sent


def test_what_is_refused_is_told_of_each(empty: Web) -> None:
    """One is of another study than that of the URL."""
    other = SAMPLES["MR_small_RLE.dcm"]
    sent = [dcmread(PLAIN.path), dcmread(other.path)]
    report = DICOMwebClient(empty.url).store_instances(sent, study_instance_uid=PLAIN.uids[0])
    assert [one.ReferencedSOPInstanceUID for one in report.ReferencedSOPSequence] == [PLAIN.uids[2]]
    assert [one.ReferencedSOPInstanceUID for one in report.FailedSOPSequence] == [other.uids[2]]
    assert {path.stem for path in empty.node.files()} == {PLAIN.uids[2]}
