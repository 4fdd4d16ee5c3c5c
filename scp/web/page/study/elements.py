"""The elements of an instance as rows of a tree, and a structured report as rows of text."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from storage.dicom.data_sets import STORED, Element, Elements, ReadBudget, read

_NONE = Element("UN")


@dataclass(frozen=True)
class Row:
    """An element, or the beginning of an item."""

    depth: int
    tag: str
    vr: str
    name: str
    text: str
    is_item: bool = False


def rows(header: Dataset, charset: str) -> Iterator[Row]:
    """The elements of a data set, with those of its sequences below them.

    Raises DataSetError, BudgetError where there are too many.
    """
    found = read(header, None, charset, budget=ReadBudget(STORED))
    for tag in sorted(header.keys()):
        if tag in found:
            yield from _rows(tag, found[tag], 0)
        else:
            yield _bulk(header, tag)


def _rows(tag: BaseTag, element: Element, depth: int) -> Iterator[Row]:
    if element.items is None:
        yield Row(depth, _shown(tag), element.vr, name_of(tag), element.text)
        return
    yield Row(depth, _shown(tag), element.vr, name_of(tag), "")
    for number, item in enumerate(element.items, 1):
        yield Row(depth + 1, f"{number}.", "", "", "", is_item=True)
        for inner, held in sorted(item.items()):
            yield from _rows(inner, held, depth + 1)


def _bulk(header: Dataset, tag: BaseTag) -> Row:
    raw = header.get_item(tag, keep_deferred=True)
    length = len(raw.value or b"") if isinstance(raw, RawDataElement) else 0
    return Row(0, _shown(tag), str(raw.VR) if raw else "", name_of(tag), f"({length:,} bytes)")


def name_of(tag: BaseTag) -> str:
    """What PS3.6 calls it; empty of a private one."""
    return dictionary_description(tag) if dictionary_has_tag(tag) else ""


def _shown(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


# PS3.3 C.17.3: a content item, its concept, and its value by its type.
CONTENT = Tag("ContentSequence")
_CONCEPT, _MEANING, _VALUE = Tag("ConceptNameCodeSequence"), Tag("CodeMeaning"), Tag("CodeValue")
_TYPE = Tag("ValueType")
_MEASURED, _NUMBER = Tag("MeasuredValueSequence"), Tag("NumericValue")
_UNITS = Tag("MeasurementUnitsCodeSequence")
_TEXTS = {
    "TEXT": "TextValue", "DATETIME": "DateTime", "DATE": "Date", "TIME": "Time",
    "PNAME": "PersonName", "UIDREF": "UID",
}  # fmt: skip
_CODE, _REFERENCED = Tag("ConceptCodeSequence"), Tag("ReferencedSOPSequence")
_INSTANCE = Tag("ReferencedSOPInstanceUID")


@dataclass(frozen=True)
class Line:
    """A content item of a report: what it is of, and what it says."""

    depth: int
    concept: str
    text: str
    is_container: bool


def report(header: Dataset, charset: str) -> Iterator[Line]:
    """A structured report (PS3.3 A.35) from its title on. Raises as `rows`."""
    named = [CONTENT, _CONCEPT, _TYPE]
    yield from _lines(read(header, named, charset, budget=ReadBudget(STORED)), 0)


def _lines(item: Elements, depth: int) -> Iterator[Line]:
    kind = item.get(_TYPE, _NONE).text
    concept, text = _code(item, _CONCEPT), _text(item, kind)
    is_container = kind == "CONTAINER" or (not depth and not text)
    if concept or text:
        yield Line(depth, concept, text, is_container)
    for inner in item.get(CONTENT, _NONE).items or ():
        yield from _lines(inner, depth + 1)


def _text(item: Elements, kind: str) -> str:
    if kind in _TEXTS:
        return item.get(Tag(_TEXTS[kind]), _NONE).text
    if kind == "CODE":
        return _code(item, _CODE)
    if kind == "NUM":
        return ", ".join(
            f"{one.get(_NUMBER, _NONE).text} {_code(one, _UNITS)}".strip()
            for one in item.get(_MEASURED, _NONE).items or ()
        )
    references = item.get(_REFERENCED, _NONE).items or ()
    return ", ".join(one.get(_INSTANCE, _NONE).text for one in references)


def _code(item: Elements, tag: BaseTag) -> str:
    """What a code means."""
    codes = item.get(tag, _NONE).items or ()
    return ", ".join(one.get(_MEANING, _NONE).text or one.get(_VALUE, _NONE).text for one in codes)
