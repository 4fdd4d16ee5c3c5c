"""A data element in a model, whatever its encoding was: the part that JSON and XML share."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.tag import Tag

from scp.copies.conversion.data_set import PIXEL_DATA, swapped, unit
from storage.dicom.data_sets import BULK_VRS
from storage.dicom.values import UTF_8, Charset, charset, decoded, split

CHARACTER_SET = 0x00080005
# Float Pixel Data, Double Float Pixel Data, Pixel Data.
PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
# A value of more is bulk data: of those that are bytes, and of all others.
_MOST_INLINE_BYTES, _MOST_TEXT_BYTES = 1024, 1 << 20
# No Specific Character Set is longer.
_MOST_CHARACTER_SET_BYTES = 1024
_ASCII = charset("")

# Where bulk data is to be had: from a tag or, in the items of sequences, from the tag of the
# sequence, the number of the item from 1 on, and so on to the tag.
BulkUri = Callable[[tuple[int, ...]], str]


class Head(NamedTuple):
    """What an element is; `creator`: of a private one, empty where nobody has its block."""

    tag: int
    vr: str
    creator: str = ""


class Form(Protocol):
    """How a model writes its elements; all that is written has its tag in front."""

    names_creators: bool

    def values(self, head: Head, values: Sequence[str]) -> bytes:
        """An element with its values as text, empty where there is none."""

    def binary(self, head: Head, value: bytes) -> bytes:
        """An element with its bytes, Little Endian."""

    def bulk(self, head: Head, uri: str) -> bytes:
        """An element whose value is to be had elsewhere."""

    def items(self, head: Head, items: Sequence[bytes]) -> bytes:
        """A sequence of what `item` has made."""

    def item(self, elements: Sequence[bytes]) -> bytes:
        """An item, or a data set without what is around it."""

    def document(self, item: bytes) -> bytes:
        """A whole document."""


def is_bulk(head: Head, length: int) -> bool:
    """Whether a value is told by where it is to be had."""
    if head.vr in BULK_VRS:
        return length > _MOST_INLINE_BYTES or (head.tag in PIXELS and length > 0)
    return length > _MOST_TEXT_BYTES and head.vr != "SQ"


def fragment(
    form: Form, head: Head, value: bytes, named: Charset, little_endian: bool = True
) -> bytes:
    """An element of `value`, which is no sequence."""
    if head.tag == CHARACTER_SET:
        return character_set(form)
    if head.vr in BULK_VRS:
        if not value:
            return form.values(head, ())
        if not little_endian and unit(head.vr) > 1:
            value = b"".join(swapped(head.vr, [value]))
        return form.binary(head, value)
    return text_fragment(form, head, decoded(head.vr, value, named, little_endian))


def text_fragment(form: Form, head: Head, text: str) -> bytes:
    """An element of a value as text, with backslashes between several."""
    return form.values(head, split(head.vr, text) if text else ())


def character_set(form: Form) -> bytes:
    """Specific Character Set of what a model holds: all its text is UTF-8 there."""
    return form.values(Head(CHARACTER_SET, "CS"), (UTF_8,))


def charset_of(value: bytes, default: Charset | str) -> Charset:
    """The character set that an element names, or of the data set around it, or assumed."""
    outer = default if isinstance(default, str) else "\\".join(default.terms)
    return charset(decoded("CS", value[:_MOST_CHARACTER_SET_BYTES], _ASCII), outer)


def is_creator(tag: int) -> bool:
    """Whether an element says whose a block of private elements is (PS3.5 7.8.1)."""
    return bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF


def block_of(tag: int) -> int:
    """The tag of the element that says whose a private element is."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


@lru_cache(maxsize=1024)
def creator_of(value: bytes, named: Charset) -> str:
    """The creator that an element names."""
    return decoded("LO", value[:_MOST_CHARACTER_SET_BYTES], named)


@lru_cache(maxsize=8192)
def known_vr(tag: int, creator: str) -> str:
    """The VR in the dictionary, or of several that one may have all; UN where it has none."""
    if is_creator(tag):
        return "LO"
    try:
        if tag & 0x10000:
            return private_dictionary_VR(Tag(tag), creator).split(" ")[0] if creator else "UN"
        return dictionary_VR(tag)
    except KeyError:
        return "UN"
