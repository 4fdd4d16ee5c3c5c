"""Compressed frames decoded; what needs numpy, GDCM or OpenJPEG runs in a process of its own."""

from scp.copies.conversion.codecs.codestream import DamagedError
from scp.copies.conversion.codecs.image import MAX_FRAME_BYTES, Decoded, Image, PixelModule
from scp.copies.conversion.codecs.jpeg2000 import codestream_in, part_of
from scp.copies.conversion.codecs.syntaxes import COMPRESSED, SYNTAXES, UNCOMPRESSED, Codec, Syntax

__all__ = [
    "COMPRESSED",
    "MAX_FRAME_BYTES",
    "SYNTAXES",
    "UNCOMPRESSED",
    "Codec",
    "DamagedError",
    "Decoded",
    "Image",
    "PixelModule",
    "Syntax",
    "codestream_in",
    "part_of",
]
