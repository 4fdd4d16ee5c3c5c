"""Structured reports as text that a person reads (PS3.3 C.17.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from pydicom.datadict import dictionary_description
from pydicom.dataset import Dataset

from scp.copies.conversion.data_set import Scope
from scp.web.rendering.attributes import attributes_of, tags_of

_VALUES = ("TextValue", "DateTime", "Date", "Time", "PersonName", "UID")
_WANTED = tags_of((
    *_VALUES, "SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyDescription", "ContentDate", "CompletionFlag", "VerificationFlag",
    "ContentSequence", "ValueType", "ConceptNameCodeSequence", "ConceptCodeSequence",
    "CodeMeaning", "CodeValue", "MeasuredValueSequence", "NumericValue",
    "MeasurementUnitsCodeSequence", "ReferencedSOPSequence", "ReferencedSOPInstanceUID",
    "ReferencedFrameNumber",
))  # fmt: skip
_HEAD = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate",
         "StudyDescription", "ContentDate", "CompletionFlag", "VerificationFlag")  # fmt: skip
_STYLE = "body{font-family:sans-serif;max-width:50em;margin:2em auto}dt{font-weight:bold}"


@dataclass(frozen=True)
class Line:
    """A content item: how deep it lies, what it is about, and what it says of that."""

    depth: int
    name: str
    value: str


def as_text(scope: Scope, charset: str = "") -> str:
    """A report as plain text. Raises TranscodeError."""
    header = attributes_of(scope, _WANTED, charset)
    lines = [f"{name}: {value}" for name, value in _said(header)]
    lines.append("")
    for one in _lines(header, 0):
        words = ": ".join(part for part in (one.name, one.value) if part)
        lines.append("  " * one.depth + words)
    return "\n".join([*lines, ""])


def as_html(scope: Scope, charset: str = "") -> str:
    """A report as a page, in which all that it says is escaped. Raises TranscodeError."""
    header = attributes_of(scope, _WANTED, charset)
    content = list(_lines(header, 0))
    title = escape(content[0].name or "Report")
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n"
                   for name, value in _said(header))  # fmt: skip
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n<dl>\n{rows}</dl>\n"
        f"{''.join(_nested(content[1:]))}</body></html>\n"
    )


def _nested(content: list[Line]) -> Iterator[str]:
    depth = 0
    for one in content:
        yield "<ul>\n" * (one.depth - depth) + "</ul>\n" * (depth - one.depth)
        depth = one.depth
        name = f"<b>{escape(one.name)}</b>" if one.name else ""
        value = escape(one.value).replace("\n", "<br>\n")
        yield f"<li>{': '.join(part for part in (name, value) if part)}</li>\n"
    yield "</ul>\n" * depth


def _said(header: Dataset) -> Iterator[tuple[str, str]]:
    for name in _HEAD:
        if value := _text(header, name):
            yield dictionary_description(name), value


def _lines(item: Dataset, depth: int) -> Iterator[Line]:
    yield Line(depth, _meaning(item, "ConceptNameCodeSequence"), _value(item))
    for one in item.get("ContentSequence") or []:
        yield from _lines(one, depth + 1)


def _value(item: Dataset) -> str:
    """What a content item says, whatever its type."""
    for measured in item.get("MeasuredValueSequence") or []:
        unit = _meaning(measured, "MeasurementUnitsCodeSequence", "CodeValue")
        return f"{_text(measured, 'NumericValue')} {unit}".strip()
    for name in _VALUES:
        if text := _text(item, name):
            return text
    if meaning := _meaning(item, "ConceptCodeSequence"):
        return meaning
    for referenced in item.get("ReferencedSOPSequence") or []:
        kind = str(item.get("ValueType", "") or "").lower()
        return f"{kind} {_text(referenced, 'ReferencedSOPInstanceUID')}".strip()
    return ""


def _meaning(item: Dataset, sequence: str, name: str = "CodeMeaning") -> str:
    return next((_text(code, name) for code in item.get(sequence) or []), "")


def _text(item: Dataset, name: str) -> str:
    try:
        value = item.get(name)
    except Exception:  # a value that is none of its VR
        return ""
    return "" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
