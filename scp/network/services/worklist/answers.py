"""Identifiers of worklist answers: what was asked of an entry, encoded piece by piece and kept.

A modality asks every minute for the same, and mostly finds what it found before: of an entry each
element is encoded once for as long as it is held, and so is what was answered to who asks for just
that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pydicom.tag import BaseTag

from scp.network.dimse import identifier
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.dicom.values import Charset, charsets
from storage.query import in_plain_letters
from storage.worklist import STATUS, Known, WorklistQuery
from storage.worklist.entries import NEVER_EMPTY, STEP_SEQUENCE, Entry

# Those of ASCII alone, by whichever name (PS3.3 C.12.1.1.2).
_ASCII_TERMS = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})
_Key = tuple[BaseTag, Element]
# Of an entry so many answers are kept: modalities that ask for other attributes are few.
_MOST_KEPT = 8
_ANSWERS = "answers"


class AnswerEncoder:
    """Encodes answers of one query: only what was asked, empty where an entry has nothing.

    `peer_charset` is what is configured for its peer, and counts where the query names none.
    """

    def __init__(self, query: WorklistQuery, transfer_syntax: str, peer_charset: str) -> None:
        self._transfer_syntax = transfer_syntax
        self._implicit, self._little_endian = identifier.form_of(transfer_syntax)
        self._asked = query.character_set or peer_charset
        self._takes_ascii_alone = not query.character_set and peer_charset in _ASCII_TERMS - {""}
        self._keys = _in_order(query.keys)
        keys = query.step_keys
        self._step_keys = None if keys is None else _in_order(keys)
        self._empty = {tag: self._element(tag, _empty(tag, key), charsets.charset(""))
                       for tag, key in (*self._keys, *(self._step_keys or ()))}  # fmt: skip

        how = transfer_syntax, self._asked, self._takes_ascii_alone
        self._plan = (*how, _shape(query.keys))

    def encode(self, known: Known) -> bytes:
        """The identifier for an entry; the status of its step is what it is now."""
        kept: dict[object, bytes] = known.entry.kept.setdefault(_ANSWERS, {})
        of = self._plan, known.state
        found = kept.get(of)
        if found is None:
            found = self._encode(known)
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[of] = found
        return found

    def _encode(self, known: Known) -> bytes:
        entry = known.entry
        term = ""
        if not _is_ascii(entry):
            if self._takes_ascii_alone and (plain := _plain(entry)):
                entry = plain
            else:
                term = charsets.choose(self._texts(entry), self._asked)
        named = charsets.charset(term)
        parts = []
        if term:
            parts.append(self._element(CHARACTER_SET, Element("CS", term), charsets.charset("")))
        for tag, key in self._keys:
            if tag == STEP_SEQUENCE:
                parts.append(self._step(entry, str(known.state), named))
            else:
                parts.append(self._piece(entry, entry.elements, tag, key, named))
        return identifier.finished(b"".join(parts), self._transfer_syntax)

    def _step(self, entry: Entry, status: str, named: Charset) -> bytes:
        """The sequence with its item: all of it where no key in it was given."""
        now = Element("CS", status)
        keys = self._step_keys
        if keys is None:
            keys = _in_order({**entry.step, STATUS: now})
        parts = [
            self._element(tag, now, named)
            if tag == STATUS
            else self._piece(entry, entry.step, tag, key, named)
            for tag, key in keys
        ]
        item = b"".join(parts)
        return identifier.encode_items(STEP_SEQUENCE, [item], self._implicit, self._little_endian)

    def _piece(
        self, entry: Entry, where: Elements, tag: BaseTag, key: Element, named: Charset
    ) -> bytes:
        held = where.get(tag)
        if held is None:
            return self._empty.get(tag, b"")
        if key.items and key.items[0] and key is not held:
            return self._element(tag, _restricted(held, key.items[0]), named)
        of = (where is entry.step, tag, named.terms, self._implicit, self._little_endian)
        if of not in entry.kept:
            entry.kept[of] = self._element(tag, held, named)
        piece: bytes = entry.kept[of]
        return piece

    def _element(self, tag: BaseTag, held: Element, named: Charset) -> bytes:
        if tag in NEVER_EMPTY and not held.text:
            return b""
        return identifier.encode_element(tag, held, named, self._implicit, self._little_endian)

    def _texts(self, entry: Entry) -> Iterator[str]:
        """What an answer says of an entry."""
        for tag, _ in self._keys:
            if tag != STEP_SEQUENCE:
                yield from _texts_of(entry.elements.get(tag))
        for tag in [t for t, _ in self._step_keys] if self._step_keys else entry.step:
            yield from _texts_of(entry.step.get(tag))


def _shape(keys: Elements) -> tuple[object, ...]:
    """What of keys an answer depends on: which they are, and not their values."""
    return tuple(
        (int(tag), key.vr, key.text if tag.is_private else "",
         None if key.items is None else tuple(map(_shape, key.items)))
        for tag, key in keys.items()
    )  # fmt: skip


def _in_order(keys: Elements) -> list[_Key]:
    return [(tag, keys[tag]) for tag in sorted(keys)]


def _empty(tag: BaseTag, key: Element) -> Element:
    """What is answered where an entry has nothing; the creator of private attributes as asked."""
    if tag.is_private and 0x10 <= tag.element <= 0xFF and key.text.isascii():
        return key
    return Element("SQ", items=()) if key.items is not None else Element(key.vr)


def _restricted(held: Element, keys: Elements) -> Element:
    """What of the items of a sequence was asked for."""
    return replace(held, items=tuple(
        {
            tag: _restricted(item[tag], key.items[0]) if tag in item and key.items and key.items[0]
            else item.get(tag, _empty(tag, key))
            for tag, key in keys.items()
        }
        for item in held.items or ()
    ))  # fmt: skip


def _texts_of(held: Element | None) -> Iterator[str]:
    if held is None:
        return
    yield held.text
    for item in held.items or ():
        for inner in item.values():
            yield from _texts_of(inner)


def _all_texts(elements: Iterable[Element]) -> Iterator[str]:
    for element in elements:
        yield from _texts_of(element)


def _is_ascii(entry: Entry) -> bool:
    if "ascii" not in entry.kept:
        entry.kept["ascii"] = all(map(str.isascii, _all_texts(entry.elements.values())))
    return bool(entry.kept["ascii"])


def _plain(entry: Entry) -> Entry | None:
    """An entry in letters of ASCII; None where a text of it cannot be written so."""
    if "plain" not in entry.kept:
        held = _plain_elements(entry.elements)
        entry.kept["plain"] = Entry(held) if held is not None else None
    plain: Entry | None = entry.kept["plain"]
    return plain


def _plain_elements(held: Elements) -> Elements | None:
    found: Elements = {}
    for tag, element in held.items():
        if element.items is None:
            text = in_plain_letters(element.vr, element.text)
            if text is None:
                return None
            found[tag] = replace(element, text=text)
            continue
        items = []
        for item in element.items:
            plain = _plain_elements(item)
            if plain is None:
                return None
            items.append(plain)
        found[tag] = replace(element, items=tuple(items))
    return found
