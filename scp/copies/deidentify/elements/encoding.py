"""Values in place of others, as elements."""

import struct

from pydicom.datadict import dictionary_VR

from scp.copies.conversion.codecs import Syntax
from scp.copies.conversion.data_set import Made, Scope, StoredElement, find
from scp.copies.deidentify.rules import STRING_VRS
from storage.dicom.values import charsets, conversion

_MOST_BYTES = 1 << 16
_ASCII = charsets.charset("")
# A dummy of each VR that is text; of others it is zeros, of so many bytes.
_TEXTS = {
    "AE": "REMOVED", "AS": "000Y", "CS": "REMOVED", "DA": "19000101", "DT": "19000101000000",
    "TM": "000000", "DS": "0", "IS": "0", "UR": "http://removed.invalid",
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), "REMOVED"),
}  # fmt: skip
_BYTES = {"FL": 4, "FD": 8, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "SL": 4, "SV": 8, "UL": 4,
          "UV": 8, "AT": 4}  # fmt: skip


def dummy(vr: str) -> bytes:
    """A value that says nothing; Little Endian."""
    return encoded(vr, _TEXTS[vr]) if vr in _TEXTS else bytes(_BYTES.get(vr, 2))


def encoded(vr: str, text: str) -> bytes:
    """A value of ASCII, padded."""
    return conversion.to_bytes(vr, text, _ASCII)


def made(tag: int, vr: str, value: bytes) -> Made:
    """An element with a value."""
    return Made(tag, vr, len(value), [value])


def text_of(scope: Scope, tag: int) -> str:
    """A value as it lies, each byte a character, without padding; empty where there is none."""
    return scope.value(tag, _MOST_BYTES).decode("latin-1").strip(" \0")


def code_item(target: Syntax, code: str, scheme: str, meaning: str) -> bytes:
    """An item of a code sequence (PS3.3 table 8.8-1), encoded as `target` has it."""
    body = b"".join(
        conversion.element(tag, vr, encoded(vr, text), target.implicit_vr, target.little_endian)
        for tag, vr, text in (
            (0x00080100, "SH", code), (0x00080102, "SH", scheme), (0x00080104, "LO", meaning),
        )
    )  # fmt: skip
    order = "<" if target.little_endian else ">"
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(body)) + body


def vr_of(element: StoredElement, scope: Scope) -> str:
    """The VR by which a value is judged; empty: it cannot be told what is in it."""
    known = find(element.tag, scope)
    if element.vr in ("", known):
        return "" if element.is_undefined and known != "SQ" else known
    if element.is_undefined or "SQ" in (known, element.vr):
        return ""
    if element.vr in _alternatives(element.tag):
        return element.vr
    is_text = {known, element.vr} <= STRING_VRS | {"UN"}
    # The value of UN is Little Endian (PS3.5 6.2.2), as that of what is made.
    return known if is_text or element.vr == "UN" else ""


def _alternatives(tag: int) -> list[str]:
    try:
        return dictionary_VR(tag).split(" or ")
    except KeyError:
        return []
