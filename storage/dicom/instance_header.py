"""From a data set to the values that the index holds: only as far as it needs."""

import threading
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import DataSetError
from storage.dicom.added_values import HeaderValue
from storage.dicom.data_sets import (
    BULK_VRS,
    CHARACTER_SET,
    STORED,
    AlikeDataSets,
    Elements,
    FoundElement,
    ReadBudget,
    UnusualError,
    Wanted,
    check_lengths,
    ordinary_form,
    read,
    read_data_set,
    scan,
)
from storage.dicom.values import (
    IN_SEQUENCE,
    TABLE,
    UID_KEYWORDS,
    Attribute,
    Charset,
    charsets,
    check_uid,
    decoded,
)

_STORED = [attribute for attribute in TABLE if attribute.stored]
_READ_TAGS = [*(a.tag for a in _STORED if not a.sequence), *IN_SEQUENCE]
_TAGS: list[BaseTag | int] = [CHARACTER_SET, *_READ_TAGS]
_LAST_TAG = max(_TAGS)
_NAMING = (*UID_KEYWORDS, "SOPClassUID")
# The same for the scanner: what to find, and of each column where its value is, and of which VR.
_WANTED: Wanted = (
    {int(tag): None for tag in _TAGS}
    | {int(tag): {int(a.tag): None for a in held} | {int(CHARACTER_SET): None}
       for tag, held in IN_SEQUENCE.items()}
)  # fmt: skip
# Of which each is to be there, if empty (PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.12.1): where one is
# not, it may lie behind what ends the header, against PS3.5 7.1.
_EXPECTED = frozenset(
    int(Tag(keyword)) for keyword in (*_NAMING, "Modality", "PatientID", "PatientName")
)
# Tag -> column and VR; of a sequence, those of its items: column, tag and VR.
_COLUMN_OF = {int(a.tag): (a.column, a.vr) for a in _STORED if not a.sequence}
_COLUMNS_IN = {
    int(sequence): [
        (a.column, int(a.tag), a.vr) for a in _STORED
        if a.sequence and Tag(a.sequence) == sequence
    ]
    for sequence in IN_SEQUENCE
}  # fmt: skip
_BLANK = {attribute.column: "" for attribute in _STORED}
_CHARACTER_SET = int(CHARACTER_SET)  # a number is compared faster than a tag
_ASCII = charsets.charset("")
# All that is read of an ordinary data set; where this does not do, pydicom reads it.
_HEADER_BYTES = 64 * 1024
# In a row, of data sets that are unlike the one before.
_MOST_MISSES = 8


@dataclass(frozen=True)
class Header:
    """What the index needs of one instance: column -> text.

    `corrected`: some of it may be by a correction of its series or its study alone; `came`: the
    values before any correction, where there was one. `added`: those of keys that were added to
    the index, by tag, never corrected.
    """

    values: Mapping[str, str]
    corrected: bool = False
    came: Mapping[str, str] | None = None
    added: Mapping[int, HeaderValue] | None = None

    def __getitem__(self, keyword: str) -> str:
        return self.values[keyword]

    @property
    def uids(self) -> tuple[str, str, str]:
        """The Study, Series and SOP Instance UID."""
        values = self.values
        return values["StudyInstanceUID"], values["SeriesInstanceUID"], values["SOPInstanceUID"]


def header(source: BinaryIO, transfer_syntax: str, charset: str) -> Header:
    """Read the header of the data set that starts where `source` stands.

    `charset` is the Specific Character Set to assume for text that names none. Raises
    DataSetError where the data set cannot be read, MismatchError where a UID that storage needs is
    missing or not a UID.
    """
    start, found = source.tell(), None
    implicit_vr = ordinary_form(transfer_syntax)
    if implicit_vr is not None:
        with suppress(UnusualError):
            found = _found_alike(source.read(_HEADER_BYTES + 1), implicit_vr, charset)
    if found is None:
        source.seek(start)
        found = _read(source, transfer_syntax, charset)
    for keyword in _NAMING:
        check_uid(keyword, found[keyword])
    return Header(found)


class _Thread(threading.local):
    """What a thread has read last: who sends has the instances of a series follow on each other."""

    def __init__(self) -> None:
        self.form: tuple[bool, str] | None = None
        self.alike: AlikeDataSets | None = None
        self.values: dict[str, str] = {}
        self.named = _ASCII
        self.misses = 0


_last = _Thread()


def _found_alike(data: bytes, implicit_vr: bool, charset: str) -> dict[str, str]:
    """As `_scanned`, with what is expected; what the last one said as well is not read again."""
    last, form = _last, (implicit_vr, charset)
    if last.alike and last.form == form and (found := last.alike.differing(data)) is not None:
        last.misses = 0
        return last.values | _values_found(found, last.named)
    found = _elements(data, implicit_vr, _EXPECTED)
    named = _named(found, charset)
    values = _BLANK | _values_found(found, named)
    before = last.alike if last.form == form else None
    last.misses += 1
    # Of what is never alike only some are looked at.
    if last.misses <= _MOST_MISSES or last.misses % _MOST_MISSES == 0:
        last.form, last.values, last.named, last.alike = form, values, named, None
        with suppress(UnusualError):
            last.alike = AlikeDataSets(
                data, implicit_vr, _WANTED, int(_LAST_TAG), (_CHARACTER_SET,), before
            )
    return values


def _read(source: BinaryIO, transfer_syntax: str, charset: str) -> dict[str, str]:
    """The values of any data set, with those that lie behind what ends a header.

    Raises DataSetError.
    """
    start = source.tell()
    data_set = read_data_set(source, transfer_syntax, _TAGS, _LAST_TAG)
    if any(tag not in data_set for tag in _EXPECTED):
        source.seek(start)
        with suppress(DataSetError):  # what cannot be read there has nothing to tell
            data_set = read_data_set(source, transfer_syntax, _TAGS)
    return _values(data_set, charset)


def _values(data_set: Dataset, charset: str) -> dict[str, str]:
    check_lengths(data_set)  # a UID that is cut short is another UID
    elements = read(data_set, _READ_TAGS, charset, budget=ReadBudget(STORED))
    return {attribute.column: _text(elements, attribute) for attribute in _STORED}


def _scanned(
    data: bytes, implicit_vr: bool, charset: str, expected: Set[int] = frozenset()
) -> dict[str, str]:
    """The values of an ordinary data set, with what is `expected`. Raises UnusualError."""
    found = _elements(data, implicit_vr, expected)
    return _BLANK | _values_found(found, _named(found, charset))


def _elements(data: bytes, implicit_vr: bool, expected: Set[int]) -> dict[int, FoundElement]:
    whole = len(data) <= _HEADER_BYTES
    return scan(data, implicit_vr, _WANTED, int(_LAST_TAG), whole, expected=expected)


def _values_found(found: Mapping[int, FoundElement], named: Charset) -> dict[str, str]:
    """The columns of elements that were found."""
    values: dict[str, str] = {}
    for tag, held in found.items():
        if tag in _COLUMN_OF:
            column, vr = _COLUMN_OF[tag]
            values[column] = _value(held, vr, named)
            continue
        for column, inner, vr in _COLUMNS_IN.get(tag, ()):
            texts = [_value(item[inner], vr, _named(item, "\\".join(named.terms)))
                     for item in held.items if inner in item]  # fmt: skip
            values[column] = "\\".join(text for text in texts if text)
    return values


def _value(held: FoundElement, vr: str, named: Charset) -> str:
    vr = held.vr or vr
    if not held.value or vr in BULK_VRS:
        return ""
    return decoded(vr, held.value, named)


def _named(found: Mapping[int, FoundElement], default: str) -> Charset:
    """The Specific Character Set of a data set or of an item."""
    held = found.get(_CHARACTER_SET)
    if held and b"\0" in held.value.rstrip(b"\0"):
        raise UnusualError("a character set that is none")
    return charsets.charset(decoded("CS", held.value, _ASCII) if held else "", default)


def _text(found: Elements, attribute: Attribute) -> str:
    """The value of an attribute; of one inside a sequence the values of all items."""
    if not attribute.sequence:
        element = found.get(attribute.tag)
        return element.text if element else ""
    sequence = found.get(Tag(attribute.sequence))
    texts = [item[attribute.tag].text for item in (sequence.items if sequence else None) or ()
             if attribute.tag in item]  # fmt: skip
    return "\\".join(text for text in texts if text)
