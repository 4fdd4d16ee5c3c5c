"""What a header says of some attributes, as a query that reads headers would find it.

For keys that were added to an index: so that it answers for them what the header itself does.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import DataSetError
from storage.dicom.data_sets import (
    CHARACTER_SET,
    STORED,
    ReadBudget,
    UnusualError,
    read,
    read_beginning,
    read_data_set,
)
from storage.dicom.values import CHARSET_VRS

# Pixel Data and what follows it: bulk, and the end of a header.
LAST_HEADER_TAG = 0x7FDFFFFF
# All of an ordinary header, and of one with much that is private.
HEADER_BYTES, LONG_HEADER_BYTES = 16 * 1024, 256 * 1024
# With every header that is read: by it corrections are found.
PATIENT_ID = int(Tag("PatientID"))
_MOST_CHARACTERS = 1024
_ESCAPE = b"\x1b"


@dataclass(frozen=True)
class HeaderValue:
    """The value of an attribute as text, and its VR, which is empty where there is none.

    `text` is None where the header has to be asked: it cannot be read, or is not to be kept.
    """

    vr: str = ""
    text: str | None = ""


_NOT_KEPT = HeaderValue(text=None)


def header_values(
    source: BinaryIO, transfer_syntax: str, charset: str, tags: frozenset[int]
) -> dict[int, HeaderValue]:
    """The values of `tags` in the data set that starts where `source` stands.

    `charset` is the Specific Character Set to assume for text that names none; empty where that
    depends on who asks.
    """
    start = source.tell()
    values: dict[int, HeaderValue] = {}
    # All at once; where one of them cannot be read, each has to be asked for alone.
    for wanted in (tags, *(frozenset({tag}) for tag in sorted(tags))):
        source.seek(start)
        try:
            header = _header(source, transfer_syntax, wanted | {PATIENT_ID})
            values |= {tag: _value(header, Tag(tag), charset) for tag in wanted}
        except (DataSetError, OSError):
            values |= dict.fromkeys(wanted, _NOT_KEPT)
            continue
        if wanted == tags:
            break
    return values


def _header(source: BinaryIO, transfer_syntax: str, tags: frozenset[int]) -> Dataset:
    """The elements, undecoded. Raises DataSetError, OSError."""
    start = source.tell()
    for data, is_whole in _beginnings(source):
        with suppress(UnusualError, DataSetError):
            return read_beginning(data, transfer_syntax, tags, LAST_HEADER_TAG, is_whole)
    source.seek(start)
    return read_data_set(source, transfer_syntax, list(tags), LAST_HEADER_TAG)


def _beginnings(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """What a data set begins with, and whether that is all of it; longer the second time."""
    data = source.read(HEADER_BYTES)
    yield data, len(data) < HEADER_BYTES
    if len(data) == HEADER_BYTES:
        data += source.read(LONG_HEADER_BYTES - HEADER_BYTES)
        yield data, len(data) < LONG_HEADER_BYTES


def _value(header: Dataset, tag: BaseTag, charset: str) -> HeaderValue:
    """Raises DataSetError."""
    found = read(header, (tag,), charset, budget=ReadBudget(STORED)).get(tag)
    if found is None:
        return HeaderValue()
    is_kept = len(found.text) <= _MOST_CHARACTERS and _is_text(found.text)
    if found.items is not None or not is_kept:
        return _NOT_KEPT
    if found.vr in CHARSET_VRS and not charset and _is_open(header, tag):
        return _NOT_KEPT
    return HeaderValue(found.vr, found.text)


def _is_text(text: str) -> bool:
    """Whether a database takes it: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_open(header: Dataset, tag: BaseTag) -> bool:
    """Whether text is read by a character set that is assumed: it is not ASCII, and names none."""
    named, raw = (header.get_item(one, keep_deferred=True) for one in (CHARACTER_SET, tag))
    if named is not None and named.value:
        return False
    value = raw.value if isinstance(raw, RawDataElement) else b""
    return bool(value) and (not value.isascii() or _ESCAPE in value)
