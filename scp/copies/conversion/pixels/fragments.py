"""Which fragments of encapsulated Pixel Data make which frame (PS3.5 A.4)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from scp.copies.conversion.codecs import Codec
from scp.copies.conversion.data_set import DataSetSource, Span, StoredElement, TranscodeError

# How a frame starts: SOI of JPEG and JPEG-LS, SOC and SIZ or a JP2 box of JPEG 2000. A frame of
# RLE is one fragment.
_STARTS = {
    Codec.JPEG: (b"\xff\xd8\xff",),
    Codec.JPEG_LS: (b"\xff\xd8\xff",),
    Codec.JPEG_2000: (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "),
    Codec.RLE: (),
}
_SIGNATURE_BYTES = 8
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FrameSpans:
    """A frame as it lies, in one or more fragments."""

    source: DataSetSource
    spans: list[Span]

    @cached_property
    def length(self) -> int:
        """How many bytes there are."""
        return sum(span.length for span in self.spans)

    def chunks(self) -> Iterator[bytes]:
        """Them, in pieces. Raises TranscodeError."""
        held: list[bytes] = []
        size = 0
        for piece in self._pieces():
            held.append(piece)
            size += len(piece)
            if size >= _CHUNK:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    def _pieces(self) -> Iterator[bytes]:
        """Them as the fragments have them: of a byte each, where somebody likes."""
        try:
            for span in self.spans:
                yield from self.source.chunks(span.start, span.start + span.length)
        except OSError as error:
            raise TranscodeError(f"it cannot be read: {error.strerror}") from error


def frames(
    source: DataSetSource, pixel_data: StoredElement, count: int, codec: Codec | None
) -> list[list[Span]]:
    """The fragments of each of `count` frames.

    The Extended Offset Table is not needed: with it each frame is one fragment. Without `codec`
    nothing is known of how a frame starts. Raises TranscodeError where the fragments do not make
    as many frames.
    """
    table, *fragments = source.fragments(pixel_data) or [Span(pixel_data.start, 0)]
    if len(fragments) > count:  # some writers put empty ones behind a frame, or behind all
        fragments = [fragment for fragment in fragments if fragment.length]
    if len(fragments) == count:
        return [[fragment] for fragment in fragments]
    if not source.is_delimited(pixel_data):  # what follows of the last frame may be missing
        raise TranscodeError(f"the data set ends early, at byte {source.end}")
    if count == 1 and fragments:
        return [fragments]
    if count < len(fragments):
        for starts in (
            _by_offsets(source, table, fragments, count),
            _by_signature(source, fragments, codec),
        ):
            if len(starts) == count and starts[0] == 0:
                ends = [*starts[1:], len(fragments)]
                return [fragments[start:end] for start, end in zip(starts, ends, strict=True)]
    raise TranscodeError(
        f"Number of Frames is {count}, but the Pixel Data has {len(fragments)} fragments, "
        "and nothing tells which of them make a frame"
    )


def _by_offsets(source: DataSetSource, table: Span, fragments: list[Span], count: int) -> list[int]:
    """The first fragment of each frame by the Basic Offset Table; nothing where that is wrong."""
    if table.length // 4 != count:  # told before it is read, which may be any number of bytes
        return []
    offsets = struct.unpack(f"<{count}I", source.read(Span(table.start, 4 * count)))
    first = fragments[0].start if fragments else 0
    numbers = {fragment.start - first: number for number, fragment in enumerate(fragments)}
    starts = [numbers.get(offset, -1) for offset in offsets]
    ascending = all(a < b for a, b in pairwise(starts))
    return starts if ascending and starts and starts[0] == 0 else []


def _by_signature(source: DataSetSource, fragments: list[Span], codec: Codec | None) -> list[int]:
    """The fragments that start as a frame does."""
    starts = _STARTS[codec] if codec else ()
    heads = (source.read(Span(f.start, min(f.length, _SIGNATURE_BYTES))) for f in fragments)
    return [number for number, head in enumerate(heads) if head.startswith(starts)]
