"""Decoded data elements, text or the items of a sequence: what identifiers are made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.datadict import private_dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence
from pydicom.tag import BaseTag, Tag

from storage.dicom.data_sets.budget import MAX_DEPTH, MESSAGE, Metered, ReadBudget, too_deep
from storage.dicom.values import WHOLE_TEXT_VRS, Charset, charsets, conversion

CHARACTER_SET = Tag(0x0008, 0x0005)
# Values that are bulk data, or of unknown make: neither matched nor answered.
BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
# Of Specific Character Set: no text has so many, and each item is read by its data set's.
_MAX_CHARACTER_SET_BYTES = 1024


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
    named = ""
    if isinstance(raw, RawDataElement) and raw.value:
        if len(raw.value) > _MAX_CHARACTER_SET_BYTES:
            raw = raw._replace(value=raw.value[:_MAX_CHARACTER_SET_BYTES])
        named = conversion.text_of(raw, ascii_alone)
    return charsets.charset(named, default)


def read(
    data_set: Dataset,
    tags: Iterable[BaseTag] | None,
    default_charset: str,
    unknown_vr: str = "UN",
    budget: ReadBudget | None = None,
) -> Elements:
    """The elements of `data_set`, or those of `tags` that it has; without bulk data.

    Text that names no character set is read by `default_charset`. An element whose VR neither
    the data set nor PS3.6 tells is read as one of `unknown_vr`. Without a `budget` it is known
    to be small. Raises DataSetError where a sequence is none, or is nested too deep, BudgetError
    where it is too much.
    """
    reader = _Reader(unknown_vr, budget)
    try:
        return reader.elements(data_set, tags, default_charset, 0)
    except Exception as error:  # pydicom's readers raise whatever the bytes lead to
        raise (budget or ReadBudget(MESSAGE)).failure(error) from error


class _Reader:
    """Reads elements; one whose VR is not known is one of `unknown_vr`."""

    def __init__(self, unknown_vr: str, budget: ReadBudget | None) -> None:
        self._unknown_vr = unknown_vr
        self._budget = budget

    def elements(
        self, data_set: Dataset, tags: Iterable[BaseTag] | None, default_charset: str, depth: int
    ) -> Elements:
        """The elements of a data set or of an item."""
        named = character_set(data_set, default_charset)
        little_endian = data_set.original_encoding[1] is not False
        found: Elements = {}
        for tag in data_set.keys() if tags is None else tags:
            if tag not in data_set:
                continue
            if self._budget and not depth:
                self._budget.enter(tag)
            element = self._element(data_set, tag, named, little_endian, depth)
            if element is not None:
                found[tag] = element
        return found

    def _element(
        self, data_set: Dataset, tag: BaseTag, named: Charset, little_endian: bool, depth: int
    ) -> Element | None:
        raw = data_set.get_item(tag, keep_deferred=True)
        vr = (
            conversion.vr_of(raw)
            if isinstance(raw, RawDataElement)
            else str(raw.VR)
            if raw
            else "UN"
        )
        if vr == "UN" and isinstance(raw, RawDataElement):
            vr = _private_vr_of(data_set, tag) or self._unknown_vr
            raw = raw._replace(VR=vr)
        if vr == "SQ":
            if depth >= MAX_DEPTH:
                raise too_deep()
            # An item that names no character set has its data set's (PS3.3 C.12.1.1.2).
            inherited = "\\".join(named.terms)
            return Element("SQ", items=tuple(
                self.elements(item, None, inherited, depth + 1)
                for item in self._items(data_set, tag, raw)
            ))  # fmt: skip
        if vr in BULK_VRS:
            return None
        # Of some VRs pydicom gives an empty value converted.
        if not isinstance(raw, RawDataElement):
            return Element(vr)
        if self._budget and raw.value:
            self._budget.value(tag, vr, raw.value, vr in WHOLE_TEXT_VRS)
        return Element(vr, conversion.text_of(raw, named, little_endian))

    def _items(self, data_set: Dataset, tag: BaseTag, raw: object) -> Iterable[Dataset]:
        """The items of a sequence, each read anew and counted where there is a budget."""
        if self._budget is None or not isinstance(raw, RawDataElement) or not raw.value:
            return data_set[tag].value or ()
        source = cast(BinaryIO, Metered(BytesIO(raw.value), self._budget))
        return read_sequence(
            source, raw.is_implicit_VR, raw.is_little_endian, len(raw.value), "iso8859"
        )


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
