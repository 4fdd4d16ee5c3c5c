"""What people have corrected: beside the stored bytes, in the journal, from where it can be undone.

A merge of patients is a correction of all that has the one Patient ID to the identity of the
other. Each applies to what those before it have made, also to what arrives later.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.attributes import Level
from storage.extract import Header
from storage.journal import CORRECTIONS, Journal
from storage.places import Uids

PATIENT_ID = "PatientID"

Entity = tuple[Level, str]  # a patient by its ID, or by the UID of the level


@dataclass(frozen=True)
class Correction:
    """New values of an entity's attributes, keyword -> text, and who gave them, when and why.

    `before`: what was shown until then, of its instances; `undone`: when and by whom.
    """

    number: int
    at: str
    user: str
    entity: Entity
    values: Mapping[str, str]
    before: Mapping[str, list[str]] = field(default_factory=dict)
    reason: str = ""
    merge: bool = False
    undone: str = ""


class Corrections:
    """All that the journal tells; those that are undone apply no more."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self.all: dict[int, Correction] = {}
        for line in lines:
            self._add(line)
        self._by_entity: dict[Entity, list[Correction]] = {}
        for one in self.all.values():
            if not one.undone:
                self._by_entity.setdefault(one.entity, []).append(one)

    def __bool__(self) -> bool:
        return bool(self._by_entity)

    @property
    def of_patients(self) -> bool:
        """Whether a Patient ID decides on some."""
        return any(level is Level.PATIENT for level, _ in self._by_entity)

    def applying(self, uids: Uids, patient_id: str) -> list[Correction]:
        """Those of an instance whose data set has that Patient ID, in their order."""
        found: list[Correction] = []
        if not self._by_entity:
            return found
        below = [(level, uid) for level, uid in zip(list(Level)[1:], uids, strict=True)]
        at = 0
        while True:
            entities = [*below, (Level.PATIENT, patient_id)] if patient_id else below
            held = (one for entity in entities for one in self._by_entity.get(entity, ()))
            following = [one for one in held if one.number > at]
            if not following:
                return found
            found.append(min(following, key=lambda one: one.number))
            at, patient_id = found[-1].number, found[-1].values.get(PATIENT_ID, patient_id)

    def changes(self, uids: Uids, patient_id: str) -> dict[str, str]:
        """The corrected attributes of an instance, keyword -> text."""
        changed: dict[str, str] = {}
        for one in self.applying(uids, patient_id):
            changed |= one.values
        return changed

    def corrected(self, header: Header) -> Header:
        """What the index is to hold of an instance."""
        changed = self.changes(header.uids, header[PATIENT_ID]) if self else {}
        if not changed:
            return header
        values = {name: changed.get(name, text) for name, text in header.values.items()}
        return Header(values, corrected=bool(self.applying(header.uids, "")))

    def patient_ids(self, patient_id: str) -> set[str]:
        """The ID, and what any correction that may apply to its instances has made of it."""
        found, size = {patient_id}, 0
        while size != len(found):
            size = len(found)
            for one in self.all.values():
                level, key = one.entity
                if level is not Level.PATIENT or key in found:
                    found |= {one.values[PATIENT_ID]} if PATIENT_ID in one.values else set()
        return found

    def _add(self, line: Mapping[str, Any]) -> None:
        try:
            number = int(line["number"])
            if "undoes" in line:
                undone = self.all[int(line["undoes"])]
                told = f"{line['at']} {line['user']}"
                self.all[undone.number] = _with(undone, undone=told)
                return
            values = {str(name): str(text) for name, text in line["values"].items()}
            self.all[number] = Correction(
                number, str(line["at"]), str(line["user"]),
                (Level[line["level"]], str(line["key"])), values, line.get("before", {}),
                str(line.get("reason", "")), bool(line.get("merge")),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            return  # a line that is damaged, or of a later version


def _with(one: Correction, undone: str) -> Correction:
    return Correction(
        one.number, one.at, one.user, one.entity, one.values, one.before, one.reason, one.merge,
        undone,
    )  # fmt: skip


_known: dict[Path, tuple[int, Corrections]] = {}


def in_force(data: Path) -> Corrections:
    """The corrections of a data folder as they are now; read anew only when there are more."""
    journal = Journal(data, sync=False)
    size = journal.size(CORRECTIONS)
    known = _known.get(data)
    if known is None or known[0] != size:
        known = _known[data] = size, Corrections(journal.read(CORRECTIONS, 0, size))
    return known[1]


def entities_since(journal: Journal, start: int) -> Iterator[Entity]:
    """Whose corrections, or undone ones, the journal tells from byte `start` on."""
    corrections = Corrections(journal.read(CORRECTIONS))
    for line in journal.read(CORRECTIONS, start):
        number = line.get("undoes", line.get("number"))
        if isinstance(number, int) and number in corrections.all:
            yield corrections.all[number].entity
