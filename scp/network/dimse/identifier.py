"""Identifiers of responses: encoded straight from text, most of it prepared once a query."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from storage import Attribute
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.dicom.values import Charset, charsets, element, is_number, to_bytes

QUERY_RETRIEVE_LEVEL = Tag(0x0008, 0x0052)
RETRIEVE_AE_TITLE = Tag(0x0008, 0x0054)
INSTANCE_AVAILABILITY = Tag(0x0008, 0x0056)
FAILED_SOP_INSTANCE_UID_LIST = Tag(0x0008, 0x0058)
_ITEM = 0xFFFEE000


def from_texts(texts: Mapping[BaseTag, str]) -> Elements:
    """Elements of PS3.6 from text."""
    return {tag: Element(dictionary_VR(tag).split(" ")[0], text) for tag, text in texts.items()}


def encode(held: Elements, transfer_syntax: str, asked_charset: str = "") -> bytes:
    """A data set, with the Specific Character Set that its text needs.

    That is none where all is ASCII, `asked_charset` where it will do, else UTF-8.
    """
    term = charsets.choose(_texts(held), asked_charset)
    if term:
        held = {**held, CHARACTER_SET: Element("CS", term)}
    data = _encode(held, charsets.charset(term), *form_of(transfer_syntax))
    return finished(data, transfer_syntax)


class AnswerEncoder:
    """Encodes answers of one query: what is the same in all of them is encoded once."""

    def __init__(
        self,
        columns: Sequence[Attribute],
        constant: Elements,
        transfer_syntax: str,
        asked_charset: str,
    ) -> None:
        self._columns = columns
        self._constant = constant
        self._transfer_syntax = transfer_syntax
        self._asked_charset = asked_charset
        self._implicit, self._little_endian = form_of(transfer_syntax)
        self._slots = _slots(tuple(columns), tuple(constant.items()), transfer_syntax)

    def encode(self, texts: tuple[str, ...], extra: Elements) -> bytes:
        """The identifier of one answer: `texts` of the columns, and elements from its header."""
        if extra or max(map(len, texts), default=0) > _LONG_TEXT:
            return self._encode_any(texts, extra)
        named, parts = _ASCII, []
        if not all(map(str.isascii, texts)):
            term = charsets.choose(texts, self._asked_charset)
            named = charsets.charset(term)
            value = to_bytes("CS", term, _ASCII)  # its tag comes before all others
            parts.append(element(CHARACTER_SET, "CS", value, self._implicit, self._little_endian))
        for head, length, number, vr, is_binary, pad in self._slots:
            if length is None:
                parts.append(head)
                continue
            text = texts[number]
            if is_binary or not text.isascii():
                value = to_bytes(vr, text, named, self._little_endian)
            else:
                value = text.encode("ascii")
                if len(value) % 2:
                    value += pad
            parts += head, length.pack(len(value)), value
        data = b"".join(parts)
        return finished(data, self._transfer_syntax)

    def _encode_any(self, texts: tuple[str, ...], extra: Elements) -> bytes:
        held = {a.tag: Element(a.vr, text) for a, text in zip(self._columns, texts, strict=True)}
        return encode(self._constant | held | extra, self._transfer_syntax, self._asked_charset)


class _Slot(NamedTuple):
    """A constant element, whole; or one up to its length, and which column's value follows."""

    head: bytes
    length: struct.Struct | None = None
    number: int = 0
    vr: str = ""
    is_binary: bool = False
    pad: bytes = b" "


@lru_cache(maxsize=256)
def _slots(
    columns: tuple[Attribute, ...],
    constant: tuple[tuple[BaseTag, Element], ...],
    transfer_syntax: str,
) -> list[_Slot]:
    """The elements of an answer, in the order of their tags."""
    implicit, little_endian = form_of(transfer_syntax)
    slots = {}
    for tag, held in constant:
        value = to_bytes(held.vr, held.text, _ASCII, little_endian)
        slots[tag] = _Slot(element(tag, held.vr, value, implicit, little_endian))
    for number, attribute in enumerate(columns):
        vr = attribute.vr
        empty = element(attribute.tag, vr, b"", implicit, little_endian)
        long_length = implicit or len(empty) > _SHORT_HEAD_BYTES
        length = struct.Struct(("<" if little_endian else ">") + ("I" if long_length else "H"))
        pad = b"\0" if vr == "UI" else b" "
        head = empty[: -length.size]
        slots[attribute.tag] = _Slot(head, length, number, vr, is_number(vr), pad)
    return [slots[tag] for tag in sorted(slots)]


# Tag, VR and a length of 16 bits (PS3.5 7.1.2).
_SHORT_HEAD_BYTES = 8
# In any character set such a text takes no more bytes than a length of 16 bits can say.
_LONG_TEXT = 0xFFFE // 8
_ASCII = charsets.charset("")


def _encode(held: Elements, named: Charset, implicit: bool, little_endian: bool) -> bytes:
    return b"".join(
        encode_element(tag, held[tag], named, implicit, little_endian) for tag in sorted(held)
    )


def encode_element(
    tag: int, held: Element, named: Charset, implicit: bool, little_endian: bool
) -> bytes:
    """One element, in a character set that can hold it."""
    if held.items is None:
        value = to_bytes(held.vr, held.text, named, little_endian)
        return element(tag, held.vr, value, implicit, little_endian)
    items = [_encode(item, named, implicit, little_endian) for item in held.items]
    return encode_items(tag, items, implicit, little_endian)


def encode_items(tag: int, items: Iterable[bytes], implicit: bool, little_endian: bool) -> bytes:
    """A sequence whose items are encoded."""
    value = b"".join(
        element(_ITEM, "", item, implicit_vr=True, little_endian=little_endian) for item in items
    )
    return element(tag, "SQ", value, implicit, little_endian)


def _texts(held: Elements) -> Iterator[str]:
    for found in held.values():
        yield found.text
        for item in found.items or ():
            yield from _texts(item)


def form_of(transfer_syntax: str) -> tuple[bool, bool]:
    """Whether its VRs are implicit, and whether it is little endian."""
    is_implicit = transfer_syntax == ImplicitVRLittleEndian
    return is_implicit, transfer_syntax != ExplicitVRBigEndian


def finished(data: bytes, transfer_syntax: str) -> bytes:
    """An encoded data set as its transfer syntax has it, which may deflate it."""
    return _deflate(data) if transfer_syntax == DeflatedExplicitVRLittleEndian else data


def _deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)  # PS3.5 A.5
