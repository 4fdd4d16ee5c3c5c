"""Native samples without what is beside them: behind the last one, and in bits that are unused.

Overlays lay in those bits once (PS3.5 8.1.1, retired); words can.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from scp.copies.conversion.codecs import Image


@dataclass(frozen=True)
class Mask:
    """What is kept of each sample of an image: the bits stored."""

    image: Image

    @property
    def keeps_all(self) -> bool:
        """Whether there are no unused bits, or it is not known which they are."""
        image = self.image
        return (
            image.bits_allocated not in (8, 16, 32)
            or image.bits_stored >= image.bits_allocated
            or not image.bits_stored - 1 <= image.high_bit < image.bits_allocated
        )

    def applied(self, chunks: Iterable[bytes], little_endian: bool) -> Iterator[bytes]:
        """Samples in chunks that are multiples of one; the sign fills the bits above it."""
        image = self.image
        order = "<" if little_endian else ">"
        is_extended = image.pixel_representation == 1 and image.high_bit == image.bits_stored - 1
        kind = np.dtype(f"{order}{'i' if is_extended else 'u'}{image.bits_allocated // 8}")
        beyond = image.bits_allocated - image.bits_stored
        mask = ((1 << image.bits_stored) - 1) << (image.high_bit + 1 - image.bits_stored)
        for chunk in chunks:
            whole = len(chunk) - len(chunk) % kind.itemsize
            samples = np.frombuffer(chunk[:whole], kind)
            kept = samples << beyond >> beyond if is_extended else samples & mask
            yield kept.astype(kind).tobytes() + bytes(len(chunk) - whole)

    def tables(self) -> list[bytes]:
        """The same for each byte plane of RLE, the most significant first (PS3.5 annex G)."""
        planes = self.image.bits_allocated // 8
        identity = bytes(range(256))
        if self.keeps_all:
            return [identity] * planes * self.image.samples
        image = self.image
        low = image.high_bit + 1 - image.bits_stored
        found = []
        for plane in reversed(range(planes)):
            sign = image.high_bit - 8 * plane
            mask = ((1 << image.bits_stored) - 1) << low >> 8 * plane & 0xFF
            table = bytes(byte & mask for byte in identity)
            if image.pixel_representation == 1 and image.high_bit == image.bits_stored - 1:
                # Planes above that of the sign follow from another plane: they stay.
                table = identity if sign < 0 else table
                if 0 <= sign < 7:
                    table = bytes(
                        byte | (0xFF << sign & 0xFF) if byte >> sign & 1 else byte & (1 << sign) - 1
                        for byte in identity
                    )
            found.append(table)
        return found * image.samples


def native_bytes(image: Image, frames: int) -> int:
    """How many bytes the samples of an image take (PS3.5 8.1.1, PS3.3 C.7.6.3.1.2)."""
    bits = image.rows * image.columns * image.samples * frames * image.bits_allocated
    if image.samples == 3 and image.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        bits = bits // 3 * 2
    return -(-bits // 8)
