"""The frames of an image that is held: as they lie, or native, one at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from scp.copies.conversion.codecs import MAX_FRAME_BYTES, SYNTAXES, Image, PixelModule, Syntax
from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    Scope,
    Span,
    StoredElement,
    TranscodeError,
    swapped,
)
from scp.copies.conversion.limits import Conversion, Receiver, Spool
from scp.copies.conversion.pixels import fragments, frame_decoding
from scp.copies.conversion.pixels.attributes import (
    PLANAR_CONFIGURATION,
    frame_count,
    image_of,
    pixel_module,
)
from scp.copies.conversion.pixels.decoder_client import Decoding, Frame

# Float and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25).
_FLOATS = {0x7FE00008: 32, 0x7FE00009: 64}
# MPEG-2, MPEG-4 and HEVC, in one fragment or several (PS3.5 A.4.5 to A.4.7, A.4.10 and on).
_VIDEO = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?")
_CHUNK = 1 << 20


class NoPixelDataError(TranscodeError):
    """A data set that has none: it is no image."""


class StoredFrames:
    """The frames of the Pixel Data in a data set; numbers begin with 0.

    What `scope` lies in stays open. Raises TranscodeError where there are none that can be told
    apart, of that NoPixelDataError where it is no image.
    """

    def __init__(
        self, scope: Scope, transfer_syntax_uid: str, receiver: Receiver | None = None
    ) -> None:
        self.transfer_syntax_uid = transfer_syntax_uid
        self.syntax = SYNTAXES.get(transfer_syntax_uid, Syntax())
        self._receiver = receiver
        self.scope = scope
        self.element = self._pixel_data()

    def _pixel_data(self) -> StoredElement:
        found = [one for one in self.scope.elements if one.tag == PIXEL_DATA or one.tag in _FLOATS]
        if not found:
            raise NoPixelDataError("there is no Pixel Data")
        if len(found) > 1 or not isinstance(found[0], StoredElement):
            raise TranscodeError("there is more than one Pixel Data")
        return found[0]

    @property
    def is_encapsulated(self) -> bool:
        """Whether frames lie in fragments (PS3.5 A.4)."""
        return self.element.is_undefined

    @property
    def is_float(self) -> bool:
        """Whether samples are IEEE 754 numbers."""
        return self.element.tag in _FLOATS

    @property
    def is_video(self) -> bool:
        """Whether it is one stream, whatever the number of its frames (PS3.5 8.2.5)."""
        return self.is_encapsulated and bool(_VIDEO.fullmatch(self.transfer_syntax_uid))

    @cached_property
    def count(self) -> int:
        """How many there are, to be had one by one: of video the stream alone."""
        return 1 if self.is_video else frame_count(self.scope)

    @cached_property
    def module(self) -> PixelModule:
        """How samples lie in them."""
        return pixel_module(self.scope)

    @cached_property
    def spans(self) -> list[list[Span]]:
        """Where each frame lies that is encapsulated."""
        if self.is_video:
            _, *parts = self.scope.source.fragments(self.element) or [Span(0, 0)]
            return [parts]
        return fragments.frames(self.scope.source, self.element, self.count, self.syntax.codec)

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
        with Conversion(self._receiver) as conversion, self._decoding(number, conversion) as found:
            decoded = found.decoded
            module = replace(
                self.module, bits_allocated=decoded.bits_allocated,
                bits_stored=decoded.bits_stored, high_bit=decoded.high_bit,
                photometric=decoded.photometric,
            )  # fmt: skip
            yield module, found.length, found.samples

    def body(self, number: int, is_native: bool) -> tuple[int, Iterator[bytes]]:
        """A frame for who may take it slowly: how many bytes, and those.

        As it lies or, where it `is_native`, as samples in Little Endian. What was decoded is put
        down first, so that nobody else waits for the decoder meanwhile. Raises TranscodeError.
        """
        if not is_native:
            frame = self.as_stored(number)
            return frame.length, frame.chunks()
        if not self.is_encapsulated:
            return self._stretch(number)
        with Conversion(self._receiver) as conversion, self._decoding(number, conversion) as found:
            out = Spool(conversion, found.length)
            for chunk in found.samples:
                out.write(chunk)
        return found.length, _read(out)

    @cached_property
    def _image(self) -> Image:
        """What is needed to decode a frame. Raises TranscodeError where none can be decoded."""
        if self.syntax.codec is None:
            raise TranscodeError(f"nothing here decodes {self.transfer_syntax_uid}")
        image = image_of(self.scope, self.syntax.codec, self.syntax.lossless)
        if fault := image.fault:
            raise TranscodeError(fault)
        return image

    @contextmanager
    def _decoding(self, number: int, conversion: Conversion) -> Iterator[Decoding]:
        image = self._image
        frame: Frame = self.as_stored(number)
        if frame.length > MAX_FRAME_BYTES:
            raise TranscodeError(f"frame {number + 1} takes more than {MAX_FRAME_BYTES} bytes")
        if len(self.spans[number]) > 1 and frame.length <= _CHUNK:
            frame = frame_decoding.Held(b"".join(frame.chunks()))
        with frame_decoding.decoding(image, frame, conversion) as found:
            yield found

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


def _read(spool: Spool) -> Iterator[bytes]:
    """What lies in a temporary file, which is closed behind it."""
    with spool:
        spool.seek(0)
        while chunk := spool.read(_CHUNK):
            yield chunk
