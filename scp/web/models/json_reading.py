"""The DICOM JSON Model (PS3.18 F.2), read."""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any, NoReturn

from scp.copies.conversion.data_set import name
from scp.web.models.fragments import known_vr
from scp.web.models.reading import Limits, ReadDataSet, ReadElement
from storage.diagnostics import DataSetError

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
# More of what divides a document than there can be elements, items and values makes no document.
_DIVIDERS = (b"{", b"[", b",")


def read_json(data: bytes, limits: Limits | None = None) -> list[ReadDataSet]:
    """The data sets of a document: an array of them, or a single one.

    Raises DataSetError where it is none, and says where; BudgetError where it is too much.
    """
    limits = limits or Limits()
    limits.check(data)
    # Before a parser makes objects of them: text may have commas, but not so many.
    if sum(map(data.count, _DIVIDERS)) > 3 * limits.left:
        limits.take(limits.left + 1)
    try:
        # Numbers stay as they were written.
        found = json.loads(data, parse_float=str, parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataSetError(f"The metadata are no JSON: {error}") from None
    held = found if isinstance(found, list) else [found]
    return [ReadDataSet(_elements(one, limits)) for one in held]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is none of its numbers")


def _elements(held: Any, limits: Limits) -> dict[int, ReadElement]:
    if not isinstance(held, dict):
        raise DataSetError("The metadata are no DICOM JSON: an object of attributes is missing")
    found: dict[int, ReadElement] = {}
    with limits:
        for key, attribute in held.items():
            if not _TAG.fullmatch(key):
                raise DataSetError(f"{key[:40]!a} is no tag of 8 hexadecimal digits")
            limits.take()
            tag = int(key, 16)
            found[tag] = _element(tag, attribute, limits)
    return found


def _element(tag: int, attribute: Any, limits: Limits) -> ReadElement:
    if not isinstance(attribute, dict):
        raise DataSetError(f"{name(tag)} is no object with a vr")
    vr = attribute.get("vr") or known_vr(tag, "").split(" ")[0]
    values = attribute.get("Value") or []
    uri, binary = attribute.get("BulkDataURI") or "", attribute.get("InlineBinary") or ""
    if not all((isinstance(vr, str), isinstance(values, list), isinstance(uri, str),
                isinstance(binary, str))):  # fmt: skip
        raise DataSetError(f"{name(tag)} has a vr, Value, BulkDataURI or InlineBinary that is none")
    if bool(values) + bool(uri) + bool(binary) > 1:
        raise DataSetError(f"{name(tag)} has more than one of Value, BulkDataURI, InlineBinary")
    limits.take(len(values))
    if vr == "SQ":
        if uri or binary:
            raise DataSetError(f"{name(tag)} is a sequence: it takes Value alone")
        return ReadElement(tag, vr, items=tuple(_elements(one or {}, limits) for one in values))
    return ReadElement(tag, vr, tuple(_text(tag, vr, one) for one in values), _bytes(tag, binary),
                       uri)  # fmt: skip


def _text(tag: int, vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "PN" and isinstance(value, dict):
        groups = [value.get(group) or "" for group in _GROUPS]
        if all(isinstance(group, str) for group in groups):
            return "=".join(groups).rstrip("=")
    if not isinstance(value, str):
        raise DataSetError(f"{name(tag)} has a value that is none of {vr[:20]!a}")
    return value


def _bytes(tag: int, binary: str) -> bytes:
    try:
        return b64decode(binary, validate=True)
    except (Base64Error, ValueError):
        raise DataSetError(f"{name(tag)} has an InlineBinary that is no base64") from None
