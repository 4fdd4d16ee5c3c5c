"""From a data set to the values that the index holds: pure, and only as far as it needs."""

import re
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO

from pydicom.datadict import dictionary_description
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from storage import charsets
from storage.attributes import IN_SEQUENCE, TABLE, Attribute
from storage.charsets import Charset
from storage.elements import BULK_VRS, CHARACTER_SET, Elements, read
from storage.errors import DataSetError, MismatchError
from storage.scanner import Found, UnusualError, Wanted, scan
from storage.values import decoded

_STORED = [attribute for attribute in TABLE if attribute.stored]
_READ_TAGS = [*(a.tag for a in _STORED if not a.sequence), *IN_SEQUENCE]
_TAGS: list[BaseTag | int] = [CHARACTER_SET, *_READ_TAGS]
_LAST_TAG = max(_TAGS)
# The same for the scanner: what to find, and of each column where its value is, and of which VR.
_WANTED: Wanted = (
    {int(tag): None for tag in _TAGS}
    | {int(tag): {int(a.tag): None for a in held} | {int(CHARACTER_SET): None}
       for tag, held in IN_SEQUENCE.items()}
)  # fmt: skip
_PLAN = [(a.column, int(a.tag), int(Tag(a.sequence)) if a.sequence else 0, a.vr) for a in _STORED]
_CHARACTER_SET = int(CHARACTER_SET)  # a number is compared faster than a tag
_ASCII = charsets.charset("")
# All that is read of an ordinary data set; where this does not do, pydicom reads it.
_HEADER_BYTES = 64 * 1024
# Transfer syntaxes that deflate the data set as a whole (PS3.5 A.5, A.7, A.9): Deflated Explicit
# VR Little Endian, JPIP Referenced Deflate, JPIP HTJ2K Referenced Deflate.
DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
# A header that does not fit into this many bytes of a deflated data set is not one.
_DEFLATED_HEADER_BYTES = 64 * 1024 * 1024
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_MAX_UID = 64
UID_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class Header:
    """What the index needs of one instance: column -> text.

    `corrected`: some of it by a correction of the instance, its series or its study alone.
    """

    values: Mapping[str, str]
    corrected: bool = False

    def __getitem__(self, keyword: str) -> str:
        return self.values[keyword]

    @property
    def uids(self) -> tuple[str, str, str]:
        """The Study, Series and SOP Instance UID."""
        study, series, instance = (self.values[keyword] for keyword in UID_KEYWORDS)
        return study, series, instance


def header(source: BinaryIO, transfer_syntax: str, charset: str) -> Header:
    """Read the header of the data set that starts where `source` stands.

    `charset` is the Specific Character Set to assume for text that names none. Raises
    DataSetError where the data set cannot be read, MismatchError where a UID that storage needs is
    missing or not a UID.
    """
    start, found = source.tell(), None
    implicit_vr = _is_implicit(transfer_syntax)
    if implicit_vr is not None:
        with suppress(UnusualError):
            found = _scanned(source.read(_HEADER_BYTES + 1), implicit_vr, charset)
    if found is None:
        source.seek(start)
        found = _read(source, transfer_syntax, charset)
    for keyword in (*UID_KEYWORDS, "SOPClassUID"):
        check_uid(keyword, found[keyword])
    return Header(found)


def _read(source: BinaryIO, transfer_syntax: str, charset: str) -> dict[str, str]:
    """The values of any data set. Raises DataSetError."""
    data_set = read_data_set(source, transfer_syntax, _TAGS, _LAST_TAG)
    _check_lengths(data_set)  # a UID that is cut short is another UID
    elements = read(data_set, _READ_TAGS, charset)
    return {attribute.column: _text(elements, attribute) for attribute in _STORED}


def _scanned(data: bytes, implicit_vr: bool, charset: str) -> dict[str, str]:
    """The values of an ordinary data set. Raises UnusualError."""
    whole = len(data) <= _HEADER_BYTES
    found = scan(data, implicit_vr, _WANTED, int(_LAST_TAG), whole)
    named = _named(found, charset)
    values = {}
    for column, tag, sequence, vr in _PLAN:
        held = found.get(sequence or tag)
        if held is None:
            values[column] = ""
        elif not sequence:
            values[column] = _value(held, vr, named)
        else:
            texts = [_value(item[tag], vr, _named(item, "\\".join(named.terms)))
                     for item in held.items if tag in item]  # fmt: skip
            values[column] = "\\".join(text for text in texts if text)
    return values


def _value(held: Found, vr: str, named: Charset) -> str:
    vr = held.vr or vr
    if not held.value or vr in BULK_VRS:
        return ""
    return decoded(vr, held.value, named)


def _named(found: Mapping[int, Found], default: str) -> Charset:
    """The Specific Character Set of a data set or of an item."""
    held = found.get(_CHARACTER_SET)
    if held and b"\0" in held.value.rstrip(b"\0"):
        raise UnusualError("a character set that is none")
    return charsets.charset(decoded("CS", held.value, _ASCII) if held else "", default)


@lru_cache(maxsize=64)
def _is_implicit(transfer_syntax: str) -> bool | None:
    """Whether VRs are implicit; None where the data set is not plain little endian."""
    syntax = UID(transfer_syntax)
    if not syntax.is_transfer_syntax or syntax.is_private or transfer_syntax in DEFLATED:
        return None
    return bool(syntax.is_implicit_VR) if syntax.is_little_endian else None


def read_data_set(
    source: BinaryIO,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    last_tag: int = 0xFFFFFFFF,
) -> Dataset:
    """The elements of a data set up to `last_tag`, undecoded; only `tags` where given.

    Raises DataSetError where `source` is not a data set in `transfer_syntax`.
    """
    syntax = UID(transfer_syntax)
    try:
        if transfer_syntax in DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            deflated = source.read(_DEFLATED_HEADER_BYTES)
            source = BytesIO(inflater.decompress(deflated, _DEFLATED_HEADER_BYTES))
        return read_dataset(
            source,
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=lambda tag, vr, length: tag > last_tag,
            specific_tags=tags,
        )
    except Exception as error:  # whatever a hostile or broken data set makes the reader raise
        raise DataSetError(f"The data set cannot be read: {error}") from error


def read_whole(data: bytes, transfer_syntax: str) -> Dataset:
    """The data set that `data` is, to its last byte. Raises DataSetError."""
    source = BytesIO(data)
    data_set = read_data_set(source, transfer_syntax)
    if transfer_syntax not in DEFLATED and source.tell() != len(data):
        raise DataSetError(f"The data set ends at byte {source.tell()} of {len(data)}")
    _check_lengths(data_set)
    for tag in data_set.keys():  # noqa: SIM118
        raw = data_set.get_item(tag, keep_deferred=True)
        if raw and raw.VR == "SQ" and isinstance(raw, RawDataElement) and raw.value:
            _check_items(raw.value, tag, bool(raw.is_little_endian))
    return data_set


def _check_lengths(data_set: Dataset) -> None:
    for tag in data_set.keys():  # noqa: SIM118
        raw = data_set.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and raw.length != len(raw.value or b""):
            raise DataSetError(f"The element {tag} is cut short")


def _check_items(value: bytes, tag: BaseTag, little_endian: bool) -> None:
    group, number = struct.unpack("<HH" if little_endian else ">HH", value[:4].ljust(4, b"\0"))
    if (group, number) != (0xFFFE, 0xE000):
        raise DataSetError(f"The sequence {tag} has no items")


def _text(found: Elements, attribute: Attribute) -> str:
    """The value of an attribute; of one inside a sequence the values of all items."""
    if not attribute.sequence:
        element = found.get(attribute.tag)
        return element.text if element else ""
    sequence = found.get(Tag(attribute.sequence))
    texts = [item[attribute.tag].text for item in (sequence.items if sequence else None) or ()
             if attribute.tag in item]  # fmt: skip
    return "\\".join(text for text in texts if text)


def check_uid(keyword: str, uid: str) -> None:
    """Raise MismatchError where `uid` is not digits and dots, 64 at most (PS3.5 9.1).

    Leading zeros in a component are against PS3.5 9.1, yet senders in the field write them;
    they do no harm in a path, which is all that is refused here.
    """
    if _UID.fullmatch(uid) and len(uid) <= _MAX_UID:
        return
    name, tag = dictionary_description(keyword), Tag(keyword)
    if not uid:
        raise MismatchError(f"No {name} in the data set", tag)
    if len(uid) > _MAX_UID:
        raise MismatchError(f"{name} is longer than {_MAX_UID} characters", tag)
    raise MismatchError(f"{name} is not digits and dots: {uid!r}", tag)
