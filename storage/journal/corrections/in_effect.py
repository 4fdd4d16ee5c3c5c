"""What people have corrected: beside the stored bytes, in the journal, from where it can be undone.

The journal's catalogue answers, so that nobody reads the corrections of years for one instance.
"""

from collections.abc import Iterator
from pathlib import Path

from storage.journal import CORRECTIONS, Journal
from storage.journal.corrections.catalogue import Catalogued
from storage.journal.corrections.lines import (
    PATIENT_ID,
    Correction,
    Corrections,
    Entity,
    Listed,
    told_by,
)

__all__ = [
    "PATIENT_ID",
    "Correction",
    "Corrections",
    "Entity",
    "entities_since",
    "ever_corrected",
    "in_force",
]

_NONE = Listed(())
_known: dict[Path, tuple[int, Corrections]] = {}
_corrected: dict[Path, tuple[int, frozenset[str]]] = {}


def in_force(data: Path) -> Corrections:
    """The corrections of a data folder as they are now; asked anew only when there are more.

    Raises ResourceError.
    """
    journal = Journal(data, sync=False)
    size = journal.size(CORRECTIONS)
    known = _known.get(data)
    if known is None or known[0] != size:
        known = _known[data] = size, Catalogued(journal, size) if size else _NONE
    return known[1]


def ever_corrected(data: Path) -> frozenset[str]:
    """The keywords of what was ever corrected, undone or not; what was read is not read again.

    Raises ResourceError.
    """
    journal = Journal(data, sync=False)
    size = journal.size(CORRECTIONS)
    start, keywords = _corrected.get(data, (0, frozenset()))
    if size != start:
        start = start if start < size else 0  # of another journal that was put in its place
        told = map(told_by, journal.read(CORRECTIONS, start, size))
        keywords |= {name for one in told if isinstance(one, Correction) for name in one.values}
        _corrected[data] = size, keywords
    return keywords


def entities_since(data: Path, start: int) -> Iterator[Entity]:
    """Whose corrections, or undone ones, the journal tells from byte `start` on."""
    corrections = in_force(data)
    for line in Journal(data, sync=False).read(CORRECTIONS, start):
        told = told_by(line)
        if told and (one := corrections.by_number(told.number)):
            yield one.entity
