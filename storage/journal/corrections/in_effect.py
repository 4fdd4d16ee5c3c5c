"""What people have corrected: beside the stored bytes, in the journal, from where it can be undone.

The journal's catalogue answers, so that nobody reads the corrections of years for one instance.
"""

from collections.abc import Iterator
from pathlib import Path

from storage.journal import CORRECTIONS, FolderJournal, Journal, journal_of
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
    "last_known",
]

_NONE = Listed(())
# With the state of the journal that they were last the same in, and how far it went then.
_known: dict[Path, tuple[object, int, Corrections]] = {}
_journals: dict[Path, Journal] = {}
_corrected: dict[Path, tuple[int, frozenset[str]]] = {}


def in_force(data: Path) -> Corrections:
    """The corrections of a data folder as they are now; asked anew only when there are more.

    Raises ResourceError.
    """
    known, state = _known.get(data), _state(data)  # before the size: what comes then is seen
    if known is None or known[0] != state:
        journal = journal_of(data, sync=False)
        size = journal.size(CORRECTIONS)
        if known is None or known[1] != size:
            known = state, size, Catalogued(journal, size) if size else _NONE
        known = _known[data] = state, *known[1:]
    return known[2]


def last_known(data: Path) -> tuple[Corrections, int] | None:
    """What `in_force` was when it was last asked for, and how far the journal went then."""
    known = _known.get(data)
    return (known[2], known[1]) if known else None


def _state(data: Path) -> object:
    try:
        return _journal(data).state(CORRECTIONS)
    except OSError:
        return object()  # like no other: `size` says what is wrong


def _journal(data: Path) -> Journal:
    """The journal; one in files is kept, as all that is asked of it is how they are."""
    found = _journals.get(data)
    if found is None:
        found = journal_of(data, sync=False)
        if isinstance(found, FolderJournal):
            _journals[data] = found
    return found


def ever_corrected(data: Path) -> frozenset[str]:
    """The keywords of what was ever corrected, undone or not; what was read is not read again.

    Raises ResourceError.
    """
    journal = journal_of(data, sync=False)
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
    for line in journal_of(data, sync=False).read(CORRECTIONS, start):
        told = told_by(line)
        if told and (one := corrections.by_number(told.number)):
            yield one.entity
