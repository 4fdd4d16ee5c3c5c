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

__all__ = ["PATIENT_ID", "Correction", "Corrections", "Entity", "entities_since", "in_force"]

_NONE = Listed(())
_journals: dict[Path, Journal] = {}
_known: dict[Path, tuple[int, Corrections]] = {}


def in_force(data: Path) -> Corrections:
    """The corrections of a data folder as they are now; asked anew only when there are more.

    Raises ResourceError.
    """
    journal = _journals.get(data)
    if journal is None:
        journal = _journals[data] = Journal(data, sync=False)
    size = journal.size(CORRECTIONS)
    known = _known.get(data)
    if known is None or known[0] != size:
        known = _known[data] = size, Catalogued(journal, size) if size else _NONE
    return known[1]


def entities_since(data: Path, start: int) -> Iterator[Entity]:
    """Whose corrections, or undone ones, the journal tells from byte `start` on."""
    corrections = in_force(data)
    for line in Journal(data, sync=False).read(CORRECTIONS, start):
        told = told_by(line)
        if told and (one := corrections.by_number(told.number)):
            yield one.entity
