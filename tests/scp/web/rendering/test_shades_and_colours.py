"""Numbers as pictures: each rule of PS3.3 C.7.6, C.8.16, C.11 by its own formula, and DCMTK's."""

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import UID
from support import EXPLICIT, IMPLICIT
from support.data.kinds import data_set, file_of, image
from support.names import TEST_FILES

from scp.copies.conversion.data_set import TranscodeError
from scp.copies.conversion.pixels import StoredFrames
from scp.copies.corrected import inflated
from scp.web.rendering import NativeFrame, Shown, Viewing, encoded, picture, viewing_of
from scp.web.retrieval.instances import HeldDataSet
from storage.dicom import part10

BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
Array = np.ndarray[Any, Any]
RAMP = np.arange(256, dtype="<u2").reshape(16, 16) * 16


def drawn(file: bytes | Path, viewing: Viewing | None = None, number: int = 0) -> Image.Image:
    """The picture of a frame of a Part 10 file."""
    held = io.BytesIO(file if isinstance(file, bytes) else file.read_bytes())
    meta = part10.read(held)
    start, syntax = meta.data_set_offset, meta.transfer_syntax_uid
    is_deflated = syntax == DEFLATED
    data_set = HeldDataSet(inflated(held) if is_deflated else held, 0 if is_deflated else start,
                           syntax)  # fmt: skip
    scope = data_set.scope()
    frames = StoredFrames(scope, syntax)
    with frames.native(number) as (module, _, chunks):
        data = b"".join(chunks)
    frame = NativeFrame(module, data, frames.is_by_plane, frames.is_float)
    return picture(Shown(scope).of_frame(number), frame, viewing or Viewing())


def pixels(made: Dataset | bytes, number: int = 0, **asked: str) -> Array:
    """The same of a data set, by the parameters of a URL."""
    file = made if isinstance(made, bytes) else file_of(made)
    return np.asarray(drawn(file, viewing_of(asked), number)).astype(int)


def linear(values: Array, center: float, width: float) -> Array:
    """PS3.3 C.11.2.1.2.1, case by case."""
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    between = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255 if width > 1 else values
    return np.where(values <= low, 0, np.where(values > high, 255, between))


def test_windows_are_those_of_their_formulas() -> None:
    made = image("windows", RAMP)
    values = RAMP.astype(float)
    for center, width in ((2000, 1000), (0, 1), (4080, 2), (-10, 33.5)):
        shown = pixels(made, window=f"{center},{width},linear")
        assert np.abs(shown - linear(values, center, width)).max() <= 0.51
        exact = np.clip((values - center) / width + 0.5, 0, 1) * 255
        assert np.abs(pixels(made, window=f"{center},{width},linear-exact") - exact).max() <= 0.51
        sigmoid = 255 / (1 + np.exp(np.clip(-4 * (values - center) / width, -500, 500)))
        assert np.abs(pixels(made, window=f"{center},{width},sigmoid") - sigmoid).max() <= 0.51


@pytest.mark.parametrize(
    ("values", "is_inverse"),
    [({}, False), ({"PhotometricInterpretation": "MONOCHROME1"}, True),
     ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
     ({"PresentationLUTShape": "INVERSE"}, True), ({"PresentationLUTShape": "IDENTITY"}, False)],
)  # fmt: skip
def test_which_end_is_black(values: dict[str, str], is_inverse: bool) -> None:
    shown = pixels(image("black", RAMP, WindowCenter="2048", WindowWidth="4096", **values))
    expected = linear(RAMP.astype(float), 2048, 4096)
    assert np.abs(shown - (255 - expected if is_inverse else expected)).max() <= 0.51


def test_the_first_of_several_windows_and_its_function_count() -> None:
    made = image("several", RAMP, WindowCenter=["1000", "3000"], WindowWidth=["500", "100"],
                 VOILUTFunction="SIGMOID")  # fmt: skip
    expected = 255 / (1 + np.exp(-4 * (RAMP.astype(float) - 1000) / 500))
    assert np.abs(pixels(made) - expected).max() <= 0.51


def table(first: int, entries: Array, bits: int, as_bytes: bool = False) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries) % 65536, first, bits])
    if as_bytes:
        item.add_new(0x00283006, "OW", entries.astype("u1").tobytes())
    else:
        item.add_new(0x00283006, "US", [int(one) for one in entries])
    return item


@pytest.mark.parametrize(("bits", "as_bytes"), [(8, True), (8, False), (12, False), (16, False)])
def test_a_voi_lut_is_applied_whatever_its_entries_lie_in(bits: int, as_bytes: bool) -> None:
    entries = np.linspace(0, (1 << bits) - 1, 1000).astype(int)[::-1]
    made = image("voi", RAMP, VOILUTSequence=[table(500, entries, bits, as_bytes)])
    expected = entries[np.clip(RAMP.astype(int) - 500, 0, 999)] * 255 / ((1 << bits) - 1)
    assert np.abs(pixels(made) - expected).max() <= 0.51


def test_a_modality_lut_of_12_bits_comes_before_the_window() -> None:
    entries = (np.arange(4096) ** 2 // 4096).astype(int)
    made = image("modality", RAMP, ModalityLUTSequence=[table(0, entries, 12)],
                 WindowCenter="1000", WindowWidth="800")  # fmt: skip
    expected = linear(entries[RAMP.astype(int)].astype(float), 1000, 800)
    assert np.abs(pixels(made) - expected).max() <= 0.51


def test_rescale_comes_before_the_window() -> None:
    signed = RAMP.astype("<i2") - 2048
    made = image("rescale", signed, RescaleSlope="2.5", RescaleIntercept="-100",
                 WindowCenter="40", WindowWidth="400")  # fmt: skip
    expected = linear(signed * 2.5 - 100, 40, 400)
    assert np.abs(pixels(made) - expected).max() <= 0.51


def test_padding_does_not_count_for_what_is_of_interest() -> None:
    padded = RAMP.astype("<i2")
    padded[0] = -2000
    padded[1] = -1990
    made = image("padding", padded, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    low, high = int(padded[2:].min()), int(padded.max())
    expected = np.clip((padded.astype(float) - low) / (high - low), 0, 1) * 255
    assert np.abs(pixels(made) - expected).max() <= 0.51


def test_bits_beside_the_value_are_none_of_it() -> None:
    values = (np.arange(256) * 16 % 4096).astype("<u2").reshape(16, 16)
    plain = pixels(image("plain", values, BitsStored=12, HighBit=11))
    overlaid = values | (np.arange(256, dtype="<u2").reshape(16, 16) % 16 << 12)
    assert (pixels(image("overlay", overlaid, BitsStored=12, HighBit=11)) == plain).all()
    shifted = values << 4 | 5
    assert (pixels(image("shifted", shifted, BitsStored=12, HighBit=15)) == plain).all()
    negative = (values.astype("<i2") - 2048) & 0xFFF
    made = image("negative", negative.astype("<u2"), BitsStored=12, HighBit=11)
    made.PixelRepresentation = 1
    assert (pixels(made) == plain).all()


def test_numbers_that_are_none_are_black() -> None:
    values = np.linspace(-1, 1, 64, dtype="<f4").reshape(8, 8)
    values[0, :3] = np.nan, np.inf, -np.inf
    held = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 8,
            "Columns": 8, "BitsAllocated": 32, "FloatPixelData": values.tobytes()}  # fmt: skip
    shown = pixels(data_set("nan", "1.2.840.10008.5.1.4.1.1.30", **held))
    assert [shown[0, 0], shown[0, 1], shown[0, 2], shown[7, 7]] == [0, 255, 0, 255]


def palette_of(made: Dataset, first: int, entries: Array, bits: int) -> Dataset:
    made.PhotometricInterpretation = "PALETTE COLOR"
    for number, name in enumerate(("Red", "Green", "Blue")):
        kind = "u1" if bits == 8 else "<u2"
        data = entries[:, number].astype(kind).tobytes()
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [len(entries), first, bits])
        setattr(made, f"{name}PaletteColorLookupTableData", data + b"\0" * (len(data) % 2))
    return made


COLOURS = np.stack([np.arange(64) * 4, 255 - np.arange(64) * 4, np.arange(64) % 7 * 30], axis=1)


@pytest.mark.parametrize(
    ("entries", "bits"), [(COLOURS, 8), (COLOURS * 257, 16), (COLOURS, 16)],
    ids=["8 bits", "16 bits", "8 bits that are said to be 16"],
)  # fmt: skip
@pytest.mark.parametrize("first", [0, 10])
def test_a_palette_gives_colours(entries: Array, bits: int, first: int) -> None:
    numbers = (np.arange(256) % 80).astype("u1").reshape(16, 16)
    shown = pixels(palette_of(image("palette", numbers), first, entries, bits))
    assert (shown == COLOURS[np.clip(numbers.astype(int) - first, 0, 63)]).all()


def test_a_palette_may_be_told_by_segments() -> None:
    numbers = np.arange(64, dtype="u1").reshape(8, 8)
    made = image("segments", numbers)
    made.PhotometricInterpretation = "PALETTE COLOR"
    # Discrete: one entry, 0; linear: 63 entries to 65,535.
    data = np.array([0, 1, 0, 1, 63, 65535], "<u2").tobytes()
    for name in ("Red", "Green", "Blue"):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [64, 0, 16])
        setattr(made, f"Segmented{name}PaletteColorLookupTableData", data)
    expected = np.arange(64).reshape(8, 8) * 65535 / 63 / 256
    assert np.abs(pixels(made) - expected[..., np.newaxis]).max() <= 1


def test_a_supplemental_palette_colours_what_lies_in_it() -> None:
    made = palette_of(image("supplemental", RAMP), 3000, COLOURS, 8)
    made.PhotometricInterpretation, made.PixelPresentation = "MONOCHROME2", "COLOR"
    made.WindowCenter, made.WindowWidth = "1500", "3000"
    shown, is_gray = pixels(made), RAMP < 3000
    gray = linear(RAMP.astype(float), 1500, 3000)
    assert np.abs(shown[is_gray] - gray[is_gray][:, np.newaxis]).max() <= 0.51
    assert (shown[~is_gray] == COLOURS[np.clip(RAMP[~is_gray].astype(int) - 3000, 0, 63)]).all()


def colour(name: str, photometric: str, samples: Array, **values: Any) -> Dataset:
    made = image(name, np.zeros((samples.shape[0], samples.shape[1]), "u1"), **values)
    made.SamplesPerPixel, made.PhotometricInterpretation = 3, photometric
    made.PlanarConfiguration = values.get("PlanarConfiguration", 0)
    made.PixelData = samples.astype("u1").tobytes()
    return made


def test_luminance_and_chrominance_are_colours() -> None:
    rng = np.random.default_rng(7)
    ybr = rng.integers(0, 256, (8, 8, 3))
    y, cb, cr = (ybr[..., one].astype(float) for one in range(3))
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    expected = np.clip(np.stack([red, green, blue], axis=2), 0, 255)
    assert np.abs(pixels(colour("full", "YBR_FULL", ybr)) - expected).max() <= 1
    by_plane = colour("planes", "YBR_FULL", ybr.transpose(2, 0, 1), PlanarConfiguration=1)
    by_plane.Rows = by_plane.Columns = 8
    assert np.abs(pixels(by_plane) - expected).max() <= 1


def test_video_range_is_widened() -> None:
    # Two pixels share their chrominance: Y1 Y2 Cb Cr.
    made = colour("partial", "YBR_PARTIAL_422", np.tile([16, 235, 128, 128], (4, 2, 1)))
    made.Columns = 4
    assert set(pixels(made).ravel()) == {0, 255}


@pytest.mark.parametrize("photometric", ["CMYK", "HSV", "ARGB", ""])
def test_colours_that_nothing_is_known_of_are_refused(photometric: str) -> None:
    with pytest.raises(TranscodeError, match="no picture is made of 3 samples"):
        pixels(colour("odd", photometric, np.zeros((4, 4, 3))))


def groups(**values: Any) -> Dataset:
    voi, transformation, made = Dataset(), Dataset(), Dataset()
    for name, value in values.items():
        setattr(voi if name.startswith("Window") else transformation, name, value)
    if len(voi):
        made.FrameVOILUTSequence = [voi]
    if len(transformation):
        made.PixelValueTransformationSequence = [transformation]
    return made


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_each_frame_has_its_own_window_and_rescale(syntax: str) -> None:
    frames = np.stack([RAMP, RAMP[::-1]])
    made = image("enhanced", frames.copy())
    made.SharedFunctionalGroupsSequence = [groups(WindowCenter="1000", WindowWidth="600")]
    made.PerFrameFunctionalGroupsSequence = [
        groups(RescaleSlope="1", RescaleIntercept="0", WindowCenter="700"),
        groups(RescaleSlope="2", RescaleIntercept="-500"),
    ]
    made.PerFrameFunctionalGroupsSequence[0].FrameVOILUTSequence[0].WindowWidth = "50"
    file = in_syntax(made, syntax)
    first, second = pixels(file, 0), pixels(file, 1)
    assert np.abs(first - linear(frames[0].astype(float), 700, 50)).max() <= 0.51
    assert np.abs(second - linear(frames[1] * 2.0 - 500, 1000, 600)).max() <= 0.51


def in_syntax(made: Dataset, syntax: str) -> bytes:
    """The same in another encoding."""
    if syntax == BIG_ENDIAN:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
    file_of(made)
    made.file_meta.TransferSyntaxUID = UID(syntax)
    out = io.BytesIO()
    made.save_as(out, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG_ENDIAN,
                 enforce_file_format=True)  # fmt: skip
    return out.getvalue()


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_tables_are_read_in_each_encoding(syntax: str) -> None:
    entries = (np.arange(4096)[::-1] * 16).astype(int)
    made = image("encodings", RAMP, VOILUTSequence=[table(0, entries, 16)])
    expected = pixels(made)
    assert (pixels(in_syntax(made, syntax)) == expected).all()


@pytest.mark.parametrize(
    ("values", "size"),
    [({}, (16, 16)), ({"PixelSpacing": ["2", "1"]}, (16, 32)),
     ({"ImagerPixelSpacing": ["1", "2"]}, (16, 8)), ({"PixelAspectRatio": ["4", "2"]}, (16, 32)),
     ({"PixelSpacing": ["1", "1000000"]}, (16, 16)), ({"PixelSpacing": ["0", "1"]}, (16, 16))],
)  # fmt: skip
def test_pixels_are_as_tall_as_they_say(
    values: dict[str, list[str]], size: tuple[int, int]
) -> None:
    assert drawn(file_of(image("aspect", RAMP, **values))).size == size


@pytest.mark.parametrize(
    ("asked", "part"),
    [("16,16,4,2,8,8", np.s_[2:10, 4:12]), ("16,16,4,2,-8,8", np.s_[2:10, 11:3:-1]),
     ("16,16,4,2,8,-8", np.s_[9:1:-1, 4:12]), ("16,16,4,2,,", np.s_[2:, 4:]),
     ("16,16,,,8,", np.s_[:, :8]), ("16,16,12,12,8,8", np.s_[12:, 12:])],
)  # fmt: skip
def test_a_viewport_shows_a_part_turned_over_where_it_is_negative(asked: str, part: Any) -> None:
    made = image("viewport", RAMP, WindowCenter="2048", WindowWidth="4096")
    whole = pixels(made)[part]
    height, width = whole.shape
    scale = 16 / max(whole.shape)
    resized = Image.fromarray(whole.astype("u1")).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
    )
    assert (pixels(made, viewport=asked) == np.asarray(resized)).all()


def test_a_viewport_beside_the_image_is_an_error_of_who_asks() -> None:
    with pytest.raises(ValueError, match="outside of the image"):
        pixels(image("beside", RAMP), viewport="16,16,20,20,5,5")


def test_annotations_are_written_and_nothing_of_a_name_is_a_line_of_its_own() -> None:
    made = image("annotated", np.zeros((64, 200), "u1"), PatientName="Doe^Jane=東京", PatientID="1")
    made.SpecificCharacterSet = "ISO_IR 192"
    plain = pixels(made)
    upper, lower = (pixels(made, annotation=one) for one in ("patient", "technique"))
    assert not plain.any()
    assert upper[:32].any()
    assert not upper[40:].any()
    assert lower[32:].any()
    assert not lower[:16].any()


def test_each_frame_of_a_gif_has_its_time() -> None:
    frames = [Image.new("L", (4, 4), 80 * number) for number in range(3)]
    with Image.open(io.BytesIO(encoded(frames, "image/gif", milliseconds=[50, 100]))) as made:
        times = []
        for number in range(3):
            made.seek(number)
            times.append(made.info["duration"])
    assert times == [50, 100, 100]


# Others have no decoder in DCMTK, or overlays, which it draws.
COMPARED = ("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "JPGExtended.dcm",
            "SC_rgb_small_odd.dcm", "examples_palette.dcm", "dicomdirtests/77654033/CR1/6154",
            "SC_ybr_full_422_uncompressed.dcm", "rtdose_1frame.dcm", "image_dfl.dcm")  # fmt: skip


@pytest.mark.parametrize("name", COMPARED)
def test_pictures_are_dcmtk_s(name: str, tmp_path: Path) -> None:
    path, out = TEST_FILES / name, tmp_path / "out.pnm"
    made = drawn(path, viewing_of({"window": "100,300,linear"}))
    window = ["+Ww", "100", "300"] if made.mode == "L" else []
    tool = "dcmj2pnm" if name.startswith("JPG") else "dcm2pnm"
    subprocess.run([tool, *window, str(path), str(out)], check=True, capture_output=True)
    with Image.open(out) as theirs:
        difference = np.asarray(made).astype(int) - np.asarray(theirs.convert(made.mode))
    assert np.abs(difference).max() <= 1
