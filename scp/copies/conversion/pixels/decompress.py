"""Compressed Pixel Data as native: the value, and the attributes that change with it."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scp.copies.conversion.codecs import MAX_FRAME_BYTES, Codec, Decoded, Image, Syntax
from scp.copies.conversion.data_set import (
    BITS_ALLOCATED,
    PIXEL_DATA,
    UNDEFINED,
    DataSetSource,
    LimitError,
    Made,
    Scope,
    Span,
    StoredElement,
    TranscodeError,
)
from scp.copies.conversion.limits import IN_MEMORY_BYTES, Conversion, Spool
from scp.copies.conversion.pixels import fragments, frame_decoding
from scp.copies.conversion.pixels.attributes import (
    BITS_STORED,
    HIGH_BIT,
    LOSSY,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    frame_count,
    image_of,
    text_of,
)
from scp.copies.conversion.pixels.decoder_client import Decoding, Frame

_LOSSY_RATIO, _LOSSY_METHOD = 0x00282112, 0x00282114
# Tables of the encapsulation: Extended Offset Table, its lengths, the encapsulated value's length.
_OF_FRAGMENTS = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
# PS3.3 C.7.6.1.1.5.1.
_METHODS = {
    Codec.JPEG: "ISO_10918_1",
    Codec.JPEG_LS: "ISO_14495_1",
    Codec.JPEG_2000: "ISO_15444_1",
}
_HTJ2K, _HTJ2K_METHOD = "1.2.840.10008.1.2.4.20", "ISO_15444_15"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Decompressor:
    """Decompresses the Pixel Data of a data set in one transfer syntax, to be written to `out`."""

    transfer_syntax: str
    syntax: Syntax
    conversion: Conversion
    out: Spool

    def adapt(self, scope: Scope) -> list[StoredElement | Made]:
        """The elements of a data set or an item, native where they are encapsulated.

        An icon may be encapsulated beside or without the image, or native (PS3.5 A.4).
        """
        found = [element for element in scope.elements if element.tag == PIXEL_DATA]
        if not found:
            return scope.elements
        pixel_data = found[0]
        if len(found) > 1 or not isinstance(pixel_data, StoredElement):
            raise TranscodeError("there is more than one Pixel Data")
        if not pixel_data.is_undefined:
            if self.syntax.codec and not scope.outer and pixel_data.length:
                raise TranscodeError("the Pixel Data is not encapsulated as its syntax says")
            return scope.elements
        made = {element.tag: element for element in self._decompress(scope, pixel_data)}
        kept = (e for e in scope.elements if e.tag not in made.keys() | _OF_FRAGMENTS)
        return sorted([*kept, *made.values()], key=lambda element: element.tag)

    def _decompress(self, scope: Scope, pixel_data: StoredElement) -> Iterator[Made]:
        """Pixel Data, and the attributes that are other than in `scope`."""
        codec = self.syntax.codec
        if codec is None:
            raise TranscodeError("the Pixel Data is encapsulated in an uncompressed syntax")
        image = image_of(scope, codec, self.syntax.lossless)
        if fault := image.fault:  # which no room that is waited for would mend
            raise TranscodeError(fault)
        count = frame_count(scope)
        spans = fragments.frames(scope.source, pixel_data, count, codec)
        # Before a turn is taken, so that nobody waits for space with a turn that others want.
        size = scope.source.end - scope.source.start + image.frame_bytes * count
        if size > IN_MEMORY_BYTES:
            self.conversion.reserve_space(size + image.frame_bytes)
        self.out.expect(size)
        frames = _Frames(scope.source, image, spans, self.conversion)
        native = frames.frame_bytes * count
        yield from self._attributes(scope, image, frames.decoded, native / _size(spans))
        padded = native + native % 2
        if padded >= UNDEFINED:
            raise TranscodeError("decompressed it is more than the 4 GiB that a value can have")
        vr = "OW" if frames.decoded.bits_allocated > 8 else "OB"
        yield Made(PIXEL_DATA, vr, padded, frames)

    def _attributes(
        self, scope: Scope, image: Image, decoded: Decoded, ratio: float
    ) -> Iterator[Made]:
        numbers = {
            PLANAR_CONFIGURATION: 0 if image.samples > 1 else scope.number(PLANAR_CONFIGURATION),
            BITS_ALLOCATED: decoded.bits_allocated,
            BITS_STORED: decoded.bits_stored,
            HIGH_BIT: decoded.high_bit,
        }
        for tag, number in numbers.items():
            if number is not None and number != scope.number(tag):
                yield Made(tag, "US", 2, [struct.pack("<H", number)])
        if decoded.photometric != image.photometric:
            yield _text(PHOTOMETRIC_INTERPRETATION, "CS", decoded.photometric)
        if decoded.is_lossy and not scope.outer:
            yield from self._lossy(scope, ratio)

    def _lossy(self, scope: Scope, ratio: float) -> Iterator[Made]:
        """That it was compressed with loss is never taken back (PS3.3 C.7.6.1.1.5)."""
        if text_of(scope, LOSSY) != "01":
            yield _text(LOSSY, "CS", "01")
        if not text_of(scope, _LOSSY_RATIO):
            yield _text(_LOSSY_RATIO, "DS", f"{ratio:.2f}")
        if not text_of(scope, _LOSSY_METHOD) and self.syntax.codec in _METHODS:
            is_htj2k = self.transfer_syntax.startswith(_HTJ2K)
            method = _HTJ2K_METHOD if is_htj2k else _METHODS[self.syntax.codec]
            yield _text(_LOSSY_METHOD, "CS", method)


class _Frames:
    """The native value: the first frame decoded, the others when their turn comes."""

    def __init__(
        self, source: DataSetSource, image: Image, spans: list[list[Span]], conversion: Conversion
    ) -> None:
        self._source, self._image, self._spans = source, image, spans
        self._conversion = conversion
        # What is written before the pixels follows from it.
        self._first = Spool(conversion)
        with self._decoding(0) as found:
            self.decoded, self.frame_bytes = found.decoded, found.length
            for chunk in found.samples:
                self._first.write(chunk)

    def __iter__(self) -> Iterator[bytes]:
        with self._first as first:
            first.seek(0)
            while chunk := first.read(_CHUNK):
                yield chunk
        for number in range(1, len(self._spans)):
            with self._decoding(number) as found:
                if (found.decoded, found.length) != (self.decoded, self.frame_bytes):
                    raise TranscodeError(f"frame {number + 1} is not encoded as the first one is")
                yield from found.samples
        if self.frame_bytes * len(self._spans) % 2:
            yield b"\0"

    @contextmanager
    def _decoding(self, number: int) -> Iterator[Decoding]:
        frame: Frame = fragments.FrameSpans(self._source, self._spans[number])
        if frame.length > MAX_FRAME_BYTES:
            raise TranscodeError(f"frame {number + 1} takes more than {MAX_FRAME_BYTES} bytes")
        self._conversion.check()
        # Of many fragments it is put together before a turn is taken, for others wait for that.
        if len(self._spans[number]) > 1 and frame.length <= _CHUNK:
            frame = frame_decoding.Held(b"".join(frame.chunks()))
        try:
            with frame_decoding.decoding(self._image, frame, self._conversion) as found:
                yield found
        except LimitError:
            raise
        except TranscodeError as error:
            raise TranscodeError(f"frame {number + 1} cannot be decoded: {error}") from error


def _size(spans: list[list[Span]]) -> int:
    return max(1, sum(span.length for frame in spans for span in frame))


def _text(tag: int, vr: str, text: str) -> Made:
    value = text.encode("ascii")
    value += b" " * (len(value) % 2)
    return Made(tag, vr, len(value), [value])
