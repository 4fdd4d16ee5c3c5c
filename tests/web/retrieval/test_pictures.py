"""WADO-RS: frames, pictures and thumbnails of each sample that is an image."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.pixels.processing import apply_modality_lut
from support import Sample
from support.checks.dicomweb import Web, parts

OCTETS = "application/octet-stream"
# pydicom's iterator over frames fails for these, and its decoder does not.
NOT_ITERATED = {"J2K_pixelrep_mismatch.dcm", "SC_rgb_jpeg.dcm", "image_dfl.dcm"}


def url_of(web: Web, sample: Sample) -> str:
    study, series, instance = sample.uids
    return f"{web.url}/studies/{study}/series/{series}/instances/{instance}"


def images(held_samples: list[Sample]) -> list[Sample]:
    """Those with pixels that pydicom decodes."""
    return [one for one in held_samples if _pixels(one) is not None]


def _pixels(sample: Sample) -> np.ndarray | None:
    try:
        return dcmread(sample.path).pixel_array
    except Exception:  # it is no image, or none that can be decoded
        return None


def named(held_samples: list[Sample], name: str) -> Sample:
    return next(one for one in held_samples if one.name == name)


def test_frames_as_stored_are_the_fragments(web: Web, held_samples: list[Sample]) -> None:
    from pydicom.encaps import generate_frames

    for sample in images(held_samples):
        data_set = dcmread(sample.path)
        if not data_set.file_meta.TransferSyntaxUID.is_encapsulated:
            continue
        count = int(data_set.get("NumberOfFrames") or 1)
        stored = list(generate_frames(data_set.PixelData, number_of_frames=count))
        numbers = ",".join(str(number + 1) for number in range(count))
        answer = web.get(
            f"{url_of(web, sample)}/frames/{numbers}",
            f"multipart/related; type={OCTETS}; transfer-syntax=*",
        )
        assert answer.status_code == 200, (sample.name, answer.text)
        assert [data.rstrip(b"\0") for _, data in parts(answer)] == [
            data.rstrip(b"\0") for data in stored
        ], sample.name


def test_uncompressed_frames_are_what_the_decoder_makes(
    web: Web, held_samples: list[Sample]
) -> None:
    for sample in images(held_samples):
        data_set = dcmread(sample.path)
        is_packed = data_set.BitsAllocated == 1 or data_set.get("PlanarConfiguration")
        if is_packed or "422" in sample.name or sample.name in NOT_ITERATED:
            continue
        from pydicom.pixels.utils import iter_pixels

        answer = web.get(
            f"{url_of(web, sample)}/pixeldata", f"{OCTETS}, multipart/related; type={OCTETS}"
        )
        assert answer.status_code == 200, (sample.name, answer.text)
        kind = answer.headers["Content-Type"]
        given = [data for _, data in parts(answer)] if "multipart" in kind else [answer.content]
        either = zip(*(iter_pixels(sample.path, raw=raw) for raw in (True, False)), strict=True)
        for data, frames in zip(given, either, strict=True):
            # Colours may be decoded as RGB, and lossy decoders differ by a little.
            assert min(difference(data, frame) for frame in frames) <= 3, sample.name


def difference(data: bytes, frame: np.ndarray) -> int:
    held = np.frombuffer(data, frame.dtype.newbyteorder("<"))[: frame.size]
    return int(np.abs(held.astype(np.int64) - frame.ravel().astype(np.int64)).max())


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/gif", "image/jp2"])
def test_each_image_has_a_picture(web: Web, held_samples: list[Sample], kind: str) -> None:
    for sample in images(held_samples):
        answer = web.get(f"{url_of(web, sample)}/rendered", kind)
        assert answer.status_code == 200, (sample.name, answer.text)
        assert answer.headers["Content-Type"] == kind
        with Image.open(BytesIO(answer.content)) as made:
            assert made.format == {"image/jp2": "JPEG2000"}.get(kind, kind[6:].upper())
            assert made.width == sample.dataset.Columns
            frames = int(sample.dataset.get("NumberOfFrames") or 1)
            moving = getattr(made, "n_frames", 1)
            assert moving == 1 or (kind == "image/gif" and moving <= frames)


def test_a_report_has_no_picture_and_it_is_said_so(web: Web, held_samples: list[Sample]) -> None:
    report = url_of(web, named(held_samples, "reportsi.dcm"))
    answer = web.get(f"{report}/rendered", "image/*")
    assert answer.status_code == 406
    assert "there is text/html" in answer.json()["message"]
    waves = url_of(web, named(held_samples, "waveform_ecg.dcm"))
    for url in (f"{waves}/rendered", f"{waves}/thumbnail", f"{report}/thumbnail"):
        answer = web.get(url)
        assert answer.status_code == 406
        assert "no Pixel Data" in answer.json()["message"] or url.startswith(report)


def test_shades_are_those_of_the_window(web: Web, held_samples: list[Sample]) -> None:
    sample = named(held_samples, "CT_small.dcm")
    values = apply_modality_lut(dcmread(sample.path).pixel_array, sample.dataset)
    for center, width in ((40, 400), (-600, 1500), (100.5, 33)):
        path = f"{url_of(web, sample)}/rendered?window={center},{width},linear"
        with Image.open(BytesIO(web.get(path, "image/png").content)) as made:
            shades = np.asarray(made)
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
        expected = np.clip((values - low) / (high - low) * 255, 0, 255)
        assert np.abs(shades - expected).max() <= 0.51


def test_without_a_window_the_file_s_own_counts(web: Web, held_samples: list[Sample]) -> None:
    sample = named(held_samples, "MR_small.dcm")
    array = dcmread(sample.path).pixel_array
    values = apply_modality_lut(array, sample.dataset)
    center, width = (float(sample.dataset[name].value) for name in ("WindowCenter", "WindowWidth"))
    with Image.open(BytesIO(web.get(f"{url_of(web, sample)}/rendered", "image/png").content)) as m:
        shades = np.asarray(m)
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    assert np.abs(shades - np.clip((values - low) / (high - low) * 255, 0, 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("asked", "size"),
    [("viewport=64,64", (64, 64)), ("viewport=64,200", (64, 64)),
     ("viewport=64,64,0,0,64,128", (32, 64)), ("viewport=300,300", (300, 300))],
)  # fmt: skip
def test_a_viewport_keeps_the_proportions(
    web: Web, held_samples: list[Sample], asked: str, size: tuple[int, int]
) -> None:
    sample = named(held_samples, "CT_small.dcm")
    answer = web.get(f"{url_of(web, sample)}/rendered?{asked}")
    with Image.open(BytesIO(answer.content)) as made:
        assert made.size == size


def test_a_negative_width_turns_the_picture_over(web: Web, held_samples: list[Sample]) -> None:
    url = url_of(web, named(held_samples, "CT_small.dcm"))
    found = []
    for width in (128, -128):
        answer = web.get(f"{url}/rendered?viewport=128,128,0,0,{width},128", "image/png")
        with Image.open(BytesIO(answer.content)) as made:
            found.append(np.asarray(made))
    assert (found[0] == found[1][:, ::-1]).all()


@pytest.mark.parametrize(
    "asked",
    ["window=1", "window=a,b", "window=nan,400", "window=1,0", "window=1,2,cubic", "viewport=0,5",
     "viewport=64", "viewport=64,64,-1,0,5,5", "viewport=1e9,1", "quality=0", "quality=101",
     "viewport=64,64,500,500,10,10", "iccprofile=maybe"],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(web: Web, held_samples: list[Sample], asked: str) -> None:
    url = url_of(web, named(held_samples, "CT_small.dcm"))
    assert web.get(f"{url}/rendered?{asked}").status_code in (400, 406)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [("1", 200), ("0", 400), ("2", 404), ("1,2", 404), ("x", 400), ("-1", 400), ("1,", 400),
     ("999999999", 404), ("9" * 30, 400), ("1,1", 200)],
)  # fmt: skip
def test_frames_are_numbered_from_one(
    web: Web, held_samples: list[Sample], numbers: str, status: int
) -> None:
    url = url_of(web, named(held_samples, "CT_small.dcm"))
    assert web.get(f"{url}/frames/{numbers}").status_code == status


def test_thumbnails_are_small_at_each_level(web: Web, held_samples: list[Sample]) -> None:
    sample = named(held_samples, "examples_jpeg2k.dcm")
    url = url_of(web, sample)
    study = url.partition("/series/")[0]
    series = url.partition("/instances/")[0]
    for path in (study, series, url, f"{url}/frames/1"):
        answer = web.get(f"{path}/thumbnail")
        assert answer.status_code == 200, path
        with Image.open(BytesIO(answer.content)) as made:
            assert max(made.size) == 128


def test_a_study_s_pictures_come_in_parts(web: Web, held_samples: list[Sample]) -> None:
    url = url_of(web, named(held_samples, "MR_small.dcm")).partition("/series/")[0]
    found = parts(web.get(f"{url}/rendered", "image/png"))
    assert len(found) > 1
    for head, data in found:
        assert head["Content-Type"] == "image/png"
        assert head["Content-Location"].endswith("/rendered")
        Image.open(BytesIO(data)).verify()


def test_black_is_white_in_monochrome_1(web: Web, held_samples: list[Sample]) -> None:
    found = [one for one in images(held_samples)
             if one.dataset.PhotometricInterpretation == "MONOCHROME1"]  # fmt: skip
    for sample in found:
        array = dcmread(sample.path).pixel_array
        array = array[0] if array.ndim > 2 else array
        answer = web.get(f"{url_of(web, sample)}/rendered", "image/png")
        with Image.open(BytesIO(answer.content)) as made:
            shades = np.asarray(made).astype(int)
        assert np.corrcoef(array.ravel(), shades.ravel())[0, 1] < 0, sample.name
