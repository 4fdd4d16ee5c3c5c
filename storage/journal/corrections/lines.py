"""Corrections as the journal's lines tell them, and what they make of an instance.

A merge of patients is a correction of all that has the one Patient ID to the identity of the
other. Each applies to what those before it have made, also to what arrives later.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from storage.dicom import Header
from storage.dicom.values import Level, Uids

PATIENT_ID = "PatientID"
# Of numbers: all are of 64 bits in a table.
_MOST = 1 << 62

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


@dataclass(frozen=True)
class Undoing:
    """Which correction is taken back, and the words of when and by whom."""

    number: int
    words: str


def number_of(line: Mapping[str, Any]) -> int:
    """The number that a line took; 0 where it has none."""
    try:
        number = int(line["number"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0
    return number if 0 < number < _MOST else 0


def told_by(line: Mapping[str, Any]) -> Correction | Undoing | None:
    """What a line tells; None where it is damaged, or of a later version."""
    number = number_of(line)
    if not number:
        return None
    try:
        if "undoes" in line:
            undone = number_of({"number": line["undoes"]})
            return Undoing(undone, f"{line['at']} {line['user']}") if undone else None
        values = {str(name): str(text) for name, text in line["values"].items()}
        return Correction(
            number, str(line["at"]), str(line["user"]), (Level[line["level"]], str(line["key"])),
            values, line.get("before", {}), str(line.get("reason", "")), bool(line.get("merge")),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class Corrections(ABC):
    """What is asked of them; those that are undone apply no more."""

    @abstractmethod
    def __bool__(self) -> bool:
        """Whether any is in force."""

    @property
    @abstractmethod
    def of_patients(self) -> bool:
        """Whether a Patient ID decides on some that are in force."""

    @property
    @abstractmethod
    def last_number(self) -> int:
        """The highest that was given to a correction, or an undoing; 0 before the first."""

    @property
    @abstractmethod
    def all(self) -> Mapping[int, Correction]:
        """Also those that are undone, by number."""

    @abstractmethod
    def by_number(self, number: int) -> Correction | None:
        """One of them, also where it is undone."""

    @abstractmethod
    def of(self, entities: Iterable[Entity]) -> list[Correction]:
        """Those of some entities that are in force."""

    @abstractmethod
    def patient_ids(self, patient_id: str) -> set[str]:
        """The ID, and what any correction that may apply to its instances has made of it."""

    def applying(self, uids: Uids, patient_id: str) -> list[Correction]:
        """Those of an instance whose data set has that Patient ID, in their order."""
        found: list[Correction] = []
        if not self:
            return found
        entities: list[Entity] = list(zip(list(Level)[1:], uids, strict=True))
        held: list[Correction] = []
        asked = {""}  # an empty ID is no patient's
        at = 0
        while True:
            if self.of_patients and patient_id not in asked:
                asked.add(patient_id)
                entities.append((Level.PATIENT, patient_id))
            if entities:
                held += self.of(entities)
                entities = []
            following = [one for one in held if one.number > at and _is_of(one, patient_id)]
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
        by_level = {one.entity[0] for one in self.applying(header.uids, "")}
        is_below_patient = not by_level.isdisjoint((Level.STUDY, Level.SERIES))
        return Header(values, is_below_patient, header.values, header.added)


def _is_of(one: Correction, patient_id: str) -> bool:
    """Whether it is of that patient, where it is one of patients."""
    level, key = one.entity
    return level is not Level.PATIENT or key == patient_id


class Listed(Corrections):
    """All that some lines tell, in memory."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._all: dict[int, Correction] = {}
        self._last_number = 0
        for line in lines:
            self._add(line)
        self._by_entity: dict[Entity, list[Correction]] = {}
        for one in self._all.values():
            if not one.undone:
                self._by_entity.setdefault(one.entity, []).append(one)

    def __bool__(self) -> bool:
        return bool(self._by_entity)

    @property
    def of_patients(self) -> bool:
        """Whether a Patient ID decides on some that are in force."""
        return any(level is Level.PATIENT for level, _ in self._by_entity)

    @property
    def last_number(self) -> int:
        """The highest that was given."""
        return self._last_number

    @property
    def all(self) -> Mapping[int, Correction]:
        """Also those that are undone, by number."""
        return self._all

    def by_number(self, number: int) -> Correction | None:
        """One of them, also where it is undone."""
        return self._all.get(number)

    def of(self, entities: Iterable[Entity]) -> list[Correction]:
        """Those of some entities that are in force."""
        return [one for entity in entities for one in self._by_entity.get(entity, ())]

    def patient_ids(self, patient_id: str) -> set[str]:
        """The ID, and what corrections may have made of it."""
        found, size = {patient_id}, 0
        while size != len(found):
            size = len(found)
            for one in self._all.values():
                level, key = one.entity
                if level is not Level.PATIENT or key in found:
                    found |= {one.values[PATIENT_ID]} if PATIENT_ID in one.values else set()
        return found

    def _add(self, line: Mapping[str, Any]) -> None:
        self._last_number = max(self._last_number, number_of(line))
        told = told_by(line)
        if isinstance(told, Correction):
            self._all[told.number] = told
        elif told and told.number in self._all:
            self._all[told.number] = replace(self._all[told.number], undone=told.words)
