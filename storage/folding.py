"""The form in which values and keys are compared: what does not count is taken away.

Per VR: case and accents of names, the precision and punctuation of dates and times, the zeros of
numbers. The index keeps this form in a column of its own, so that SQL compares what counts.
"""

import re
import unicodedata
from decimal import Decimal, InvalidOperation

RANGE_VRS = frozenset({"DA", "TM", "DT"})
NUMBER_VRS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
FOLDED_VRS = RANGE_VRS | NUMBER_VRS | {"PN"}

# What is not a date, time or number sorts before all that are, so that no range finds it.
_MALFORMED = "!"
_DATE = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2}))?)?", re.ASCII)
_DATE_ACR_NEMA = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)
_DATE_TIME = re.compile(r"(\d{4,14}?)(\.\d{1,6})?([+-]\d{4})?", re.ASCII)
# Letters whose stroke or ligature Unicode does not decompose.
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe"})
_COMBINING = re.compile("[\u0300-\u036f]")


def fold(vr: str, text: str) -> str:
    """The form of `text`, of one value or of several, that matching compares."""
    if vr not in FOLDED_VRS or not text:
        return text
    return "\\".join(_fold_value(vr, value) for value in text.split("\\"))


def span(vr: str, value: str) -> tuple[str, str] | None:
    """The first and the last moment that a DA, TM or DT value stands for, or None.

    A time of less precision stands for its whole span (an extension of PS3.4 C.2.2.2.1).
    """
    value = value.strip()
    if vr == "DA":
        return _span(
            _digits(_DATE_ACR_NEMA, value) or _digits(_DATE, value), "00000101", "99991231"
        )
    if vr == "TM":
        digits = _digits(_TIME, value)
        return _span(digits, "000000000000", "235959999999")
    match = _DATE_TIME.fullmatch(value)
    digits = match and match[1] + (match[2] or "").lstrip(".")
    return _span(digits, "00000101000000000000", "99991231235959999999")


def _fold_value(vr: str, value: str) -> str:
    if vr == "PN":
        return fold_name(value)
    if vr in NUMBER_VRS:
        try:
            return f"{Decimal(value.strip()).normalize():f}"
        except InvalidOperation:
            return value
    moments = span(vr, value)
    return moments[0] if moments else _MALFORMED + value


def fold_name(name: str) -> str:
    """A person name without case, accents, trailing carets and empty trailing groups.

    PS3.4 C.2.2.2.1.1 leaves case and accents to the SCP. Only the accents of European scripts
    go: the voicing marks of kana make other words.
    """
    decomposed = unicodedata.normalize("NFKD", name).casefold().translate(_STROKES)
    plain = unicodedata.normalize("NFKC", _COMBINING.sub("", decomposed))
    groups = [
        "^".join(part.strip() for part in group.split("^")).rstrip("^ ")
        for group in plain.split("=")
    ]
    return "=".join(groups).rstrip("=")


def _digits(pattern: re.Pattern[str], value: str) -> str | None:
    match = pattern.fullmatch(value)
    return "".join(part or "" for part in match.groups()) if match else None


def _span(digits: str | None, first: str, last: str) -> tuple[str, str] | None:
    if not digits:
        return None
    return digits + first[len(digits) :], digits + last[len(digits) :]
