"""Pixel Data of a data set, decompressed frame by frame."""

from scp.copies.conversion.pixels import fragments
from scp.copies.conversion.pixels.decompress import Decompressor
from scp.copies.conversion.pixels.frame_decoding import decode
from scp.copies.conversion.pixels.stored_frames import NoPixelDataError, StoredFrames

__all__ = [
    "Decompressor",
    "NoPixelDataError",
    "StoredFrames",
    "decode",
    "fragments",
]
