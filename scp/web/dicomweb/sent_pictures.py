"""Pixel data that came as pictures, and what they say of their pixels (PS3.18 10.5.2)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageSequence

from scp.copies.conversion.codecs import (
    RGB,
    DamagedError,
    Stream,
    inspect_jpeg,
    inspect_jpeg2000,
)
from scp.web.media import EXPLICIT_VR_LITTLE_ENDIAN
from storage.diagnostics import BudgetError, DataSetError

_JPEG = "1.2.840.10008.1.2.4."
# By the marker of the frame header: baseline, extended, progressive (retired), JPEG-LS.
_LOSSLESS_JPEG, _JPEG_LS = 0xC3, 0xF7
_PROCESSES = {0xC0: "50", 0xC1: "51", 0xC2: "55"}
# Of a picture that is decoded here, in all of its frames.
_MOST_BYTES = 256 << 20
_GREY = {"1": "L", "L": "L", "LA": "L", "I;16": "I;16", "I;16B": "I;16"}
_DEPTH_AT, _DEEP = 24, 16  # where a PNG says how many bits a sample has


@dataclass(frozen=True)
class SentPicture:
    """What a picture is as Pixel Data: native frames, or a frame of a transfer syntax.

    `pixels`: the Image Pixel Description Macro (PS3.3 C.7.6.3), keyword -> value.
    """

    transfer_syntax_uid: str
    frames: tuple[bytes, ...]
    pixels: dict[str, str]


def is_picture(media_type: str) -> bool:
    """Whether it is one that tells of its pixels."""
    return media_type in _READERS


def picture_of(media_type: str, data: bytes) -> SentPicture:
    """The picture that came as `data`.

    Raises DataSetError where it is damaged, or cannot be told without loss.
    """
    try:
        return _READERS[media_type](data)
    except (DamagedError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataSetError(f"The {media_type} cannot be read: {error}") from error


def _jpeg(data: bytes) -> SentPicture:
    stream = inspect_jpeg(data)
    if stream.process == _JPEG_LS:
        end = "81" if stream.is_near_lossless else "80"
    elif stream.process == _LOSSLESS_JPEG:
        end = "70" if stream.selection == 1 else "57"
    else:
        end = _PROCESSES[stream.process]
    colour = "YBR_FULL_422" if stream.is_discrete_cosine and stream.colour != RGB else "RGB"
    return SentPicture(_JPEG + end, (data,), _pixels_of(stream, colour))


def _jpeg_2000(data: bytes) -> SentPicture:
    stream, codestream = inspect_jpeg2000(data)
    colour = "RGB"
    if stream.colour == RGB and stream.samples > 1:  # made from the transformed components
        colour = "YBR_ICT" if stream.is_lossy else "YBR_RCT"
    end = "91" if stream.is_lossy else "90"
    return SentPicture(_JPEG + end, (codestream,), _pixels_of(stream, colour))


def _pixels_of(stream: Stream, colour: str) -> dict[str, str]:
    made = _macro(stream.rows, stream.columns, stream.samples, stream.precision, colour)
    return made | ({"LossyImageCompression": "01"} if stream.is_lossy else {})


def _macro(rows: int, columns: int, samples: int, bits: int, colour: str) -> dict[str, str]:
    found = {
        "SamplesPerPixel": str(samples),
        "PhotometricInterpretation": colour if samples > 1 else "MONOCHROME2",
        "Rows": str(rows), "Columns": str(columns),
        "BitsAllocated": "8" if bits <= 8 else "16", "BitsStored": str(bits),
        "HighBit": str(bits - 1), "PixelRepresentation": "0",
    }  # fmt: skip
    return found | ({"PlanarConfiguration": "0"} if samples > 1 else {})


def _decoded(data: bytes) -> SentPicture:
    """One that no transfer syntax is of: its frames uncompressed, without transparency."""
    with Image.open(BytesIO(data), formats=("PNG", "GIF")) as held:
        grey = _GREY.get(held.mode)
        if held.format == "PNG" and data[_DEPTH_AT] == _DEEP and grey != "I;16":
            raise ValueError("its colours have 16 bits, of which 8 would be left")
        count = getattr(held, "n_frames", 1)
        samples, depth = (1, 2 if grey == "I;16" else 1) if grey else (3, 1)
        if held.width * held.height * samples * depth * count > _MOST_BYTES:
            raise BudgetError(f"A picture of more than {_MOST_BYTES} bytes")
        frames = tuple(_frames(held, grey or "RGB"))
        found = _macro(held.height, held.width, samples, 8 * depth, "RGB")
    more = {"NumberOfFrames": str(len(frames))} if len(frames) > 1 else {}
    return SentPicture(EXPLICIT_VR_LITTLE_ENDIAN, frames, found | more)


def _frames(held: Image.Image, mode: str) -> Iterator[bytes]:
    for frame in ImageSequence.Iterator(held):
        if mode == "I;16":
            yield frame.tobytes("raw", "I;16")
        else:
            yield frame.convert(mode).tobytes()


# Table 10.5.2-1, but for those of several components and of video, which tell nothing here.
_READERS: dict[str, Callable[[bytes], SentPicture]] = {
    "image/jpeg": _jpeg,
    "image/jls": _jpeg,
    "image/jp2": _jpeg_2000,
    "image/png": _decoded,
    "image/gif": _decoded,
}
