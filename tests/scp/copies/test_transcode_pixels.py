"""Compressed images decompressed: every pixel as it was."""

import base64
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from support import Sample, dcmtk
from support.data.images import (
    BIG_ENDIAN,
    COLOUR,
    EXPLICIT,
    GRAY,
    GRAY_LOSSY,
    IMPLICIT,
    RLE,
    SAMPLES,
    SIDES,
    Pixels,
    Store,
    X,
    Y,
    coded,
    decompressed,
    image,
    picture,
    store_in,
    words,
)
from support.network.raw import PIXEL_DATA, ex, rle

from scp.copies.corrected.transcode import TranscodeError, transcode

# What no decoder listed in the design can read, and why.
UNREADABLE = {
    # Its SIZ was overwritten, to look like a sequence delimiter: 14 million tiles of 65535 at most.
    "JPEG2000-embedded-sequence-delimiter.dcm": "frame 1 cannot be decoded: it has 1 of 14540801",
}
# Read here, but not by pydicom, which takes 12 bits from no decoder but libjpeg's (GPL).
NOT_PYDICOM = {"JPEG-lossy.dcm", "JPGExtended.dcm"}
NO_PIXELS = {"UN_sequence.dcm"}


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- every compressed file of pydicom's


@pytest.mark.parametrize("name", SAMPLES)
def test_pixels_are_those_of_the_original(name: str, tmp_path: Path) -> None:
    path = SAMPLES[name].path
    if name in UNREADABLE:
        with pytest.raises(TranscodeError) as failure:
            transcode(path, EXPLICIT)
        assert UNREADABLE[name] in str(failure.value)
        return
    image, original = decompressed(path), dcmread(path)
    assert ("PixelData" in original) == ("PixelData" in image) == (name not in NO_PIXELS)
    if name in NO_PIXELS:
        return
    if name in NOT_PYDICOM:
        with pytest.raises(RuntimeError, match="Unable to decode"):
            _ = original.pixel_array
    else:  # of JPEG 2000 by GDCM, which is OpenJPEG here
        assert (image.pixel_array == original.pixel_array).all()
    for target in (IMPLICIT, BIG_ENDIAN):
        if target == BIG_ENDIAN and image.BitsAllocated > 16:
            with pytest.raises(TranscodeError, match="programs disagree"):
                transcode(path, target)
            continue
        assert (decompressed(path, target).pixel_array == image.pixel_array).all()


def test_the_tables_are_of_files() -> None:
    assert UNREADABLE.keys() | NOT_PYDICOM | NO_PIXELS <= SAMPLES.keys()


DCMTK = {
    JPEGBaseline8Bit: "dcmdjpeg", JPEGExtended12Bit: "dcmdjpeg", JPEGLosslessSV1: "dcmdjpeg",
    JPEGLSLossless: "dcmdjpls", JPEGLSNearLossless: "dcmdjpls", RLELossless: "dcmdrle",
}  # fmt: skip
# It does not take the change to implicit VR that is in SC_rgb_jpeg.dcm.
NOT_DCMTK = {"SC_rgb_jpeg.dcm", *NO_PIXELS}
READABLE_BY_DCMTK = [
    s for s in SAMPLES.values() if s.transfer_syntax_uid in DCMTK and s.name not in NOT_DCMTK
]


@pytest.mark.parametrize("sample", READABLE_BY_DCMTK, ids=lambda sample: sample.name)
def test_dcmtk_sees_the_same(sample: Sample, tmp_path: Path) -> None:
    theirs = dcmread(by_dcmtk(DCMTK[sample.transfer_syntax_uid], [], sample.path, tmp_path))
    assert_same_image(decompressed(sample.path), theirs)


def by_dcmtk(tool: str, options: list[str], path: Path, folder: Path) -> Path:
    """Run a codec of DCMTK's; the file it makes."""
    made = folder / f"by-{tool}.dcm"
    subprocess.run([dcmtk(tool), *options, str(path), str(made)], check=True, capture_output=True)
    return made


def assert_same_image(ours: Dataset, theirs: Dataset) -> None:
    """The same pixels, up to how colours are rounded, described in the same way."""
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        assert ours[keyword].value == theirs[keyword].value, keyword
    assert ours.PhotometricInterpretation == theirs.PhotometricInterpretation
    rounding = 1 if ours.PhotometricInterpretation == "RGB" else 0
    difference = words(ours).astype(np.int64) - words(theirs)
    assert np.abs(difference).max() <= rounding


# The attributes that change; other elements do not.
RGB = {"PhotometricInterpretation": "RGB"}
JPEG = {"LossyImageCompressionMethod": "ISO_10918_1"}
J2K = {"LossyImageCompressionMethod": "ISO_15444_1"}


def near(ratio: str) -> dict[str, str]:
    return {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": ratio,
        "LossyImageCompressionMethod": "ISO_14495_1",
    }


CHANGED: dict[str, dict[str, str]] = {
    "693_J2KI.dcm": {**J2K, "BitsStored": "16", "HighBit": "15"},
    "GDCMJ2K_TextGBR.dcm": RGB,
    "JPEG-lossy.dcm": JPEG,
    "JPEG2000.dcm": J2K,
    "JPEGLSNearLossless_08.dcm": near("8.04"),
    "JPEGLSNearLossless_16.dcm": near("6.67"),
    "JPGExtended.dcm": JPEG,
    "SC_jpeg_no_color_transform.dcm": {"LossyImageCompressionRatio": "56.43"},
    "SC_jpeg_no_color_transform_2.dcm": {"LossyImageCompressionRatio": "57.79"},
    "SC_rgb_dcmtk_+eb+cy+n1.dcm": RGB,
    "SC_rgb_dcmtk_+eb+cy+n2.dcm": RGB,
    "SC_rgb_dcmtk_+eb+cy+np.dcm": RGB,
    "SC_rgb_dcmtk_+eb+cy+s2.dcm": RGB,
    "SC_rgb_dcmtk_+eb+cy+s4.dcm": RGB,
    "SC_rgb_gdcm_KY.dcm": J2K,
    "SC_rgb_jls_lossy_line.dcm": near("58.82"),
    "SC_rgb_jls_lossy_sample.dcm": near("56.39"),
    "SC_rgb_jpeg_app14_dcmd.dcm": {"LossyImageCompressionRatio": "57.79"},
    "SC_rgb_jpeg_dcmtk.dcm": RGB,
    "SC_rgb_jpeg_lossy_gdcm.dcm": {**RGB, **JPEG},
    "SC_rgb_small_odd_jpeg.dcm": RGB,
    "examples_jpeg2k.dcm": RGB,
    "examples_ybr_color.dcm": {**RGB, **JPEG},
}


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - UNREADABLE.keys()))
def test_attributes_are_those_of_the_pixels(name: str) -> None:
    before, after = SAMPLES[name].dataset, decompressed(SAMPLES[name].path)
    changed = {
        element.keyword: str(element.value)
        for element in after
        if element.tag != PIXEL_DATA and before.get(element.tag) != element
    }
    assert changed == CHANGED.get(name, {})
    assert {tag for tag in before.keys() if tag.element} <= after.keys()  # noqa: SIM118
    if name not in NO_PIXELS:
        assert ("OW" if after.BitsAllocated > 8 else "OB") == after["PixelData"].VR


# ---- originals, compressed by others


def native(tmp_path: Path, pixels: Pixels, bits: int, signed: bool, photometric: str) -> Path:
    """An uncompressed image of (rows, columns) or (rows, columns, 3) or with frames before."""
    colour = pixels.shape[-1] == 3
    frames = pixels.ndim - (3 if colour else 2)
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = EXPLICIT
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "1.2.4"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.5", "1.2.6"
    if frames:
        image.NumberOfFrames = pixels.shape[0]
    image.Rows, image.Columns = pixels.shape[frames : frames + 2]
    image.SamplesPerPixel, image.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        image.PlanarConfiguration = 0
    image.BitsAllocated = 8 if bits <= 8 else 16
    image.BitsStored, image.HighBit, image.PixelRepresentation = bits, bits - 1, int(signed)
    kind = f"<{'i' if signed else 'u'}{image.BitsAllocated // 8}"
    data = pixels.astype(kind).tobytes()
    vr = "OW" if bits > 8 else "OB"
    image["PixelData"] = DataElement(PIXEL_DATA, vr, data + b"\0" * (len(data) % 2))
    path = tmp_path / "native.dcm"
    image.save_as(path, enforce_file_format=True)
    return path


ENCODERS: dict[str, tuple[str, list[str]]] = {
    **{f"JPEG lossless {n}": ("dcmcjpeg", ["+el", "+sv", str(n)]) for n in range(1, 8)},
    "JPEG lossless, first order": ("dcmcjpeg", ["+e1"]),
    "JPEG-LS": ("dcmcjpls", []),
    "RLE": ("dcmcrle", []),
    "RLE in fragments": ("dcmcrle", ["+fs", "1"]),
    "JPEG lossless in fragments": ("dcmcjpeg", ["+e1", "+fs", "1"]),
}
SIGNED = [(bits, True) for bits in (8, 12, 16)]
DEPTHS = [(bits, False) for bits in (1, 5, 8, 10, 12, 15, 16)]
# Of the predictors that differ in a formula alone.
FEW = [(8, False), (12, True), (16, False)]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_lossless_is_lossless(encoder: str, tmp_path: Path) -> None:
    is_alike = encoder[-1] in "234567"
    for bits, signed in FEW if is_alike else [*DEPTHS, *SIGNED]:
        pixels = picture(bits, signed)
        path = native(tmp_path, pixels, bits, signed, "MONOCHROME2")
        image = decompressed(by_dcmtk(*ENCODERS[encoder], path, tmp_path))
        assert (words(image)[0, :, :, 0] == pixels).all(), (bits, signed)
        assert (image.BitsStored, image.HighBit) == (bits, bits - 1)
        assert "LossyImageCompression" not in image


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_lossless_colours_stay_what_they_are(
    encoder: str, photometric: str, tmp_path: Path
) -> None:
    pixels = picture(8, shape=(2, 15, 27, 3))
    path = native(tmp_path, pixels, 8, False, photometric)
    image = decompressed(by_dcmtk(*ENCODERS[encoder], path, tmp_path))
    assert (words(image) == pixels).all()
    assert image.PhotometricInterpretation == photometric
    assert image.PlanarConfiguration == 0


LOSSY = {
    "baseline": ["+eb"],
    "extended": ["+ee"],
    "spectral selection": ["+es"],
    "full progression": ["+ep"],
    "RGB": ["+ee", "+cr"],
}


@pytest.mark.parametrize("process", LOSSY)
def test_lossy_is_as_dcmtk_has_it(process: str, tmp_path: Path) -> None:
    cases = [(8, False, (45, 67)), (12, False, (3, 45, 67)), (12, True, (45, 67)),
             (8, False, (45, 67, 3)), (16, False, (45, 67, 3))]  # fmt: skip
    for bits, signed, shape in cases:
        photometric = "RGB" if shape[-1] == 3 else "MONOCHROME2"
        path = native(tmp_path, picture(bits, signed, shape), bits, signed, photometric)
        made = by_dcmtk("dcmcjpeg", LOSSY[process], path, tmp_path)
        ours = decompressed(made)
        assert_same_image(ours, dcmread(by_dcmtk("dcmdjpeg", [], made, tmp_path)))
        assert ours.LossyImageCompression == "01"
        assert ours.LossyImageCompressionMethod == "ISO_10918_1"


def test_a_point_transform_is_a_loss(tmp_path: Path) -> None:
    path = native(tmp_path, picture(8), 8, False, "MONOCHROME2")
    made = by_dcmtk("dcmcjpeg", ["+e1", "+pt", "2"], path, tmp_path)
    assert "LossyImageCompression" not in dcmread(made)
    assert decompressed(made).LossyImageCompression == "01"


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    "bits",
    [
        (8, 1, 0), (8, 5, 4), (8, 5, 7), (8, 7, 6), (16, 1, 15), (16, 7, 6), (16, 7, 15),
        (16, 8, 7), (16, 8, 15), (16, 8, 11), (16, 12, 11), (16, 12, 15), (16, 15, 15),
        (32, 8, 7), (32, 20, 19), (32, 20, 31), (32, 31, 30),
    ],
)  # fmt: skip
def test_words_of_rle_stay_as_they_are_whichever_bits_count(
    bits: tuple[int, int, int], signed: int, stored: Store
) -> None:
    size = bits[0] // 8
    held = np.random.default_rng(bits).integers(0, 256, (64, size), np.uint8)
    planes = [held[:, byte].tobytes() for byte in reversed(range(size))]
    path = stored(image([rle(*planes)], rows=8, columns=8, bits=bits, signed=signed), RLE)
    found, before = decompressed(path), dcmread(path)
    assert found.PixelData == held.tobytes()
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        assert found[keyword] == before[keyword]
    assert (pixel_array(found) == pixel_array(before, decoding_plugin="pydicom")).all()


# ---- JPEG 2000

# (bits allocated, stored; of the codestream: bits, signed), Pixel Representation -> Bits Stored
J2K_DEPTHS = [
    ((8, 8), (8, 0), 0, 8),
    ((16, 12), (12, 0), 0, 12),
    ((16, 12), (12, 1), 1, 12),
    ((16, 12), (12, 0), 1, 12),  # what pydicom calls a mismatch
    ((16, 12), (12, 1), 0, 12),
    ((16, 16), (8, 0), 0, 16),
    ((16, 12), (16, 1), 1, 12),
    ((8, 8), (12, 0), 0, 12),
    ((32, 20), (20, 0), 0, 20),
]


@pytest.mark.parametrize(("allocated", "stream", "representation", "expected"), J2K_DEPTHS)
def test_jpeg_2000_of_any_depth(
    allocated: tuple[int, int],
    stream: tuple[int, int],
    representation: int,
    expected: int,
    stored: Store,
) -> None:
    bits, signed = stream
    pixels = picture(min(bits, 12), bool(signed), SIDES)
    frame = coded(pixels, bits, signed)
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4
    data = image(
        [frame],
        rows=40,
        columns=36,
        signed=representation,
        bits=(*allocated, allocated[1] - 1),
    )
    found = decompressed(stored(data, str(JPEG2000Lossless)))
    assert (found.BitsStored, found.HighBit) == (expected, expected - 1)
    assert found.BitsAllocated == max(allocated[0], 8 * size)
    assert found.PixelRepresentation == representation
    wrapped = pixels & ((1 << bits) - 1)
    if representation:
        wrapped = np.where(wrapped >> bits - 1, wrapped - (1 << bits), wrapped)
    assert (words(found)[0, :, :, 0] == wrapped).all()


def test_lossy_samples_may_go_beyond_bits_stored(stored: Store) -> None:
    frame = coded(picture(12, shape=SIDES), 16, compression_ratios=[3])
    data = image([frame], rows=40, columns=36, bits=(16, 12, 11))
    found = decompressed(stored(data, str(JPEG2000)))
    assert (found.BitsAllocated, found.BitsStored, found.HighBit) == (16, 16, 15)
    assert found.LossyImageCompression == "01"


@pytest.mark.parametrize(("said", "expected"), [("", "01"), ("00", "00"), ("01", "01")])
def test_reversible_jpeg_2000_is_lossless_if_it_says_so(
    said: str, expected: str, stored: Store
) -> None:
    frame = coded(np.zeros(SIDES), 8)
    more = {0x00282110: ex(0x00282110, "CS", said.encode())} if said else {}
    data = image([frame], rows=40, columns=36, more=more)
    assert decompressed(stored(data, str(JPEG2000))).LossyImageCompression == expected
    lossless = decompressed(stored(data, str(JPEG2000Lossless)))
    assert lossless.get("LossyImageCompression", "") == said


def test_htj2k(stored: Store) -> None:
    expected = (97 * X + 31 * Y) % 4096
    frames = [base64.b64decode(GRAY)] * 2
    data = image(frames, rows=12, columns=16, bits=(16, 16, 15))
    found = decompressed(stored(data, str(HTJ2KLossless)))
    assert (words(found)[:, :, :, 0] == expected).all()
    assert "LossyImageCompression" not in found
    lossy = image([base64.b64decode(GRAY_LOSSY)], rows=12, columns=16, bits=(16, 16, 15))
    found = decompressed(stored(lossy, str(HTJ2K)))
    difference = words(found)[0, :, :, 0].astype(np.int64) - expected
    assert 0 < np.abs(difference).max() <= 40
    assert found.LossyImageCompression == "01"
    assert found.LossyImageCompressionMethod == "ISO_15444_15"
    assert found.LossyImageCompressionRatio == "1.74"


def test_htj2k_in_colour(stored: Store) -> None:
    expected = np.stack([(16 * X + Y) % 256, (20 * Y + X) % 256, X * Y % 256], -1)
    data = image([base64.b64decode(COLOUR)], rows=12, columns=16, samples=3, photometric="YBR_RCT ")
    found = decompressed(stored(data, str(HTJ2KLossless)))
    assert (words(found)[0] == expected).all()
    assert (found.PhotometricInterpretation, found.PlanarConfiguration) == ("RGB", 0)
