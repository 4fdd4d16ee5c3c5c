"""Values of an entry, by VR (PS3.5 6.2): brought to their form, and what is wrong with one."""

import re
import unicodedata

from storage.diagnostics import MismatchError
from storage.dicom.values import check_uid, is_number

_LINES = "\n\r\t\f"
# VRs of prose, which may have several lines.
_PROSE = {"ST": 1024, "LT": 10240, "UT": 1 << 16}
_MOST_CHARACTERS = {"SH": 16, "LO": 64, "AE": 16, "CS": 16, "IS": 12, "DS": 16} | _PROSE
_MOST_IN_GROUP = 64  # of a person name (PS3.5 6.2.1)
_DATE = re.compile(r"(\d{4})([-./]?)(\d{2})\2(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d{1,6})?)?)?", re.ASCII)
_CODE = re.compile(r"[A-Z0-9_ ]*", re.ASCII)
_TITLE = re.compile(r"[ -\[\]-~]*", re.ASCII)
_AGE = re.compile(r"\d{3}[DWMY]", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def normal(vr: str, value: str) -> str:
    """A value in the form of its VR, where it can be brought to it: 2026-11-29, 9:30, ct."""
    value = value.strip()
    if vr == "DA" and (match := _DATE.fullmatch(value)):
        return match[1] + match[3] + match[4]
    if vr == "TM":
        padded = f"0{value}" if value[1:2] == ":" else value
        if match := _TIME.fullmatch(padded):
            return "".join(part or "" for part in match.groups())
    return value.upper() if vr == "CS" else value


def fault_of(vr: str, value: str) -> str:
    """What is wrong with a single value that is not empty, in words; empty: nothing."""
    fault = _fault_of(vr, value)
    return f'{fault}, not "{value[:40]}"' if fault.startswith("takes") else fault


def _fault_of(vr: str, value: str) -> str:
    allowed = _LINES if vr in _PROSE else ""
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in allowed:
            return f"has the control character U+{ord(character):04X}"
        if unicodedata.category(character) == "Cs":
            return "has half a character of UTF-16"
    if vr == "PN":
        if value.count("=") > 2 or any(part.count("^") > 4 for part in value.split("=")):
            return "takes family^given^middle^prefix^suffix, up to three times with = between"
        longest = max(map(len, value.split("=")))
        is_long = longest > _MOST_IN_GROUP
        return f"has {longest} characters, a name takes {_MOST_IN_GROUP}" if is_long else ""
    most = _MOST_CHARACTERS.get(vr, 0)
    if most and len(value) > most:
        return f"has {len(value)} characters, a {vr} takes {most}"
    return _fault_of_form(vr, value)


def _fault_of_form(vr: str, value: str) -> str:
    match vr:
        case "DA":
            return "" if is_date(value) else "takes a date as YYYYMMDD"
        case "TM":
            return "" if _is_time(value) else "takes a time as HHMM or HHMMSS"
        case "CS":
            return "" if _CODE.fullmatch(value) else "takes capital letters, digits and _"
        case "AE":
            return "" if _TITLE.fullmatch(value) else "takes an AE title"
        case "AS":
            return "" if _AGE.fullmatch(value) else "takes an age such as 042Y"
        case "UI":
            try:
                check_uid("StudyInstanceUID", value)
            except MismatchError:
                return "takes a UID: digits and dots, 64 at most"
            return ""
    if is_number(vr) or vr in ("IS", "DS"):
        return "" if _is_of_number(vr, value) else "takes a number"
    return ""


def _is_of_number(vr: str, value: str) -> bool:
    form = _DECIMAL if vr in ("DS", "FL", "FD") else _INTEGER
    return bool(form.fullmatch(value))


def is_date(value: str) -> bool:
    """Whether it is a day that there is, as YYYYMMDD."""
    match = _DATE.fullmatch(value)
    if not match or match[2]:
        return False
    month, day = int(match[3]), int(match[4])
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    year = int(match[1])
    leaps = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (month, day) != (2, 29) or leaps


def _is_time(value: str) -> bool:
    match = _TIME.fullmatch(value)
    if not match or ":" in value:
        return False
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    return hour < 24 and minute < 60 and second < 61
