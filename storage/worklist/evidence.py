"""What tells of each entry: performed steps that name it, images that arrived, decisions.

By the strength of what they have in common; what has an entry's number and is of another patient
contradicts it, and tells nothing.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from storage.index import counts
from storage.query import fold
from storage.worklist.entries import Entry
from storage.worklist.performed import ScheduledItem
from storage.worklist.progress import Arrivals, By, Decision, Evidence, Performed, State

_SECOND = 1000  # of the milliseconds in tables
_OF_ENTRIES = "SELECT {} FROM entry WHERE day >= ? AND fault = '' AND replaced = ''"


@dataclass(frozen=True)
class Held:
    """An entry that counts, its row and file, and what tells of it.

    `conflicts`: images with its numbers, of another patient.
    """

    row_id: int
    file: str
    entry: Entry
    evidence: Evidence
    conflicts: tuple[Arrivals, ...] = ()


def gathered(
    db: sqlite3.Connection, since: str, entries: Iterable[tuple[int, str, Entry]]
) -> list[Held]:
    """The entries from a day on, with what tells of them."""
    rows = list(entries)
    numbers = _Numbers([entry for _, _, entry in rows])
    decided = _decisions(db, since)
    performed = _performed(db, since, numbers)
    arrived, conflicts = _arrivals(db, since, numbers)
    return [
        Held(
            row_id, file, entry,
            Evidence(
                entry.status, decided.get(entry.key), tuple(performed.get(number, ())),
                _together(arrived.get(number, ())),
            ),
            tuple(conflicts.get(number, ())),
        )
        for number, (row_id, file, entry) in enumerate(rows)
    ]  # fmt: skip


class _Numbers:
    """Entries by the numbers that others name them by."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.by_study: defaultdict[str, list[int]] = defaultdict(list)
        self.by_accession: defaultdict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(entries):
            self.by_study[entry.study_uid].append(number)
            if entry.accession:
                self.by_accession[entry.accession].append(number)

    def of_step(self, item: ScheduledItem) -> list[int]:
        """The entries that a performed step names by one of its items."""
        of_study = self.by_study.get(item.study_uid, [])
        if found := self._of_id(of_study, item.step_id):
            return found
        if found := self._of_id(self.by_accession.get(item.accession, []), item.step_id):
            return found
        return of_study if len(of_study) == 1 else []

    def _of_id(self, numbers: list[int], step_id: str) -> list[int]:
        return [one for one in numbers if step_id and self.entries[one].step_id == step_id]

    def of_images(self, came: counts.StudyArrivals) -> tuple[list[int], list[int]]:
        """The entries that images tell of; and those whose numbers they have, of others."""
        of_study = self.by_study.get(came.study, [])
        if of_study:
            contradicted = [one for one in of_study if not _is_of(self.entries[one], came)]
            if len(of_study) > 1:  # of several modalities each has its own
                same = [one for one in of_study if self.entries[one].modality == came.modality]
                of_study = same or (of_study if _has_one_modality(self, of_study) else [])
            return of_study, contradicted
        of_number = self.by_accession.get(came.accession, []) if came.accession else []
        same = [one for one in of_number if _is_of(self.entries[one], came)]
        if not came.patient_id and len({self.entries[one].study_uid for one in of_number}) > 1:
            same = []  # by its number alone, which is not one entry's
        if len(same) > 1:
            same = [one for one in same if self.entries[one].modality == came.modality] or same
        return same, [one for one in of_number if not _is_of(self.entries[one], came)]


def _has_one_modality(numbers: _Numbers, found: list[int]) -> bool:
    return len({numbers.entries[one].modality for one in found}) == 1


def _is_of(entry: Entry, came: counts.StudyArrivals) -> bool:
    """Whether images are of an entry's patient, as far as they say whose they are."""
    if came.patient_id and came.patient_id != entry.patient_id:
        return False
    return _may_be_one(entry.patient_name, came.patient_name)


def _may_be_one(name: str, other: str) -> bool:
    """Whether two names may be one person's: without case and accents, in any of their groups."""
    one, two = (set(filter(None, fold("PN", text).split("="))) for text in (name, other))
    return not (one and two) or bool(one & two)


def _together(found: Iterable[counts.StudyArrivals]) -> Arrivals | None:
    held = list(found)
    if not held:
        return None
    return Arrivals(
        held[0].study, held[0].patient_id, held[0].patient_name,
        min(one.first for one in held) / _SECOND, max(one.last for one in held) / _SECOND,
        sum(one.instances for one in held),
    )  # fmt: skip


def _decisions(db: sqlite3.Connection, since: str) -> dict[tuple[str, str], Decision]:
    rows = db.execute(
        "SELECT of, step, state, by, at FROM decision WHERE of IN "
        f"({_OF_ENTRIES.format('of')})", (since,),
    )  # fmt: skip
    return {
        (of, step): Decision(State(state), By(by), at / _SECOND)
        for of, step, state, by, at in rows
        if state in State.__members__ and by in set(By)
    }


def _performed(db: sqlite3.Connection, since: str, numbers: _Numbers) -> dict[int, list[Performed]]:
    rows = db.execute(
        "SELECT scheduled.study, accession, scheduled.step, step.uid, status, changed "
        "FROM scheduled JOIN step USING (uid) WHERE "
        f"scheduled.study IN ({_OF_ENTRIES.format('study')}) OR (accession <> '' AND "
        f"accession IN ({_OF_ENTRIES.format('accession')})) ORDER BY created",
        (since, since),
    )
    found: defaultdict[int, list[Performed]] = defaultdict(list)
    for study, accession, step_id, uid, status, changed in rows:
        one = Performed(uid, status, changed / _SECOND)
        for number in numbers.of_step(ScheduledItem(study, accession, step_id)):
            if one not in found[number]:
                found[number].append(one)
    return found


_ByEntry = dict[int, list[counts.StudyArrivals]]


def _arrivals(
    db: sqlite3.Connection, since: str, numbers: _Numbers
) -> tuple[_ByEntry, dict[int, list[Arrivals]]]:
    told: defaultdict[int, list[counts.StudyArrivals]] = defaultdict(list)
    against: defaultdict[int, list[Arrivals]] = defaultdict(list)
    for came in _rows_of_arrivals(db, since):
        of, others = numbers.of_images(came)
        for number in of:
            told[number].append(came)
        for number in others:
            held = _together([came])
            if held:
                against[number].append(held)
    return told, against


def _rows_of_arrivals(db: sqlite3.Connection, since: str) -> Iterator[counts.StudyArrivals]:
    rows = db.execute(
        "SELECT study, modality, accession, patient, name, first, last, instances FROM arrival "
        f"WHERE study IN ({_OF_ENTRIES.format('study')}) OR (accession <> '' AND "
        f"accession IN ({_OF_ENTRIES.format('accession')})) ORDER BY first",
        (since, since),
    )
    return (counts.StudyArrivals(*row) for row in rows)
