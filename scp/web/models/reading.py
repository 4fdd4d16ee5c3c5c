"""What was read of a model, and the data set that it stands for: Explicit VR Little Endian."""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from scp.copies.conversion.data_set import ITEM, SEQUENCE_END, UNDEFINED, belongs, name
from scp.web.media.multipart import FileRange
from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets import BULK_VRS
from storage.dicom.values import (
    CHARSET_VRS,
    LONG_FORM_VRS,
    SHORT_FORM_VRS,
    UTF_8,
    charset,
    element,
    is_number,
    to_bytes,
)

CHARACTER_SET, TRANSFER_SYNTAX = 0x00080005, 0x00020010
_UTF_8 = charset(UTF_8)
_VRS = SHORT_FORM_VRS | LONG_FORM_VRS
_ITEM_END = 0xFFFEE00D
_MAX_DEPTH = 64
_MOST_CHARACTER_SET_BYTES, _MOST_SHORT_BYTES = 1024, 0xFFFE
# Of a number of whole ones what JSON writes in other words too.
_WHOLE = re.compile(r"([+-]?[0-9]{1,20})(?:\.0*)?")
_FLOATS = frozenset({"FD", "FL"})
_NUMBER_BYTES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}


class Encapsulated(NamedTuple):
    """Compressed frames, each a fragment (PS3.5 A.4)."""

    frames: list[bytes | FileRange]


Bulk = bytes | FileRange | Encapsulated
# What a BulkDataURI stands for. Raises DataSetError where it is nothing that is there.
FindBulk = Callable[[str], Bulk]


@dataclass(frozen=True)
class ReadElement:
    """An element of a model: of `values`, `binary`, `uri` and `items` one, where it is not empty.

    Values are text, as it was written.
    """

    tag: int
    vr: str
    values: tuple[str, ...] = ()
    binary: bytes = b""
    uri: str = ""
    items: "tuple[dict[int, ReadElement], ...]" = ()

    def __post_init__(self) -> None:
        if self.vr not in _VRS:
            raise DataSetError(f"{name(self.tag)} has vr {self.vr[:20]!a}, which is none")


@dataclass
class Limits:
    """What is read of one document; a few bytes can ask for much."""

    most_bytes: int = 32 << 20
    left: int = 500_000
    depth: int = field(default=0, init=False)

    def check(self, data: bytes) -> None:
        """Raise BudgetError where a document is too large."""
        if len(data) > self.most_bytes:
            raise BudgetError(f"More than {self.most_bytes} bytes of metadata")

    def take(self, count: int = 1) -> None:
        """Count elements, items and values. Raises BudgetError."""
        self.left -= count
        if self.left < 0:
            raise BudgetError("Too many elements, items and values in the metadata")

    def __enter__(self) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise BudgetError(f"Sequences nested too deep: {_MAX_DEPTH} levels are read")

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


@dataclass(frozen=True)
class ReadDataSet:
    """A data set as a model tells it."""

    elements: dict[int, ReadElement]

    def text(self, tag: int) -> str:
        """The first value of an element of the data set itself, empty where there is none."""
        held = self.elements.get(tag)
        return held.values[0] if held and held.values else ""

    @property
    def transfer_syntax_uid(self) -> str:
        """That of File Meta Information, where it is told."""
        return self.text(TRANSFER_SYNTAX)

    def uris(self) -> Iterator[str]:
        """Where its bulk data is to be had."""
        yield from _uris(self.elements)

    def chunks(self, find_bulk: FindBulk) -> Iterator[bytes]:
        """The data set in Explicit VR Little Endian; compressed frames are encapsulated.

        Text is UTF-8, whatever character set is named: the model's is, too. Raises DataSetError
        where a value cannot be one of its VR, or as `find_bulk`.
        """
        elements = {tag: one for tag, one in self.elements.items() if belongs(tag)}
        if CHARACTER_SET in elements or not all(map(str.isascii, _texts(elements))):
            elements[CHARACTER_SET] = ReadElement(CHARACTER_SET, "CS", (UTF_8,))
        yield from _level(elements, find_bulk)


def _level(elements: dict[int, ReadElement], find_bulk: FindBulk) -> Iterator[bytes]:
    for tag in sorted(elements):
        one = elements[tag]
        if not tag & 0xFFFF:  # Group Length, which would be another one
            continue
        if one.vr == "SQ":
            yield from _sequence(one, find_bulk)
        elif one.uri:
            yield from _bulk(one, find_bulk(one.uri))
        else:
            yield element(tag, one.vr, _value(one))


def _sequence(one: ReadElement, find_bulk: FindBulk) -> Iterator[bytes]:
    """A sequence of undefined length: what is in it need not be known before."""
    if not one.items:
        yield element(one.tag, "SQ", b"")
        return
    yield _long_head(one.tag, "SQ", UNDEFINED)
    for item in one.items:
        yield _item_head(ITEM, UNDEFINED)
        # An item has the character set of what is around it.
        inner = {tag: held for tag, held in item.items() if tag != CHARACTER_SET}
        yield from _level(inner, find_bulk)
        yield _item_head(_ITEM_END, 0)
    yield _item_head(SEQUENCE_END, 0)


def _bulk(one: ReadElement, found: Bulk) -> Iterator[bytes]:
    if isinstance(found, Encapsulated):
        yield _long_head(one.tag, one.vr if one.vr in ("OB", "OW") else "OB", UNDEFINED)
        yield _item_head(ITEM, 0)  # without offsets (PS3.5 A.4)
        for frame in found.frames:
            size = _size(frame)
            yield _item_head(ITEM, size + size % 2)
            yield from _bytes(frame)
        yield _item_head(SEQUENCE_END, 0)
        return
    size = _size(found)
    size += size % 2
    if one.vr in LONG_FORM_VRS or size > _MOST_SHORT_BYTES:  # PS3.5 6.2.2
        yield _long_head(one.tag, one.vr if one.vr in LONG_FORM_VRS else "UN", size)
    else:
        group, number = one.tag >> 16, one.tag & 0xFFFF
        yield struct.pack("<HH2sH", group, number, one.vr.encode(), size)
    yield from _bytes(found)


def _size(found: bytes | FileRange) -> int:
    size = found.length if isinstance(found, FileRange) else len(found)
    if size >= UNDEFINED - 1:
        raise DataSetError("A value of more than 4 GiB")
    return size


def _bytes(found: bytes | FileRange) -> Iterator[bytes]:
    """What was found, padded to even length."""
    yield from found.chunks() if isinstance(found, FileRange) else (found,)
    yield b"\0" * (_size(found) % 2)


def _long_head(tag: int, vr: str, length: int) -> bytes:
    return struct.pack("<HH2s2xI", tag >> 16, tag & 0xFFFF, vr.encode(), length)


def _item_head(tag: int, length: int) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def _value(one: ReadElement) -> bytes:
    """The value field. Raises DataSetError."""
    if one.binary or one.vr in BULK_VRS:
        if one.values:
            raise DataSetError(f"{name(one.tag)} is {one.vr}: it takes InlineBinary or bulk data")
        return one.binary + b"\0" * (len(one.binary) % 2)
    if not any(one.values):
        return b""
    size = _NUMBER_BYTES.get(one.vr)
    values = one.values
    if is_number(one.vr) and one.vr not in _FLOATS:
        values = tuple(map(_whole, values))
    wrong = DataSetError(f"{name(one.tag)} has a value that cannot be one of {one.vr}")
    try:
        text = "\\".join(values)
        if one.vr not in CHARSET_VRS:  # of these no character is written as another one
            text.encode("latin-1")
        data = to_bytes(one.vr, text, _UTF_8)
    except (OverflowError, UnicodeEncodeError):  # what FL does not reach; half a character of JSON
        raise wrong from None
    if size and len(data) != size * len(values):
        raise wrong
    return data


def _whole(value: str) -> str:
    match = _WHOLE.fullmatch(value)
    return match[1] if match else value


def _uris(elements: dict[int, ReadElement]) -> Iterator[str]:
    for one in elements.values():
        if one.uri:
            yield one.uri
        for item in one.items:
            yield from _uris(item)


def _texts(elements: dict[int, ReadElement]) -> Iterable[str]:
    for one in elements.values():
        yield from one.values
        for item in one.items:
            yield from _texts(item)
