"""Codes that PS3.16 names, with the meaning that it gives them: all others may be a site's own."""

from functools import lru_cache
from typing import cast

from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from scp.conversion.vrs import Scope
from scp.deidentify.encoding import text_of

_VALUES = (0x00080100, 0x00080119, 0x00080120)  # short, long, and that is a URN
_SCHEME = 0x00080102
# What SNOMED codes were written as before SRT (PS3.16 table 8-1).
_OLD_SNOMED = frozenset({"SRT", "SNM3", "99SDM"})
MEANING = "CodeMeaning"
# The text of an item that holds a code (PS3.3 table 8.8-1).
KEYWORDS = frozenset(
    {"CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", MEANING}
)  # fmt: skip


def meaning_of(scope: Scope) -> str | None:
    """The meaning of the code that an item holds; empty: it holds none; None: it is not known."""
    values = [value for tag in _VALUES if (value := text_of(scope, tag))]
    if not values:
        return ""
    scheme = text_of(scope, _SCHEME)
    return _meanings().get((scheme, values[0])) if len(values) == 1 else None


@lru_cache(maxsize=1)
def _meanings() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for scheme, names in concepts.items():
        for codes in cast(dict[str, dict[str, tuple[str, list[int]]]], names).values():
            for value, (meaning, *_) in codes.items():
                found[scheme, value] = meaning
    for value, concept in mapping["SRT"].items():
        if ("SCT", concept) in found:
            found |= {(scheme, value): found["SCT", concept] for scheme in _OLD_SNOMED}
    return found
