"""A frame as a picture: its numbers, colours, the part that is asked for, and its size."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from scp.copies.conversion.codecs import PixelModule
from scp.copies.conversion.data_set import TranscodeError
from scp.web.rendering.colors import by_palette, coloured, palette
from scp.web.rendering.grayscale import shades
from scp.web.rendering.samples import Array, samples_of
from scp.web.rendering.viewing import Viewing, Viewport

_LINE_PIXELS, _MARGIN, _MOST_CHARACTERS = 14, 4, 200
_ANNOTATED = {
    "patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "technique": ("Modality", "StudyDate", "SeriesDescription", "SliceThickness", "KVP"),
}
# What is needed of memory at one time, for a byte of the frame and a sample of what is made: they
# are held, as numbers and as a picture (measured: less than that).
_OF_BYTE, _OF_SAMPLE = 3, 2
# Of the pixel's height to its width: what is beyond is no image.
_MOST_ASPECT = 10.0
_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180,
          270: Image.Transpose.ROTATE_90}  # fmt: skip
_SIDEWAYS = (90, 270)


@dataclass(frozen=True)
class NativeFrame:
    """The bytes of a frame, and how samples lie in them."""

    module: PixelModule
    data: bytes
    is_by_plane: bool = False
    is_float: bool = False


def memory_of(module: PixelModule, header: Dataset, asked: Viewing) -> int:
    """How many bytes a picture of a frame needs while it is made."""
    pixels = module.rows * module.columns
    width, height = _whole_size(module.columns, module.rows, _aspect(header), asked.viewport)
    samples = 3 if is_coloured(module) else 1
    return module.frame_bits // 8 * _OF_BYTE + (pixels + width * height) * samples * _OF_SAMPLE


def picture(header: Dataset, frame: NativeFrame, asked: Viewing) -> Image.Image:
    """The picture of a frame, whose header has what is said of that frame at its top.

    Raises TranscodeError where none can be made, ValueError where it shows nothing of the image.
    """
    try:
        samples = samples_of(frame.data, frame.module, frame.is_by_plane, frame.is_float)
        made = Image.fromarray(_pixels(samples, header, frame.module, asked))
    except TranscodeError:
        raise
    except Exception as error:  # tables and colours are what a stranger has written
        raise TranscodeError(f"no picture can be made of it: {error}") from error
    if asked.region:
        left, upper, right, lower = asked.region
        box = (left * made.width, upper * made.height, right * made.width, lower * made.height)
        made = made.crop(tuple(round(one) for one in box))  # type: ignore[arg-type]
    aspect = _aspect(header)
    if asked.rotation in _TURNS:
        made = made.transpose(_TURNS[asked.rotation])
        aspect = 1 / aspect if asked.rotation in _SIDEWAYS else aspect
    if asked.is_flipped:
        made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    made = _sized(made, aspect, asked.viewport)
    if asked.annotations:
        _annotate(made, header, asked.annotations)
    return made


def is_coloured(module: PixelModule) -> bool:
    """Whether its picture has colours, which no window is for."""
    return module.samples > 1 or module.photometric == "PALETTE COLOR"


def _pixels(samples: Array, header: Dataset, module: PixelModule, asked: Viewing) -> Array:
    if module.photometric == "PALETTE COLOR":
        return by_palette(samples, palette(header))
    if samples.ndim > 2:
        return coloured(samples, module)
    shape = str(header.get("PresentationLUTShape") or "")
    is_inverse = shape == "INVERSE" or (not shape and module.photometric == "MONOCHROME1")
    gray = shades(samples, header, asked.window, is_inverse)
    if header.get("PixelPresentation") in ("COLOR", "MIXED"):
        return _supplemented(samples, gray, header)
    return gray


def _supplemented(samples: Array, gray: Array, header: Dataset) -> Array:
    """In colours from the first number of the palette on (PS3.3 C.8.16.2.1.1.1)."""
    try:
        tables = palette(header)
    except ValueError:
        return gray
    is_of_palette = samples >= tables[0].first
    made = np.repeat(gray[..., np.newaxis], len(tables), axis=2)
    made[is_of_palette] = by_palette(samples, tables)[is_of_palette]
    return made


def _sized(made: Image.Image, aspect: float, viewport: Viewport | None) -> Image.Image:
    """The part that is asked for, within columns and rows, its proportions as they are."""
    if viewport:
        made = _part(made, viewport)
    size = _whole_size(made.width, made.height, aspect, viewport)
    return made if size == made.size else made.resize(size, Image.Resampling.BILINEAR)


def _whole_size(
    width: int, height: int, aspect: float, viewport: Viewport | None
) -> tuple[int, int]:
    tall = height * aspect
    scale = min(viewport.columns / width, viewport.rows / tall) if viewport else 1.0
    return max(1, round(width * scale)), max(1, round(tall * scale))


def _part(made: Image.Image, viewport: Viewport) -> Image.Image:
    width = made.width - viewport.x if viewport.width is None else viewport.width
    height = made.height - viewport.y if viewport.height is None else viewport.height
    left, upper = round(viewport.x), round(viewport.y)
    right, lower = round(viewport.x + abs(width)), round(viewport.y + abs(height))
    right, lower = min(right, made.width), min(lower, made.height)
    if left >= right or upper >= lower:
        raise ValueError("viewport: the part lies outside of the image")
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
        if vertical > 0 and horizontal > 0:
            ratio = vertical / horizontal
            if 1 / _MOST_ASPECT <= ratio <= _MOST_ASPECT:
                return ratio
    return 1.0


def _annotate(made: Image.Image, header: Dataset, wanted: frozenset[str]) -> None:
    drawing = ImageDraw.Draw(made)
    for at, name in ((0, "patient"), (made.height, "technique")):
        if name not in wanted:
            continue
        lines = [text for one in _ANNOTATED[name] if (text := _line(header, one))]
        top = _MARGIN if not at else max(at - _LINE_PIXELS * len(lines) - _MARGIN, 0)
        for number, line in enumerate(lines):
            place = _MARGIN, top + _LINE_PIXELS * number
            fill, edge = ("white", "black") if made.mode == "RGB" else (255, 0)
            drawing.text(place, line, fill, stroke_width=1, stroke_fill=edge)


def _line(header: Dataset, name: str) -> str:
    """What is written of an attribute: the font has the letters of the first group of a name."""
    text = str(header.get(name, "") or "")
    return " ".join(text.partition("=")[0].split())[:_MOST_CHARACTERS]
