"""Identifiers of responses: encoded straight from text, most of it prepared once a query."""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence

from pydicom.datadict import dictionary_VR
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from storage import Attribute, charsets
from storage.charsets import Charset
from storage.elements import CHARACTER_SET, Element, Elements
from storage.values import element, is_number, to_bytes

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
    implicit = transfer_syntax == ImplicitVRLittleEndian
    little_endian = transfer_syntax != ExplicitVRBigEndian
    data = _encode(held, charsets.charset(term), implicit, little_endian)
    return _deflate(data) if transfer_syntax == DeflatedExplicitVRLittleEndian else data


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
        order = dict.fromkeys(constant, -1) | {a.tag: i for i, a in enumerate(columns)}
        self._slots = [self._slot(tag, order[tag]) for tag in sorted(order)]

    def encode(self, texts: tuple[str, ...], extra: Elements) -> bytes:
        """The identifier of one answer: `texts` of the columns, and elements from its header."""
        if extra or not all(map(str.isascii, texts)) or max(map(len, texts), default=0) > _SHORT:
            return self._encode_any(texts, extra)
        parts = []
        for head, length, number, pad, vr in self._slots:
            if length is None:
                parts.append(head)
                continue
            if vr:
                value = to_bytes(vr, texts[number], _ASCII, self._little_endian)
            else:
                value = texts[number].encode("ascii")
                if len(value) % 2:
                    value += pad
            parts.append(head + length.pack(len(value)) + value)
        data = b"".join(parts)
        deflated = self._transfer_syntax == DeflatedExplicitVRLittleEndian
        return _deflate(data) if deflated else data

    @property
    def _little_endian(self) -> bool:
        return self._transfer_syntax != ExplicitVRBigEndian

    def _encode_any(self, texts: tuple[str, ...], extra: Elements) -> bytes:
        held = {a.tag: Element(a.vr, text) for a, text in zip(self._columns, texts, strict=True)}
        return encode(self._constant | held | extra, self._transfer_syntax, self._asked_charset)

    def _slot(self, tag: BaseTag, number: int) -> "_Slot":
        """The bytes of a constant; or of an element up to its length, and how to go on."""
        implicit = self._transfer_syntax == ImplicitVRLittleEndian
        if number < 0:
            held = self._constant[tag]
            value = to_bytes(held.vr, held.text, _ASCII, self._little_endian)
            return element(tag, held.vr, value, implicit, self._little_endian), None, 0, b"", ""
        vr = self._columns[number].vr
        empty = element(tag, vr, b"", implicit, self._little_endian)
        length = struct.Struct(
            ("<" if self._little_endian else ">") + "HI"[len(empty) > 8 or implicit]
        )
        pad = b"\0" if vr == "UI" else b" "
        return empty[: -length.size], length, number, pad, vr if is_number(vr) else ""


_Slot = tuple[bytes, struct.Struct | None, int, bytes, str]
_SHORT = 0xFFFE
_ASCII = charsets.charset("")


def _encode(held: Elements, named: Charset, implicit: bool, little_endian: bool) -> bytes:
    parts = []
    for tag in sorted(held):
        vr, text, items = held[tag].vr, held[tag].text, held[tag].items
        if items is None:
            value = to_bytes(vr, text, named, little_endian)
        else:
            encoded = (_encode(item, named, implicit, little_endian) for item in items)
            value = b"".join(
                element(_ITEM, "", item, implicit_vr=True, little_endian=little_endian)
                for item in encoded
            )
        parts.append(element(tag, vr, value, implicit, little_endian))
    return b"".join(parts)


def _texts(held: Elements) -> Iterator[str]:
    for found in held.values():
        yield found.text
        for item in found.items or ():
            yield from _texts(item)


def _deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)  # PS3.5 A.5
