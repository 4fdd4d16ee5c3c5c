"""Values as people read them: names, dates, sizes, and text of strangers made harmless."""

import re
from datetime import datetime

# C0 but for line ends and tabs, DEL, C1; halves of surrogate pairs; what embeds, overrides or
# isolates directions, with which a text could reach beyond its own element.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_FIRST_PICTURE, _DELETE, _UNKNOWN = 0x2400, "\u2421", "\ufffd"
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)?")
_UNITS = ("B", "KB", "MB", "GB", "TB")
_NANOSECONDS = 1_000_000_000


def clean(text: object) -> str:
    """A text without what moves a cursor or turns directions: that is shown by a symbol."""
    return _HARMFUL.sub(_symbol, str(text))


def harmless(text: str) -> str:
    """The same without that: for what is searched for, where it can mean nothing."""
    return _HARMFUL.sub("", text)


def _symbol(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_FIRST_PICTURE + code)
    return _DELETE if code == 0x7F else _UNKNOWN


def person(text: str) -> str:
    """A name as it is said (PS3.5 6.2.1.2): of several groups each that there is."""
    return clean("; ".join(_person(one) for one in text.split("\\") if one))


def _person(text: str) -> str:
    groups = dict.fromkeys(_group(group) for group in text.split("="))
    return " · ".join(group for group in groups if group)


def _group(text: str) -> str:
    family, given, middle, prefix, suffix = (text.split("^") + [""] * 5)[:5]
    named = " ".join(part.strip() for part in (given, middle) if part.strip())
    whole = ", ".join(part for part in (family.strip(), named) if part)
    return ", ".join(part for part in (whole, prefix.strip(), suffix.strip()) if part)


def date(text: str) -> str:
    """A date (VR DA) as ISO 8601 has it; what is none as it is."""
    found = _DATE.fullmatch(text.strip())
    return "-".join(found.groups()) if found else clean(text)


def time(text: str) -> str:
    """A time (VR TM) to the minute; what is none as it is."""
    found = _TIME.match(text.strip())
    return f"{found[1]}:{found[2]}" if found else clean(text)


def moment(nanoseconds: int) -> str:
    """A time since 1970, here; empty where it is 0."""
    if not nanoseconds:
        return ""
    return f"{datetime.fromtimestamp(nanoseconds // _NANOSECONDS):%Y-%m-%d %H:%M:%S}"


def told(text: str) -> str:
    """A time as the journal and the audit trail have it, here; what is none as it is."""
    try:
        return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return clean(text)


def size(count: int) -> str:
    """Bytes, in units of 1,000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return (
        f"{value:.0f} {_UNITS[unit]}"
        if value >= 99.5 or not unit
        else f"{value:.1f} {_UNITS[unit]}"
    )


def number(count: int) -> str:
    """A number with a thin space between thousands, which no language takes for a point."""
    return f"{count:,}".replace(",", "\u2009")


FILTERS = {
    "clean": clean, "person": person, "date": date, "time": time, "moment": moment, "told": told,
    "size": size, "number": number,
}  # fmt: skip
