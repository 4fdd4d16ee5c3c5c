"""A data set with other values in it: all else stays byte for byte, and bulk data is not read."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import UID

from scp.copies.conversion.codecs import Syntax
from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    Adapt,
    DataSetSource,
    Made,
    Scope,
    StoredElement,
    TranscodeError,
    Writer,
    as_it_is,
    belongs,
    find,
    holds_strays,
)
from storage.dicom.values import CHARSET_VRS, UTF_8, WHOLE_TEXT_VRS, Charset, charsets, conversion
from storage.journal.corrections import Correction

_CHARACTER_SET, _ORIGINAL_ATTRIBUTES, _MODIFIED_ATTRIBUTES = 0x00080005, 0x04000561, 0x04000550
_MODIFIED_AT, _MODIFIED_BY, _SOURCE, _REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565

_ASCII = charsets.charset("")
_MOST_TERMS = 1024


@dataclass(frozen=True)
class Amended:
    """The encoded elements before Pixel Data, with corrections, and where the rest lies."""

    head: bytes
    rest: int
    end: int


def amended(
    file: BinaryIO, start: int, syntax_uid: str, corrections: Sequence[Correction], system: str,
    charset: str,
) -> Amended:  # fmt: skip
    """What the data set becomes that lies in `file` from `start` on, not deflated.

    `charset` is meant where none is named; `system` is who has corrected (PS3.3 C.12.1.1.9).
    Raises TranscodeError where it is not a whole data set.
    """
    syntax = UID(syntax_uid)
    end = file.seek(0, 2)
    source = DataSetSource(file, start, end, syntax.is_implicit_VR, syntax.is_little_endian)
    head = source.elements_before(PIXEL_DATA & 0xFFFF0000)
    # Implicit VR, whatever its transfer syntax says.
    if not any(one.vr for one in head if belongs(one.tag)):
        source = DataSetSource(file, start, end, True, source.little_endian)
    rest = head[-1].end if head else start
    end = _end(DataSetSource(file, rest, end, *source_form(source)))
    source = DataSetSource(file, start, rest, *source_form(source))
    if holds_strays(Scope(source, list(head))):
        source = _rewritten(source, as_it_is, keeps_group_lengths=True)
        head = source.elements()
    named = _named(Scope(source, list(head)), charset)
    texts = [text for one in corrections for text in one.values.values()]
    chosen = charsets.choose(texts, "\\".join(named.terms))
    # Where it names what may not stand in a data set (PS3.3 C.12.1.1.2), too.
    if chosen and chosen != "\\".join(named.terms):
        source = _in_utf_8(source, charset)
        head, named = source.elements(), charsets.charset(UTF_8)
    splice = _Splice(source, head, named)
    if chosen:
        splice.put(_CHARACTER_SET, "\\".join(named.terms))
    for correction in corrections:
        splice.correct(correction, system)
    return Amended(splice.encoded(), rest, end)


def source_form(source: DataSetSource) -> tuple[bool, bool]:
    """How it is encoded: implicit VR, little endian."""
    return source.implicit_vr, source.little_endian


class _Splice:
    """Elements by tag, as bytes."""

    def __init__(
        self, source: DataSetSource, elements: Sequence[StoredElement], named: Charset
    ) -> None:
        self._implicit_vr, self._little_endian = source_form(source)
        self._named = named
        self._held: dict[int, bytes] = {}
        at = source.start
        for element in elements:
            # A group length (retired) would be wrong.
            if element.tag & 0xFFFF:
                self._held[element.tag] = _bytes(source, at, element.end)
            at = element.end
        originals = next((one for one in elements if one.tag == _ORIGINAL_ATTRIBUTES), None)
        self._originals = b""
        if originals and originals.vr in ("SQ", ""):
            behind = originals.end - 8 * originals.is_undefined
            self._originals = _bytes(source, originals.start, behind)

    def put(self, tag: int, text: str) -> None:
        """Give an element a value."""
        self._held[tag] = self._element(tag, text)

    def correct(self, correction: Correction, system: str) -> None:
        """Give the elements of a correction their values, and tell what they were."""
        tags = {int(Tag(keyword)): text for keyword, text in correction.values.items()}
        before = b"".join(self._held.get(tag) or self._element(tag, "") for tag in sorted(tags))
        told = self._sequence(_MODIFIED_ATTRIBUTES, self._item(before))
        for tag, text in (
            (_MODIFIED_AT, _date_time(correction.at)), (_MODIFIED_BY, system), (_SOURCE, ""),
            (_REASON, "CORRECT"),
        ):  # fmt: skip
            told += self._element(tag, text)
        self._originals += self._item(told)
        self._held[_ORIGINAL_ATTRIBUTES] = self._sequence(_ORIGINAL_ATTRIBUTES, self._originals)
        for tag, text in tags.items():
            self.put(tag, text)

    def encoded(self) -> bytes:
        """All of them, in the order of their tags (PS3.5 7.1)."""
        return b"".join(self._held[tag] for tag in sorted(self._held))

    def _element(self, tag: int, text: str) -> bytes:
        vr = dictionary_VR(tag).split(" ")[0]
        value = conversion.to_bytes(vr, text, self._named, self._little_endian) if text else b""
        return self._encoded(tag, vr, value)

    def _sequence(self, tag: int, items: bytes) -> bytes:
        return self._encoded(tag, "SQ", items)

    def _encoded(self, tag: int, vr: str, value: bytes) -> bytes:
        return conversion.element(tag, vr, value, self._implicit_vr, self._little_endian)

    def _item(self, elements: bytes) -> bytes:
        order = "<" if self._little_endian else ">"
        return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(elements)) + elements


def _in_utf_8(source: DataSetSource, charset: str) -> DataSetSource:
    """The same elements, with all of their text in UTF-8."""

    def adapt(scope: Scope) -> list[StoredElement | Made]:
        named = _named(scope, charset)
        return [
            _converted(one, scope, named) if isinstance(one, StoredElement) else one
            for one in scope.elements
            if one.tag != _CHARACTER_SET  # an item has its data set's
        ]

    return _rewritten(source, adapt, keeps_group_lengths=False)


def _rewritten(source: DataSetSource, adapt: Adapt, keeps_group_lengths: bool) -> DataSetSource:
    """The same data set in its own encoding, as far as it belongs there."""
    out = BytesIO()
    Writer(out, Syntax(*source_form(source)), adapt, keeps_group_lengths).write(source)
    return DataSetSource(out, 0, out.tell(), *source_form(source))


def _end(rest: DataSetSource) -> int:
    """Where the last element ends that belongs in a data set, of those from Pixel Data on."""
    try:
        found = rest.elements()
    except TranscodeError:  # what it is nobody can tell: it stays as it came
        return rest.end
    if not found or belongs(found[-1].tag):
        return rest.end  # with its padding
    return max((one.end for one in found if belongs(one.tag)), default=rest.start)


def _converted(element: StoredElement, scope: Scope, named: Charset) -> StoredElement | Made:
    vr = element.vr or find(element.tag, scope)
    if vr not in CHARSET_VRS or element.is_undefined:
        return element
    held = _bytes(scope.source, element.start, element.end)
    if held.isascii() and b"\x1b" not in held:
        return element
    text = charsets.decode(held, named, vr == "PN", vr in WHOLE_TEXT_VRS)
    value = conversion.to_bytes(vr, text, charsets.charset(UTF_8))
    return Made(element.tag, vr, len(value), [value])


def _named(scope: Scope, charset: str) -> Charset:
    """The Specific Character Set in force in a data set or item (PS3.3 C.12.1.1.2)."""
    at: Scope | None = scope
    while at:
        if value := at.value(_CHARACTER_SET, _MOST_TERMS):
            return charsets.charset(conversion.decoded("CS", value, _ASCII), charset)
        at = at.outer
    return charsets.charset("", charset)


def _bytes(source: DataSetSource, start: int, end: int) -> bytes:
    return b"".join(source.chunks(start, end))


def _date_time(at: str) -> str:
    """A time of the journal's as DT (PS3.5 6.2)."""
    return at.replace("-", "").replace("T", "").replace(":", "")
