"""Ranges of dates and times, and single ones as the spans that they stand for (PS3.4 C.2.2.2.5)."""

from typing import Any

from storage.dicom.values import kept
from storage.query.dialect import is_between, is_text
from storage.query.folding import fold_key, fold_moment, has_offset, range_ends, span

_FIRST_MOMENT, _LAST_MOMENT = "0", "9" * 20


def combined_range(date: Any, time: Any, date_key: str, time_key: str) -> Any:
    """The SQL condition that a moment lies within a range of moments (PS3.4 C.2.2.2.5.4)."""
    moments = _combined(date_key, time_key)
    if moments is None:
        return date == _MALFORMED_KEY
    return (date != "") & (time != "") & date.concat(time).between(*moments)


def in_combined_range(date: str, time: str, date_key: str, time_key: str) -> bool:
    """Whether a folded date and time lie within it: the same in Python."""
    moments = _combined(date_key, time_key)
    if moments is None or not (date and time):
        return False
    return moments[0] <= date + time <= moments[1]


def _combined(date_key: str, time_key: str) -> tuple[str, str] | None:
    """The first and the last moment; None where one of the keys is none."""
    days, times = _range("DA", date_key), _range("TM", time_key)
    if days is None or times is None:
        return None
    first = days[0] + times[0] if days[0] != _FIRST_MOMENT else _FIRST_MOMENT
    last = days[1] + times[1] if days[1] != _LAST_MOMENT else _LAST_MOMENT
    return first, last


def range_form(key: str) -> tuple[bool, bool] | None:
    """Whether a range says its first, and its last moment; None for what is no range.

    Only two of the same form make one range of moments (PS3.4 C.2.2.2.5.4).
    """
    first, dash, last = key.partition("-")
    return (bool(first.strip()), bool(last.strip())) if dash else None


@kept(1024, most_long=2)
def _range(vr: str, key: str) -> tuple[str, str] | None:
    """The first and last moment of a range or a single value; None for what is neither."""
    ends = range_ends(vr, key)
    if ends is None:
        return span(vr, key)
    earliest, latest = (span(vr, end) for end in ends)
    return earliest[0] if earliest else _FIRST_MOMENT, latest[1] if latest else _LAST_MOMENT


# No folded value is this: what is malformed keeps its text behind a mark of its own.
_MALFORMED_KEY = "!"


def in_range(vr: str, value: str, key: str) -> bool:
    """Whether a folded value lies within what a key stands for."""
    moments = _range(vr, key)
    if vr == "DT" and moments:
        # Without an offset a key is of the time that the value tells, whatever its offset.
        value = fold_moment(value, local=not has_offset(key))
    return moments[0] <= value <= moments[1] if moments else value == fold_key(vr, key)


def in_range_sql(vr: str, column: Any, key: str) -> Any:
    """The SQL condition for the same, on a column of folded values."""
    moments = _range(vr, key)
    return is_between(column, *moments) if moments else is_text(column, fold_key(vr, key))


def is_range(vr: str, key: str) -> bool:
    """Whether a key of dates or times stands for a span of them."""
    return _range(vr, key) is not None
