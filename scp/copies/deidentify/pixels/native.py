"""Native Pixel Data without what is behind its last sample, and in bits that are unused."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from scp.copies.conversion.codecs import Image, Syntax
from scp.copies.conversion.data_set import DataSetSource, Scope, StoredElement, swapped
from scp.copies.deidentify.pixels.pixel_data import (
    Bulk,
    Note,
    frame_count,
    head_of,
    image_of,
    spool,
)
from scp.copies.deidentify.pixels.samples import Mask, native_bytes

_Change = Callable[[Iterable[bytes]], Iterable[bytes]]


def cleaned(
    source: DataSetSource, target: Syntax, element: StoredElement, scope: Scope, note: Note
) -> Bulk:
    """What becomes of it: as it lies in its file, where there is nothing to be taken out.

    Raises DataSetError where it is not described.
    """
    if not element.length:
        return Bulk(head_of(target, element, 0), source.file, element.start, element.start)
    image = image_of(scope, element)
    frames = frame_count(scope) or max(1, element.length // native_bytes(image, 1))
    described = native_bytes(image, frames)
    size = min(element.length, described)
    even = size + size % 2
    if even < element.length:
        note("bytes behind the last sample of the Pixel Data")
    end = element.start + min(even, element.length)
    stored = partial(source.chunks, element.start, end)
    changes = _changes(source, element, image, size, frames if size == described else 0)
    head = head_of(target, element, even)
    if even <= element.length and (not changes or _are_same(stored(), _all(changes, stored()))):
        return Bulk(head, source.file, element.start, end)
    note("unused bits of the Pixel Data")
    out = spool()
    for chunk in _all(changes, stored()):
        out.write(chunk)
    out.write(bytes(even - out.tell()))
    return Bulk(head, out, 0, even)


def _changes(
    source: DataSetSource, element: StoredElement, image: Image, size: int, frames: int
) -> list[_Change]:
    """What is to be done with the samples; where they are bits, `frames` are all that there is."""
    mask = Mask(image)
    found: list[_Change] = []
    if not mask.keeps_all:
        found.append(lambda chunks: mask.applied(chunks, source.little_endian))
    unused = -image.rows * image.columns * image.samples * frames % 8
    if image.bits_allocated == 1 and unused:
        found.append(lambda chunks: _with_last(chunks, size - 1, 0xFF >> unused))
    if size % 2:
        found.append(lambda chunks: _with_last(chunks, size, 0))
    if not source.little_endian and element.vr != "OB" and image.bits_allocated <= 8:
        # Bytes change places in words: the last one may be in front of its padding.
        swap: _Change = lambda chunks: swapped("OW", chunks)  # noqa: E731
        return [swap, *found, swap] if found else []
    return found


def _with_last(chunks: Iterable[bytes], at: int, mask: int) -> Iterator[bytes]:
    """The chunks with one byte masked; the first sample is in the lowest bits (PS3.5 8.1.1)."""
    before = 0
    for chunk in chunks:
        place = at - before
        before += len(chunk)
        if 0 <= place < len(chunk):
            chunk = chunk[:place] + bytes([chunk[place] & mask]) + chunk[place + 1 :]
        yield chunk


def _all(changes: list[_Change], chunks: Iterable[bytes]) -> Iterable[bytes]:
    for change in changes:
        chunks = change(chunks)
    return chunks


def _are_same(some: Iterable[bytes], others: Iterable[bytes]) -> bool:
    return all(one == other for one, other in zip(some, others, strict=True))
