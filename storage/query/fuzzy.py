"""Fuzzy semantic matching of person names, where it was negotiated (PS3.4 C.2.2.2.1.1)."""

import re

from storage.dicom.values import kept
from storage.query.folding import fold_name

# No name has more (PS3.5 6.2.1.1: 64 characters a component group).
_MAX_WORDS = 96


def sounds_like(name: str, key: str) -> bool:
    """Whether every word of the key begins or sounds like a word of the name, in any order."""
    words, asked = _words(fold_name(name)), _words(fold_name(key))
    return 0 < len(asked) <= _MAX_WORDS and all(
        any(word.startswith(wanted) or _sound(word) == _sound(wanted) for word in words)
        for wanted in asked
    )


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\^=\s,*?\\]+", name) if word]


_SOUNDS = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")


@kept(8192)
def _sound(word: str) -> str:
    """Soundex, of any length: the first letter and the consonants that follow, by kind."""
    coded = re.sub(r"[hw]", "", word[1:]).translate(_SOUNDS)
    joined = re.sub(r"(.)\1+", r"\1", word[0].translate(_SOUNDS) + coded)
    return word[0] + re.sub(r"[aeiouy]", "", joined[1:])
