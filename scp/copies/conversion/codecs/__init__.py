"""Compressed frames decoded; what needs numpy, GDCM or OpenJPEG runs in a process of its own."""

from scp.copies.conversion.codecs.codestream import RGB, DamagedError, Stream
from scp.copies.conversion.codecs.image import MAX_FRAME_BYTES, Decoded, Image, PixelModule
from scp.copies.conversion.codecs.jpeg import inspect as inspect_jpeg
from scp.copies.conversion.codecs.jpeg2000 import codestream_in, part_of
from scp.copies.conversion.codecs.jpeg2000 import inspect as inspect_jpeg2000
from scp.copies.conversion.codecs.syntaxes import COMPRESSED, SYNTAXES, UNCOMPRESSED, Codec, Syntax

__all__ = [
    "COMPRESSED",
    "MAX_FRAME_BYTES",
    "RGB",
    "SYNTAXES",
    "UNCOMPRESSED",
    "Codec",
    "DamagedError",
    "Decoded",
    "Image",
    "PixelModule",
    "Stream",
    "Syntax",
    "codestream_in",
    "inspect_jpeg",
    "inspect_jpeg2000",
    "part_of",
]
