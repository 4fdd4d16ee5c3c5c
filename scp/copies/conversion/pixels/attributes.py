"""What a data set says of its pixels (PS3.3 C.7.6.3)."""

import re
from dataclasses import asdict

from scp.copies.conversion.codecs import Codec, Image, PixelModule
from scp.copies.conversion.data_set import (
    BITS_ALLOCATED,
    PIXEL_REPRESENTATION,
    Scope,
    TranscodeError,
)

SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION = 0x00280002, 0x00280004
PLANAR_CONFIGURATION, NUMBER_OF_FRAMES = 0x00280006, 0x00280008
ROWS, COLUMNS, BITS_STORED, HIGH_BIT = 0x00280010, 0x00280011, 0x00280101, 0x00280102
LOSSY = 0x00282110
_TEXT_BYTES = 1024
# An integer string (PS3.5 6.2), as some write it too.
_WHOLE_NUMBER = re.compile(r"\+?([0-9]+)(?:\.0*)?")


def pixel_module(scope: Scope) -> PixelModule:
    """The Image Pixel module of a data set. Raises TranscodeError."""

    def number(tag: int, default: int | None = None) -> int:
        found = scope.number(tag)
        if found is None and default is None:
            raise TranscodeError(f"the Pixel Data has no ({tag >> 16:04X},{tag & 0xFFFF:04X})")
        return default or 0 if found is None else found

    bits_allocated = number(BITS_ALLOCATED)
    bits_stored = number(BITS_STORED, bits_allocated)
    if not 1 <= bits_stored <= bits_allocated:
        raise TranscodeError(f"Bits Stored is {bits_stored}, Bits Allocated {bits_allocated}")
    return PixelModule(
        rows=number(ROWS),
        columns=number(COLUMNS),
        samples=number(SAMPLES_PER_PIXEL, 1),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=number(HIGH_BIT, bits_stored - 1),
        pixel_representation=number(PIXEL_REPRESENTATION, 0),
        photometric=text_of(scope, PHOTOMETRIC_INTERPRETATION),
    )


def image_of(scope: Scope, codec: Codec, lossless: bool) -> Image:
    """What is needed to decode a frame. Raises TranscodeError."""
    may_be_lossy = not lossless and text_of(scope, LOSSY) != "00"
    return Image(codec=codec, may_be_lossy=may_be_lossy, **asdict(pixel_module(scope)))


def frame_count(scope: Scope) -> int:
    """The number of frames, 1 where the data set does not tell. Raises TranscodeError."""
    text = text_of(scope, NUMBER_OF_FRAMES)
    count = _WHOLE_NUMBER.fullmatch(text or "1")
    if not count or not int(count[1]):
        raise TranscodeError(f"Number of Frames is {text!r}")
    return int(count[1])


def text_of(scope: Scope, tag: int) -> str:
    """The text of an element, without its padding; empty where there is none."""
    return scope.value(tag, _TEXT_BYTES).decode("latin-1").strip(" \0")
