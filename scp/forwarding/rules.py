"""Which peers an instance goes on to, by the rules of [[forward]]."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Protocol

from scp.config import Forward
from storage.query import fits

# Criterion -> where its value is; any of them will do.
CRITERIA: Mapping[str, tuple[str, ...]] = {
    "modality": ("Modality",),
    "station": ("StationName",),
    "description": ("StudyDescription", "SeriesDescription"),
    "body_part": ("BodyPartExamined",),
}


class Values(Protocol):
    """Text by the keyword of its attribute."""

    def __getitem__(self, keyword: str, /) -> str: ...


def destinations(rules: Iterable[Forward], values: Values, sender: str) -> dict[str, float | None]:
    """Where an instance goes, and after how many seconds of quiet in its study; None: at once.

    Never to who sent it: two nodes that forward to each other would not come to an end.
    """
    found: dict[str, float | None] = {}
    for rule in rules:
        if not applies(rule, values, sender):
            continue
        for title in rule.to:
            if title != sender.strip():
                # Of two rules the one that waits for less.
                least = min(rule.quiet or 0, found.get(title, inf) or 0)
                found[title] = least or None
    return found


def applies(rule: Forward, values: Values, sender: str) -> bool:
    """Whether an instance fits every criterion of a rule."""
    if rule.senders and not _any(rule.senders, sender):
        return False
    for name, keywords in CRITERIA.items():
        patterns: tuple[str, ...] = getattr(rule, name)
        if patterns and not any(_any(patterns, values[keyword]) for keyword in keywords):
            return False
    return True


def _any(patterns: Iterable[str], text: str) -> bool:
    texts = [one.strip().casefold() for one in text.split("\\")]
    return any(fits(pattern.strip().casefold(), one) for pattern in patterns for one in texts)
