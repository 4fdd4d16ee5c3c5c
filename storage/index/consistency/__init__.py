"""What of the index contradicts itself: rows that hang in the air, UIDs that are used twice."""

from storage.index.consistency import disagreements, orphans
from storage.index.consistency.disagreements import about

__all__ = [
    "about",
    "disagreements",
    "orphans",
]
