"""The form of values by their VR (PS3.5 6.2): in what has another one anything may hide."""

import re
import string
from collections.abc import Callable, Iterable

from pydicom.datadict import dictionary_VM
from pydicom.valuerep import format_number_as_ds

_MONTH, _DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_HOUR, _MINUTE, _SECOND = r"([01]\d|2[0-3])", r"[0-5]\d", r"([0-5]\d|60)(\.\d{1,6})?"
_ZONE = r"([+-](0\d|1[0-4])[0-5]\d)?"
# Of one value, padding taken off.
_FORMS = {
    vr: re.compile(form)
    for vr, form in {
        "AE": r"[ -\[\]-~]{1,16}",
        "AS": r"\d{3}[DWMY]",
        "CS": r"[A-Z0-9 _]{1,16}",
        "DA": rf"\d{{4}}{_MONTH}{_DAY}|\d{{4}}\.{_MONTH}\.{_DAY}",
        "DS": r"(?=.{1,16}$)[+-]?(\d+(\.\d*)?|\.\d+)([Ee][+-]?\d+)?",
        "DT": rf"\d{{4}}({_MONTH}({_DAY}({_HOUR}({_MINUTE}({_SECOND})?)?)?)?)?{_ZONE}",
        "IS": r"[+-]?\d{1,11}",
        "TM": rf"{_HOUR}({_MINUTE}({_SECOND})?)?|{_HOUR}:{_MINUTE}(:{_SECOND})?",
        "UI": r"(?=.{1,64}$)\d+(\.\d+)*",
    }.items()
}
# Bytes of one value of each VR that is binary.
_SIZES = {
    "AT": 4, "FD": 8, "FL": 4, "OB": 1, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "SL": 4,
    "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8,
}  # fmt: skip
_NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
# VRs whose values are of any form.
TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_DECIMAL = re.compile(r"[+-]?\d{1,20}(\.\d{0,30})?([Ee][+-]?\d{1,2})?")
# Those that are characters.
STRING_VRS = TEXT_VRS | frozenset(_FORMS)
_PRINTABLE = frozenset(string.printable.encode())
_LETTERS = frozenset(string.ascii_letters.encode())
_NAME = frozenset(_LETTERS | set(string.digits.encode()) | set(b" ^"))
# Numbers of so many bytes do not look like text by chance; half as many not like a name.
_LEAST_TEXT_BYTES, _LEAST_NAME_BYTES = 16, 8
# Beyond any list of numbers that an IOD has.
_MOST_TEXT_BYTES = 64 * 1024 * 1024


def is_number(vr: str) -> bool:
    """Whether it is a VR of numbers, written in digits or binary."""
    return vr in ("DS", "IS") or vr in _SIZES


def has_form(vr: str, text: str) -> bool:
    """Whether each value of a text is of the form; an empty one says nothing."""
    form = _FORMS.get(vr)
    return form is None or all(
        not value or form.fullmatch(value) for value in map(_stripped, text.split("\\"))
    )


def fits(tag: int, vr: str, size: int, chunks: Callable[[], Iterable[bytes]]) -> bool:
    """Whether a value of `size` bytes is of a form, and none too many (PS3.6), nor plain text."""
    if vr not in _SIZES:
        if size > _MOST_TEXT_BYTES:
            return False
        text = b"".join(chunks()).decode("latin-1")
        return has_form(vr, text) and (not is_number(vr) or _allows(tag, text.count("\\") + 1))
    if size % _SIZES[vr]:
        return False
    if vr in _NUMBERS and not _allows(tag, size // _SIZES[vr]):
        return False
    if size < _LEAST_NAME_BYTES:
        return True
    return not _is_text(chunks(), _PRINTABLE if size >= _LEAST_TEXT_BYTES else _NAME)


def shortened(tag: int, text: str) -> str:
    """Decimal strings that are longer than 16 characters, as programs write them; else empty."""
    values = [_stripped(value) for value in text.split("\\")]
    numbers = [value for value in values if value]
    if not all(_DECIMAL.fullmatch(value) for value in numbers) or not _allows(tag, len(values)):
        return ""
    return "\\".join(format_number_as_ds(float(value)) if value else "" for value in values)


def _stripped(value: str) -> str:
    return value.strip(" ").rstrip("\0 ")


def _is_text(chunks: Iterable[bytes], characters: frozenset[int]) -> bool:
    """Whether there is nothing but characters, and padding; some letters, and not one alone."""
    seen: set[int] = set()
    is_padding = False
    for chunk in chunks:
        text = chunk.rstrip(b"\0")
        if text and is_padding:
            return False
        is_padding = len(text) < len(chunk)
        seen |= set(text)
        if not seen <= characters:
            return False
    return bool(seen & _LETTERS) and len(seen) > 2


def _allows(tag: int, count: int) -> bool:
    """Whether PS3.6 allows for so many values."""
    most = dictionary_VM(tag).rpartition("-")[2]
    return not most.isdecimal() or count <= int(most)
