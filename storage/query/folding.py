"""The form in which values and keys are compared: what does not count is taken away.

Per VR: case and accents of names, the precision and punctuation of dates and times, the zeros of
numbers. The index keeps this form in a column of its own, so that SQL compares what counts.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from storage.dicom.values import WHOLE_TEXT_VRS, kept, strip

RANGE_VRS = frozenset({"DA", "TM", "DT"})
NUMBER_VRS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
# A DT value is folded by its key, which may tell an offset or not.
FOLDED_VRS = frozenset({"DA", "TM"}) | NUMBER_VRS | WHOLE_TEXT_VRS | {"PN"}

# What is not a date, time or number sorts before all that are, so that no range finds it.
_MALFORMED = "!"
_DATE = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2}))?)?", re.ASCII)
# That of ACR-NEMA, `2019.06.17`, and what others write: `2019-06-17`, `2019/06/17`.
_DATE_SEPARATED = re.compile(r"(\d{4})([-./])(\d{2})\2(\d{2})", re.ASCII)
_DATE_WITH_TIME = re.compile(r"(\d{8})\d{6}", re.ASCII)
# More digits of a second than PS3.5 6.2 has are finer than what is compared.
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6})\d*)?)?)?", re.ASCII)
_OFFSET = re.compile(r"[+-]\d{4}$", re.ASCII)
_DATE_TIME = re.compile(r"(\d{4,14}?)(?:(\.\d{1,6})\d*)?([+-]\d{4})?", re.ASCII)
# Letters whose stroke or ligature Unicode does not decompose.
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe"})
# The same for who is to read it, in both cases.
_PLAIN_LETTERS = str.maketrans({
    **dict(zip("øłđħØŁĐĦı", "oldhOLDHi", strict=True)),
    "æ": "ae", "œ": "oe", "ß": "ss", "Æ": "AE", "Œ": "OE", "ẞ": "SS", "þ": "th", "Þ": "Th",
    "ð": "d", "Ð": "D",
})  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d{1,64}\.?\d{0,64}|\.\d{1,64})([eE][+-]?\d{1,6})?", re.ASCII)
# Two DT values, with room for padding: each dash of a key is tried.
_MAX_RANGE_CHARACTERS = 256
_MAX_EXPONENT = 400  # a double has 308
_COMBINING = re.compile("[\u0300-\u036f]")


@kept(4096)
def fold(vr: str, text: str) -> str:
    """The form of `text`, of one value or of several, that matching compares."""
    if vr not in FOLDED_VRS or not text:
        return text
    if vr in WHOLE_TEXT_VRS:  # nor do the ends of lines behind the last one count
        return text.rstrip()
    return "\\".join(_fold_value(vr, value) for value in text.split("\\"))


@kept(1024, most_long=2)
def fold_key(vr: str, key: str) -> str:
    """The form of a key, without what pads it."""
    return fold(vr, strip(vr, key))


def span(vr: str, value: str) -> tuple[str, str] | None:
    """The first and the last moment that a DA, TM or DT value stands for, or None.

    A time of less precision stands for its whole span (an extension of PS3.4 C.2.2.2.1).
    """
    value = value.strip()
    if vr == "DA":
        return _span(_date(value), "00000101", "99991231")
    if vr == "TM":
        digits = _digits(_TIME, value)
        return _span(digits, "000000000000", "235959999999")
    return _moment(value)


def has_offset(key: str) -> bool:
    """Whether a DT value or range tells an offset from UTC, which is 12 hours back at most."""
    ends = [_DATE_TIME.fullmatch(end) for end in range_ends("DT", key) or (key,)]
    return any(end and end[3] and _moment(end[0]) for end in ends)


def range_ends(vr: str, key: str) -> tuple[str, str] | None:
    """The two ends of a range, one of which may be empty; None for what is no range.

    A DT value may hold a dash itself: the one between the ends is the one that leaves two values.
    """
    if len(key) > _MAX_RANGE_CHARACTERS or span(vr, key):
        return None
    for dash in (i for i, character in enumerate(key) if character == "-"):
        ends = key[:dash].strip(), key[dash + 1 :].strip()
        if any(ends) and all(span(vr, end) for end in ends if end):
            return ends
    return None


def fold_moment(value: str, local: bool) -> str:
    """The first moment of a DT value: in UTC, or as it tells the time where it is."""
    value = value.strip()
    moments = _moment(_OFFSET.sub("", value) if local else value)
    return moments[0] if moments else _MALFORMED + value


def _moment(value: str) -> tuple[str, str] | None:
    """The span of a DT value, in UTC where it tells its offset (PS3.5 6.2)."""
    match = _DATE_TIME.fullmatch(value)
    if not match or len(match[1]) % 2 or (match[2] and len(match[1]) < 14):
        return None
    digits = match[1] + (match[2] or "").lstrip(".")
    moments = _span(digits, "00000101000000000000", "99991231235959999999")
    if not moments or not match[3]:
        return moments
    minutes = int(match[3][0] + "1") * (int(match[3][1:3]) * 60 + int(match[3][3:]))
    if not -12 * 60 <= minutes <= 14 * 60:
        return None
    try:
        first, last = (_shifted(moment, -minutes) for moment in moments)
    except (ValueError, OverflowError):
        return None
    return first, last


def _shifted(moment: str, minutes: int) -> str:
    # The last day of a month that is told alone may not exist; the next earlier one does.
    day = int(moment[6:8])
    while True:
        try:
            at = datetime.strptime(f"{moment[:6]}{day:02d}{moment[8:]}", "%Y%m%d%H%M%S%f")
            return (at + timedelta(minutes=minutes)).strftime("%Y%m%d%H%M%S%f")
        except ValueError:
            if day <= 28:
                raise
            day -= 1


def _fold_value(vr: str, value: str) -> str:
    if vr == "PN":
        return fold_name(value)
    if vr in NUMBER_VRS:
        return _fold_number(value.strip())
    moments = span(vr, value)
    return moments[0] if moments else _MALFORMED + value


def _fold_number(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        return value
    number = Decimal(value)
    if not number:
        return "0"
    # A number beyond reason is kept as text: written out it would fill the disk.
    return f"{number.normalize():f}" if abs(number.adjusted()) <= _MAX_EXPONENT else value


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


def in_plain_letters(vr: str, text: str) -> str | None:
    """A text without accents, for who can show no others than ASCII; None where it has no such.

    Of a name the component groups that have: a reading in letters stands for all.
    """
    plain = _COMBINING.sub("", unicodedata.normalize("NFKD", text).translate(_PLAIN_LETTERS))
    if vr == "PN" and not plain.isascii():
        names = ["=".join(part if part.isascii() else "" for part in name.split("=")).rstrip("=")
                 for name in plain.split("\\")]  # fmt: skip
        plain = "\\".join(names) if all(names) else plain
    return plain if plain.isascii() else None


# A letter, and the marks behind it that it is one with; those of half-width kana as well.
_WITH_MARKS = re.compile("[ ^=]|(?s:.)[\u0300-\u036f\u3099\u309a\uff9e\uff9f]*")

Letters = tuple[tuple[str, ...], ...]


def letters_of(name: str) -> Letters:
    """A person name letter by letter, each in the forms that a key may have for it.

    One as `fold_name` has it, and one in which each letter is still one as it is written: `ß` is
    `ss` and `ß`, a half-width kana with its mark is one and two. For `?`, which stands for a
    character as it is written (PS3.4 C.2.2.2.4).
    """
    components = unicodedata.normalize("NFC", name).split("^")
    trimmed = "^".join(part.strip() for part in components).rstrip("^ ")
    return tuple(map(_letter_forms, _WITH_MARKS.findall(trimmed)))


@lru_cache(maxsize=4096)
def _letter_forms(letter: str) -> tuple[str, ...]:
    if not letter.strip("^= "):
        return (letter,)
    return tuple(dict.fromkeys((fold_name(letter), "".join(map(_fold_letter, letter)))))


def _fold_letter(letter: str) -> str:
    form = fold_name(letter)
    if len(form) == 1:
        return form
    lower = letter.lower()
    return lower if len(lower) == 1 else letter


def _date(value: str) -> str | None:
    """The digits of a date, also where it is written as DA does not have it."""
    separated = _DATE_SEPARATED.fullmatch(value)
    if separated:
        return separated[1] + separated[3] + separated[4]
    return _digits(_DATE, value) or _digits(_DATE_WITH_TIME, value)


def _digits(pattern: re.Pattern[str], value: str) -> str | None:
    match = pattern.fullmatch(value)
    return "".join(part or "" for part in match.groups()) if match else None


def _span(digits: str | None, first: str, last: str) -> tuple[str, str] | None:
    if not digits:
        return None
    return digits + first[len(digits) :], digits + last[len(digits) :]
