"""The rules of matching, as functions that queries call."""

from storage.query import by_letters, fits, matches, sounds_like


def dicom_matches(vr: str, text: str, key: str, every: bool) -> bool:
    """`rules.matches`, for SQL."""
    return matches(vr, text, key, every)


def dicom_by_letters(name: str, key: str) -> bool:
    """`rules.by_letters`, for SQL."""
    return by_letters(name, key)


def dicom_wildcard(key: str, value: str) -> bool:
    """`wildcards.fits`, on a folded key and a folded value."""
    return fits(key, value)


def dicom_fuzzy(name: str, key: str) -> bool:
    """`fuzzy.sounds_like`, on a name as it is."""
    return sounds_like(name, key)


FUNCTIONS = (dicom_matches, dicom_by_letters, dicom_wildcard, dicom_fuzzy)
