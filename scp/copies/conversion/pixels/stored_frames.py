"""The frames of an image that is held: as they lie, or native, one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import BinaryIO

from scp.copies.conversion.codecs import MAX_FRAME_BYTES, SYNTAXES, Syntax
from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    DataSetSource,
    Scope,
    Span,
    StoredElement,
    TranscodeError,
    swapped,
)
from scp.copies.conversion.limits import Conversion, Receiver
from scp.copies.conversion.pixels import fragments, frame_decoding
from scp.copies.conversion.pixels.attributes import (
    PLANAR_CONFIGURATION,
    PixelModule,
    frame_count,
    image_of,
    pixel_module,
)
from scp.copies.conversion.pixels.decoder_client import Frame

# Float and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25).
_FLOATS = {0x7FE00008: 32, 0x7FE00009: 64}
_CHUNK = 1 << 20


class StoredFrames:
    """The frames of the Pixel Data in a data set; numbers begin with 0.

    `file` holds the data set, which begins at `start`, and stays open. Raises TranscodeError where
    there are none that can be told apart.
    """

    def __init__(
        self, file: BinaryIO, start: int, transfer_syntax_uid: str, receiver: Receiver | None = None
    ) -> None:
        self.transfer_syntax_uid = transfer_syntax_uid
        # Of video, and what else has no decoder, data sets are Explicit VR Little Endian.
        self.syntax = SYNTAXES.get(transfer_syntax_uid, Syntax())
        self._receiver = receiver
        form = self.syntax.implicit_vr, self.syntax.little_endian
        source = DataSetSource(file, start, file.seek(0, 2), *form)
        self.scope = Scope(source, list(source.elements()))
        self.element = self._pixel_data()

    def _pixel_data(self) -> StoredElement:
        found = [one for one in self.scope.elements if one.tag == PIXEL_DATA or one.tag in _FLOATS]
        if len(found) != 1 or not isinstance(found[0], StoredElement):
            raise TranscodeError("there is no Pixel Data" if not found else "there is more than "
                                 "one Pixel Data")  # fmt: skip
        return found[0]

    @property
    def is_encapsulated(self) -> bool:
        """Whether frames lie in fragments (PS3.5 A.4)."""
        return self.element.is_undefined

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return frame_count(self.scope)

    @cached_property
    def module(self) -> PixelModule:
        """How samples lie in them."""
        return pixel_module(self.scope)

    @cached_property
    def spans(self) -> list[list[Span]]:
        """Where each frame lies that is encapsulated."""
        codec = self.syntax.codec
        if codec is None:  # video is one stream, whatever the number of its frames (PS3.5 8.2.5)
            _, *parts = self.scope.source.fragments(self.element) or [Span(0, 0)]
            return [parts]
        return fragments.frames(self.scope.source, self.element, self.count, codec)

    def as_stored(self, number: int) -> fragments.FrameSpans:
        """A frame of encapsulated Pixel Data, as it lies."""
        return fragments.FrameSpans(self.scope.source, self.spans[number])

    @contextmanager
    def native(self, number: int) -> Iterator[tuple[PixelModule, int, Iterator[bytes]]]:
        """A frame as native samples in Little Endian: how they lie, how many bytes, and those.

        Planes stay as they are; what was decoded is color-by-pixel. Raises TranscodeError.
        """
        if not self.is_encapsulated:
            length, chunks = self._stretch(number)
            yield self.module, length, chunks
            return
        if self.syntax.codec is None:
            raise TranscodeError(f"nothing here decodes {self.transfer_syntax_uid}")
        image = image_of(self.scope, self.syntax.codec, self.syntax.lossless)
        if fault := image.fault:
            raise TranscodeError(fault)
        frame: Frame = self.as_stored(number)
        if frame.length > MAX_FRAME_BYTES:
            raise TranscodeError(f"frame {number + 1} takes more than {MAX_FRAME_BYTES} bytes")
        if len(self.spans[number]) > 1 and frame.length <= _CHUNK:
            frame = frame_decoding.Held(b"".join(frame.chunks()))
        with (
            Conversion(self._receiver) as conversion,
            frame_decoding.decoding(image, frame, conversion) as found,
        ):
            decoded = found.decoded
            module = self.module._replace(
                bits_allocated=decoded.bits_allocated, bits_stored=decoded.bits_stored,
                high_bit=decoded.high_bit, photometric=decoded.photometric,
            )  # fmt: skip
            yield module, found.length, found.samples

    @property
    def is_by_plane(self) -> bool:
        """Whether a native frame that is not decoded has its colours one behind the other."""
        by_plane = self.scope.number(PLANAR_CONFIGURATION) == 1
        return by_plane and self.module.samples > 1 and not self.is_encapsulated

    def _stretch(self, number: int) -> tuple[int, Iterator[bytes]]:
        """The bytes of a native frame, and how many."""
        bits = self.module.frame_bits
        first, end = number * bits, (number + 1) * bits
        if end > self.element.length * 8:
            raise TranscodeError(f"the Pixel Data ends before frame {number + 1}")
        if bits % 8:
            whole = self._unpacked(first, bits)
            return len(whole), iter([whole])
        return bits // 8, self._chunks(first // 8, bits // 8)

    def _chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """A stretch of native Pixel Data in Little Endian."""
        source, begin = self.scope.source, self.element.start
        bits = self.module.bits_allocated
        if self.syntax.little_endian or (bits <= 8 and self.element.vr == "OB"):
            return source.chunks(begin + offset, begin + offset + length)
        if bits > 8:
            vr = {16: "OW", 32: "OF", 64: "OD"}.get(bits, "OW")
            return swapped(vr, source.chunks(begin + offset, begin + offset + length))
        # Bytes in words, which begin at even ones (PS3.5 8.1.1).
        first, end = offset // 2 * 2, min(-(-(offset + length) // 2) * 2, self.element.length)
        words = b"".join(swapped("OW", source.chunks(begin + first, begin + end)))
        return iter([words[offset - first :][:length]])

    def _unpacked(self, first: int, bits: int) -> bytes:
        """Bits that may begin amid a byte, from the first bit of a byte on (PS3.5 8.1.1)."""
        start, shift = divmod(first, 8)
        length = (shift + bits + 7) // 8
        held = self.scope.source.read(Span(self.element.start + start, length))
        if not self.syntax.little_endian and self.element.vr != "OB":
            held = b"".join(swapped("OW", [held]))
        number = int.from_bytes(held, "little") >> shift & ((1 << bits) - 1)
        return number.to_bytes((bits + 7) // 8, "little")
