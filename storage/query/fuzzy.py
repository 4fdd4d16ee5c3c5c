"""Fuzzy semantic matching of person names, where it was negotiated (PS3.4 C.2.2.2.1.1)."""

import re

from storage.dicom.values import kept
from storage.query.folding import fold_name

# No name has more (PS3.5 6.2.1.1: 64 characters a component group).
_MAX_WORDS = 96


def sounds_like(name: str, key: str) -> bool:
    """Whether every word of the key begins or sounds like a word of the name, in any order."""
    words, asked = words_of(name), asked_words(key)
    return bool(asked) and all(
        any(word.startswith(wanted) or sound(word) == sound(wanted) for word in words)
        for wanted in asked
    )


def words_of(name: str) -> list[str]:
    """The words of a name, folded: of all its values and component groups."""
    return [word for word in re.split(r"[\^=\s,*?\\]+", fold_name(name)) if word]


def asked_words(key: str) -> list[str]:
    """The words of a key; none where it has more than a name may have: nothing sounds like it."""
    words = words_of(key)
    return words if len(words) <= _MAX_WORDS else []


_SOUNDS = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")


@kept(8192)
def sound(word: str) -> str:
    """Soundex, of any length: the first letter and the consonants that follow, by kind."""
    coded = re.sub(r"[hw]", "", word[1:]).translate(_SOUNDS)
    joined = re.sub(r"(.)\1+", r"\1", word[0].translate(_SOUNDS) + coded)
    return word[0] + re.sub(r"[aeiouy]", "", joined[1:])
