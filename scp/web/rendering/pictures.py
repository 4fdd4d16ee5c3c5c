"""A frame as a picture: its numbers, colours, the part that is asked for, and its size."""

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from scp.copies.conversion.codecs import PixelModule
from scp.copies.conversion.data_set import TranscodeError
from scp.web.rendering.grayscale import shades
from scp.web.rendering.samples import Array, samples_of
from scp.web.rendering.viewing import Viewing, Viewport

_LINE_PIXELS, _MARGIN = 14, 4
_ANNOTATED = {
    "patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "technique": ("Modality", "StudyDate", "SeriesDescription", "SliceThickness", "KVP"),
}


def picture(
    header: Dataset, module: PixelModule, data: bytes, is_by_plane: bool, is_float: bool,
    asked: Viewing,
) -> Image.Image:  # fmt: skip
    """The picture of a native frame, whose header has what is said of that frame at its top.

    Raises TranscodeError where none can be made.
    """
    samples = samples_of(data, module, is_by_plane, is_float)
    try:
        made = Image.fromarray(_pixels(samples, header, module, asked))
    except TranscodeError:
        raise
    except Exception as error:  # tables and colours are what a stranger has written
        raise TranscodeError(f"no picture can be made of it: {error}") from error
    if asked.region:
        left, upper, right, lower = asked.region
        box = (left * made.width, upper * made.height, right * made.width, lower * made.height)
        made = made.crop(tuple(round(one) for one in box))  # type: ignore[arg-type]
    made = _sized(made, _aspect(header), asked.viewport)
    if asked.annotations:
        _annotate(made, header, asked.annotations)
    return made


def _pixels(samples: Array, header: Dataset, module: PixelModule, asked: Viewing) -> Array:
    if module.photometric == "PALETTE COLOR":
        coloured = apply_color_lut(samples, header)
        bits = int(header.RedPaletteColorLookupTableDescriptor[2])
        return _in_8_bits(np.asarray(coloured), max(bits, 8 * coloured.dtype.itemsize))
    if samples.ndim == 2:
        return shades(samples, header, asked.window, module.photometric == "MONOCHROME1")
    found = _in_8_bits(samples, module.bits_stored)
    if module.photometric in ("YBR_FULL", "YBR_FULL_422"):
        found = convert_color_space(found, "YBR_FULL", "RGB")
    return np.ascontiguousarray(found[..., :3])


def _in_8_bits(found: Array, bits: int) -> Array:
    if bits <= 8 and found.dtype.itemsize == 1:
        return found.astype(np.uint8) if bits == 8 else (found << (8 - bits)).astype(np.uint8)
    return (found >> max(bits - 8, 0)).astype(np.uint8)


def _sized(made: Image.Image, aspect: float, viewport: Viewport | None) -> Image.Image:
    """The part that is asked for, within columns and rows, its proportions as they are."""
    if viewport:
        made = _part(made, viewport)
    width, height = made.size
    tall = height * aspect
    scale = min(viewport.columns / width, viewport.rows / tall) if viewport else 1.0
    size = max(1, round(width * scale)), max(1, round(tall * scale))
    return made if size == made.size else made.resize(size, Image.Resampling.BILINEAR)


def _part(made: Image.Image, viewport: Viewport) -> Image.Image:
    width = made.width - viewport.x if viewport.width is None else viewport.width
    height = made.height - viewport.y if viewport.height is None else viewport.height
    left, upper = round(viewport.x), round(viewport.y)
    right, lower = round(viewport.x + abs(width)), round(viewport.y + abs(height))
    right, lower = min(right, made.width), min(lower, made.height)
    if left >= right or upper >= lower:
        raise TranscodeError("the viewport lies outside of the image")
    made = made.crop((left, upper, right, lower))
    if width < 0:
        made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return made.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else made


def _aspect(header: Dataset) -> float:
    """How tall a pixel is, its width being 1 (PS3.3 C.7.6.3.1.7, 10.7.1.3)."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        try:
            vertical, horizontal = (float(one) for one in header.get(name) or ())
        except (ValueError, TypeError):
            continue
        if vertical > 0 and horizontal > 0 and 0.1 <= vertical / horizontal <= 10:
            return vertical / horizontal
    return 1.0


def _annotate(made: Image.Image, header: Dataset, wanted: frozenset[str]) -> None:
    drawing = ImageDraw.Draw(made)
    for at, name in ((0, "patient"), (made.height, "technique")):
        if name not in wanted:
            continue
        lines = [text for one in _ANNOTATED[name] if (text := str(header.get(one, "") or ""))]
        top = _MARGIN if not at else max(at - _LINE_PIXELS * len(lines) - _MARGIN, 0)
        for number, line in enumerate(lines):
            place = _MARGIN, top + _LINE_PIXELS * number
            fill, edge = ("white", "black") if made.mode == "RGB" else (255, 0)
            drawing.text(place, line, fill, stroke_width=1, stroke_fill=edge)
