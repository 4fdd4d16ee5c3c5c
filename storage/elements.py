"""Decoded data elements, text or the items of a sequence: what identifiers are made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.datadict import private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from storage import charsets, values
from storage.charsets import Charset
from storage.errors import DataSetError

CHARACTER_SET = Tag(0x0008, 0x0005)
# Values that are bulk data, or of unknown make: neither matched nor answered.
BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
# Deeper than any IOD nests.
_MAX_DEPTH = 64


@dataclass(frozen=True)
class Element:
    """A value as text, or `items` where it is a sequence."""

    vr: str
    text: str = ""
    items: "tuple[Elements, ...] | None" = None


Elements = dict[BaseTag, Element]


def character_set(data_set: Dataset, default: str) -> Charset:
    """The Specific Character Set of `data_set`; `default` where it names none."""
    raw = data_set.get_item(CHARACTER_SET, keep_deferred=True)
    ascii_alone = charsets.charset("")
    named = values.text_of(raw, ascii_alone) if isinstance(raw, RawDataElement) else ""
    return charsets.charset(named, default)


def read(
    data_set: Dataset,
    tags: Iterable[BaseTag] | None,
    default_charset: str,
    unknown_vr: str = "UN",
) -> Elements:
    """The elements of `data_set`, or those of `tags` that it has; without bulk data.

    Text that names no character set is read by `default_charset`. An element whose VR neither
    the data set nor PS3.6 tells is read as one of `unknown_vr`. Raises DataSetError where a
    sequence is none, or is nested too deep.
    """
    try:
        return _read(data_set, tags, default_charset, 0, unknown_vr)
    except Exception as error:  # pydicom's readers raise whatever the bytes lead to
        raise DataSetError(f"The data set cannot be read: {error}") from error


def _read(
    data_set: Dataset,
    tags: Iterable[BaseTag] | None,
    default_charset: str,
    depth: int,
    unknown_vr: str,
) -> Elements:
    named = character_set(data_set, default_charset)
    little_endian = data_set.original_encoding[1] is not False
    found: Elements = {}
    for tag in data_set.keys() if tags is None else tags:
        if tag not in data_set:
            continue
        element = _read_one(data_set, tag, named, little_endian, depth, unknown_vr)
        if element is not None:
            found[tag] = element
    return found


def _read_one(
    data_set: Dataset,
    tag: BaseTag,
    named: Charset,
    little_endian: bool,
    depth: int,
    unknown_vr: str,
) -> Element | None:
    raw = data_set.get_item(tag, keep_deferred=True)
    vr = values.vr_of(raw) if isinstance(raw, RawDataElement) else str(raw.VR) if raw else "UN"
    if vr == "UN" and isinstance(raw, RawDataElement):
        vr = _private_vr_of(data_set, tag) or unknown_vr
        raw = raw._replace(VR=vr)
    if vr == "SQ":
        if depth >= _MAX_DEPTH:
            raise ValueError(f"sequences nested deeper than {_MAX_DEPTH}")
        converted: DataElement = data_set[tag]
        # An item that names no character set has its data set's (PS3.3 C.12.1.1.2).
        inherited = "\\".join(named.terms)
        items = [
            _read(item, None, inherited, depth + 1, unknown_vr) for item in converted.value or ()
        ]
        return Element("SQ", items=tuple(items))
    if vr in BULK_VRS:
        return None
    # Of some VRs pydicom gives an empty value converted.
    text = values.text_of(raw, named, little_endian) if isinstance(raw, RawDataElement) else ""
    return Element(vr, text)


def _private_vr_of(data_set: Dataset, tag: BaseTag) -> str | None:
    """The VR of a private element by the creator that its data set names (PS3.5 7.8.1)."""
    block = Tag(tag.group, tag.element >> 8)
    if not tag.is_private or tag.element < 0x1000 or block not in data_set:
        return None
    raw = data_set.get_item(block, keep_deferred=True)
    creator = raw.value if isinstance(raw, RawDataElement) else None
    return private_vr(tag, creator.decode("latin-1").strip(" \0")) if creator else None


def private_vr(tag: BaseTag, creator: str) -> str | None:
    """The VR of a private element whose creator is known to the dictionary."""
    try:
        return private_dictionary_VR(tag, creator).split(" ")[0]
    except KeyError:
        return None
