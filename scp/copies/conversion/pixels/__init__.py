"""Pixel Data of a data set, decompressed frame by frame."""

from scp.copies.conversion.pixels import fragments
from scp.copies.conversion.pixels.decompress import Decompressor
from scp.copies.conversion.pixels.frame_decoding import decode

__all__ = [
    "Decompressor",
    "decode",
    "fragments",
]
