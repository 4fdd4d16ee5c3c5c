"""What may be corrected, and to what: by the attribute, its VR and the level."""

import difflib
import re
from collections.abc import Mapping

from pydicom import config
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import validate_value

from storage.dicom.values import (
    BY_KEYWORD,
    CHARSET_VRS,
    UTF_8,
    WHOLE_TEXT_VRS,
    Level,
    charset,
    split,
    to_bytes,
)
from storage.journal.corrections import PATIENT_ID

# Text that says something of the patient, the order or the device; a UID, a sequence, a number
# that describes pixels, and bulk data are what they are.
_VRS = CHARSET_VRS | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UR"}
# Of the file, of the character set, of the pixels, and of what was corrected or signed.
_GROUPS = frozenset({0x0000, 0x0002, 0x0028, 0x0400, 0x5400, 0x7FE0})
_CHARACTER_SET = 0x00080005
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINES = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # CR, LF, FF and TAB may be (PS3.5 6.1.3)
_MULTIPLICITY = re.compile(r"(\d+)(?:-(\d+|\d*n))?")


class UncorrectableError(ValueError):
    """What cannot be corrected, and why."""


def checked(level: Level, values: Mapping[str, str]) -> None:
    """Raise UncorrectableError unless entities of `level` may be given these values."""
    for keyword, text in values.items():
        _check_attribute(level, keyword)
        _check_value(keyword, text)


def _check_attribute(level: Level, keyword: str) -> None:
    number = tag_for_keyword(keyword)
    if number is None:
        near = difflib.get_close_matches(keyword, keyword_dict, 1)
        hint = f"; is it {near[0]}?" if near else ""
        raise UncorrectableError(f"{keyword}: no attribute of that keyword in PS3.6{hint}")
    vr = dictionary_VR(number)
    if vr == "UI":
        raise UncorrectableError(f"{keyword}: is a UID, which ties instances together")
    if vr not in _VRS or Tag(number).group in _GROUPS or number == _CHARACTER_SET:
        raise UncorrectableError(f"{keyword}: cannot be corrected; only text can that says nothing "
                                 "of how the instance is read")  # fmt: skip
    of = BY_KEYWORD.get(keyword)
    if of is None:
        return
    if not of.stored or (of.level < level and (level, of.level) != (Level.STUDY, Level.PATIENT)):
        raise UncorrectableError(f"{keyword}: is one of the {of.level.name.lower()}; correct that")


def _check_value(keyword: str, text: str) -> None:
    vr = dictionary_VR(keyword)
    if keyword == PATIENT_ID and not text.strip(" "):
        raise UncorrectableError(f"{keyword}: must not be empty")
    parts = split(vr, text)
    lowest, highest = _multiplicity(keyword)
    if text and not lowest <= len(parts) <= highest:
        words = f"takes {dictionary_VM(keyword)} values, not {len(parts)}"
        raise UncorrectableError(f"{keyword}: {words}")
    if (_LINES if vr in WHOLE_TEXT_VRS | {"UC"} else _CONTROL).search(text):
        raise UncorrectableError(f"{keyword}: has a control character")
    try:
        to_bytes(vr, text, charset(UTF_8)).decode("utf-8" if vr in CHARSET_VRS else "ascii")
        for part in parts:
            validate_value(vr, part, config.RAISE)
    except UnicodeError:
        raise UncorrectableError(f"{keyword}: {vr} takes no such characters") from None
    except ValueError as error:
        raise UncorrectableError(f"{keyword}: {error}") from None
    if vr not in CHARSET_VRS and not text.isascii():
        raise UncorrectableError(f"{keyword}: {vr} takes no such characters")


def _multiplicity(keyword: str) -> tuple[int, float]:
    found = _MULTIPLICITY.match(dictionary_VM(keyword))
    if found is None:
        return 1, float("inf")
    lowest, highest = int(found[1]), found[2]
    if highest is None:
        return lowest, lowest
    return lowest, float("inf") if "n" in highest else int(highest)
