"""What an image says of its frames, and what a decoded frame is."""

from dataclasses import dataclass

from scp.copies.conversion.codecs.syntaxes import Codec

# Of a frame, compressed or not; what is beyond is not decoded.
MAX_FRAME_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class Image:
    """What is needed of a data set's Image Pixel module to decode a frame (PS3.3 C.7.6.3).

    `may_be_lossy` counts where the frame itself does not tell.
    """

    codec: Codec
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    photometric: str
    may_be_lossy: bool

    @property
    def frame_bytes(self) -> int:
        """Of a native frame."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8


@dataclass(frozen=True)
class Decoded:
    """The attributes that fit a decoded frame."""

    bits_allocated: int
    bits_stored: int
    high_bit: int
    photometric: str
    is_lossy: bool
