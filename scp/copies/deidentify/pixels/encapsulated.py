"""Encapsulated Pixel Data: frames without metadata, and tables that fit them (PS3.5 A.4)."""

import struct
from collections.abc import Iterable
from typing import BinaryIO

from scp.copies.conversion.codecs import MAX_FRAME_BYTES, Codec, DamagedError, Image, Syntax
from scp.copies.conversion.data_set import (
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    DataSetSource,
    Span,
    StoredElement,
    TranscodeError,
)
from scp.copies.conversion.pixels import fragments
from scp.copies.deidentify.pixels import codestreams, jpeg2000
from scp.copies.deidentify.pixels.decoded import decoded
from scp.copies.deidentify.pixels.pixel_data import Bulk, Note, head_of, spool
from scp.copies.deidentify.pixels.samples import Mask

# Where coded data go on behind the image only a decoder sees it.
_TOLD_BY_DECODER = frozenset({Codec.JPEG, Codec.JPEG_LS})
OFFSETS, LENGTHS, TOTAL = 0x7FE00001, 0x7FE00002, 0x7FE00003


def cleaned(
    source: DataSetSource, target: Syntax, element: StoredElement, image: Image, frames: int,
    has_table: bool, note: Note,
) -> Bulk:  # fmt: skip
    """What becomes of it; `has_table`: with an Extended Offset Table.

    Raises TranscodeError where its frames cannot be read, or would be other images.
    """
    body = spool()
    offsets: list[int] = []
    lengths: list[int] = []
    frame_of = _Frames(source, image, note)
    for spans in fragments.frames(source, element, frames, image.codec):
        offsets.append(body.tell())
        kept = frame_of.cleaned(spans, len(offsets))
        lengths.append(sum(map(len, kept)))
        for fragment in kept:
            _write_item(body, [fragment], len(fragment))
    _write_end(body)
    table = source.fragments(element)[0]
    # Offsets are 32 bits (PS3.5 A.4), and the table may be empty always.
    is_basic = table.length and not has_table and offsets[-1] < UNDEFINED
    basic = struct.pack(f"<{len(offsets)}I", *offsets) if is_basic else b""
    if table.length != len(basic) or source.read(table) != basic:
        note("the Basic Offset Table")
    head = _extended(target, offsets, lengths) if has_table else b""
    head += head_of(target, element._replace(vr="OB"), UNDEFINED)
    head += _item_head(ITEM, len(basic)) + basic
    return Bulk(head, body, 0, body.tell())


def copied(source: DataSetSource, target: Syntax, element: StoredElement) -> Bulk:
    """What is taken as it is, its table left empty (PS3.5 8.2.5)."""
    body = spool()
    for fragment in source.fragments(element)[1:]:
        chunks = source.chunks(fragment.start, fragment.start + fragment.length)
        _write_item(body, chunks, fragment.length)
    _write_end(body)
    head = head_of(target, element._replace(vr="OB"), UNDEFINED)
    return Bulk(head + _item_head(ITEM, 0), body, 0, body.tell())


class _Frames:
    """Those of one image."""

    def __init__(self, source: DataSetSource, image: Image, note: Note) -> None:
        self._source, self._image, self._note = source, image, note

    def cleaned(self, spans: list[Span], number: int) -> list[bytes]:
        """The fragments as they were, where there is nothing to take out of the frame; else one."""
        if sum(span.length for span in spans) > MAX_FRAME_BYTES:
            raise TranscodeError(f"frame {number} takes more than {MAX_FRAME_BYTES} bytes")
        found = [self._source.read(span) for span in spans]
        frame = b"".join(found)
        try:
            kept = self._clean(frame)
        except (DamagedError, struct.error) as error:
            raise TranscodeError(f"frame {number} cannot be read: {error}") from error
        padded = kept + bytes(len(kept) % 2)
        # What is behind may be zeros, and fragments are of even length.
        is_clean = len(frame) % 2 == 0 and not frame.removeprefix(padded).strip(b"\0")
        self._check(frame, kept, is_clean, number)
        if is_clean:
            return found
        self._note(f"what is beside the image in frames of {self._image.codec.value}")
        return [padded]

    def _clean(self, frame: bytes) -> bytes:
        if self._image.codec is Codec.JPEG_2000:
            return jpeg2000.cleaned(frame)
        if self._image.codec is Codec.RLE:
            size = self._image.rows * self._image.columns
            return codestreams.rle(frame, size, Mask(self._image).tables())
        return codestreams.jpeg(frame)

    def _check(self, before: bytes, after: bytes, is_clean: bool, number: int) -> None:
        """Raise TranscodeError where it is another image then, or more than an image."""
        is_told = self._image.codec in _TOLD_BY_DECODER
        if self._image.codec is Codec.RLE or (is_clean and not is_told):
            return
        now = decoded(self._image, after)
        if is_told and isinstance(now, str):
            raise TranscodeError(
                f"frame {number} cannot be decoded, so anything may be in it: {now}"
            )
        then = now if is_clean else decoded(self._image, before)
        # Some decoders stop at metadata; and what none decodes must not become worse.
        if then != now and not (isinstance(then, str) and not isinstance(now, str)):
            raise TranscodeError(f"frame {number} would be another image without its metadata")


def _extended(target: Syntax, offsets: list[int], lengths: list[int]) -> bytes:
    head = b""
    for tag, numbers in ((OFFSETS, offsets), (LENGTHS, lengths)):
        value = struct.pack(f"<{len(numbers)}Q", *numbers)
        head += head_of(target, StoredElement(tag, "OV", 0, 0, 0), len(value)) + value
    return head


def _item_head(tag: int, length: int) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def _write_item(body: BinaryIO, value: Iterable[bytes], length: int) -> None:
    body.write(_item_head(ITEM, length))
    for chunk in value:
        body.write(chunk)


def _write_end(body: BinaryIO) -> None:
    body.write(_item_head(SEQUENCE_END, 0))
