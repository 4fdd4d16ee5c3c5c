"""Elements as the DICOM JSON Model (PS3.18 F.2), written and read; bulk data is in none."""

import re
from collections.abc import Mapping
from typing import Any

from pydicom.tag import BaseTag, Tag

from storage.diagnostics import DataSetError
from storage.dicom.data_sets import BULK_VRS, Element, Elements
from storage.dicom.values import is_number, split, vr_of_tag

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_VR = re.compile(r"[A-Z]{2}")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_MOST_DEPTH = 16


def to_json(held: Elements) -> dict[str, Any]:
    """Elements as an object by tag."""
    return {f"{tag:08X}": _member(held[tag]) for tag in sorted(held)}


def _member(element: Element) -> dict[str, Any]:
    if element.items is not None:
        items = [to_json(item) for item in element.items]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    values = [_written(element.vr, one) for one in split(element.vr, element.text)]
    return {"vr": element.vr, "Value": values} if element.text else {"vr": element.vr}


def _written(vr: str, value: str) -> Any:
    if not value:
        return None
    if vr == "PN":
        groups = zip(_GROUPS, value.split("=", 2), strict=False)
        return {name: group for name, group in groups if group} or None
    if is_number(vr):
        return float(value) if vr in ("FL", "FD") else int(value)
    return value


def from_json(held: Mapping[str, Any], depth: int = 0) -> Elements:
    """The elements of an object. Raises DataSetError where it is none, and says which member."""
    if depth > _MOST_DEPTH:
        raise DataSetError(f"sequences nested deeper than {_MOST_DEPTH}")
    if not isinstance(held, Mapping):
        raise DataSetError("takes an object of attributes by tag")
    found: Elements = {}
    for key, member in held.items():
        if not _TAG.fullmatch(key):
            raise DataSetError(f"{key[:40]!a} is no tag of 8 hexadecimal digits")
        tag = Tag(int(key, 16))
        if not isinstance(member, Mapping):
            raise DataSetError(f"{key}: takes an object with vr and Value")
        element = _element(tag, member, depth)
        if element is not None:
            found[tag] = element
    return found


def _element(tag: BaseTag, member: Mapping[str, Any], depth: int) -> Element | None:
    vr, values = member.get("vr") or vr_of_tag(tag), member.get("Value") or []
    if not isinstance(vr, str) or not _VR.fullmatch(vr) or not isinstance(values, list):
        raise DataSetError(f"{tag:08X}: vr or Value is none")
    if vr == "SQ":
        return Element("SQ", items=tuple(from_json(one or {}, depth + 1) for one in values))
    if vr in BULK_VRS:
        return None
    return Element(vr, "\\".join(_read(tag, vr, one) for one in values))


def _read(tag: BaseTag, vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        raise DataSetError(f"{tag:08X}: takes text or numbers, not true or false")
    if vr == "PN" and isinstance(value, Mapping):
        groups = [value.get(group) or "" for group in _GROUPS]
        if all(isinstance(group, str) for group in groups):
            return "=".join(groups).rstrip("=")
    if not isinstance(value, str | int | float):
        raise DataSetError(f"{tag:08X}: takes text or numbers as {vr}")
    return str(value)
