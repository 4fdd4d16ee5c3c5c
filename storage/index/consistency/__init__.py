"""What of the index contradicts itself: rows that hang in the air, UIDs that are used twice."""

from storage.index.consistency import disagreements, orphans
from storage.index.consistency.disagreements import about, asked_about, told_of

__all__ = [
    "about",
    "asked_about",
    "disagreements",
    "orphans",
    "told_of",
]
