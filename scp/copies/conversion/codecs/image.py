"""What an image says of its frames, and what a decoded frame is."""

from dataclasses import dataclass

from scp.copies.conversion.codecs.syntaxes import Codec

# Of a frame, compressed or not; what is beyond is not decoded.
MAX_FRAME_BYTES = 512 * 1024 * 1024
# RLE has a segment for each byte of a pixel, and 15 of them (PS3.5 G.5); the others have words.
_BITS_ALLOCATED = {Codec.RLE: range(8, 15 * 8 + 1, 8)}
_OF_WORDS = (8, 16, 32)


# Where two pixels share their chrominance each has two samples (PS3.3 C.7.6.3.1.2).
_SHARED_CHROMINANCE = ("YBR_FULL_422", "YBR_PARTIAL_422")


@dataclass(frozen=True, kw_only=True)
class PixelModule:
    """The Image Pixel module, of what a frame needs to be read (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    photometric: str

    @property
    def has_shared_chrominance(self) -> bool:
        """Whether a native frame has two samples a pixel, though there are three."""
        return self.samples == 3 and self.photometric in _SHARED_CHROMINANCE

    @property
    def frame_bits(self) -> int:
        """Of a native frame: frames of single bits do not begin at bytes (PS3.5 8.1.1)."""
        samples = 2 if self.has_shared_chrominance else self.samples
        return self.rows * self.columns * samples * self.bits_allocated


@dataclass(frozen=True, kw_only=True)
class Image(PixelModule):
    """What is needed to decode a frame.

    `may_be_lossy` counts where the frame itself does not tell.
    """

    codec: Codec
    may_be_lossy: bool

    @property
    def frame_bytes(self) -> int:
        """Of a decoded frame."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8

    @property
    def fault(self) -> str:
        """Why no frame of it can be decoded, whatever is in it; empty where one may be."""
        if self.samples not in (1, 3) or not self.rows * self.columns:
            return (
                f"{self.samples} samples per pixel of {self.rows} rows and {self.columns} columns "
                "are none that can be decoded"
            )
        if self.bits_allocated not in _BITS_ALLOCATED.get(self.codec, _OF_WORDS):
            return f"Bits Allocated is {self.bits_allocated}, which {self.codec} cannot be"
        if self.frame_bytes > MAX_FRAME_BYTES:
            return f"its frames take more than {MAX_FRAME_BYTES} bytes"
        return ""


@dataclass(frozen=True)
class Decoded:
    """The attributes that fit a decoded frame."""

    bits_allocated: int
    bits_stored: int
    high_bit: int
    photometric: str
    is_lossy: bool
