"""Corrections planned, made and undone: what entities are shown with, before and behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scp.node.acts.actor import Actor
from storage import Archive, Level, Location
from storage.diagnostics import FolderError
from storage.dicom.values import BY_KEYWORD, stored_at
from storage.index import OF_PERSON, patients
from storage.journal.corrections import PATIENT_ID, Correction, Corrections, in_force
from storage.maintenance.changes import (
    Named,
    Selection,
    UncorrectableError,
    at_level,
    checked,
    correction,
    in_words,
    selected,
)

# Keyword -> the different values that instances are shown with.
Shown = Mapping[str, list[str]]

_PERSON = frozenset(one.keyword for one in stored_at(Level.PATIENT))


@dataclass(frozen=True)
class CorrectionPlan:
    """Other values for entities; `before` is what is shown of each, `held` its instances.

    `others` are the studies, by Patient ID, that stay as they are, though of the same patient.
    """

    held: Mapping[Selection, Sequence[Location]]
    before: Mapping[Selection, Shown]
    values: Mapping[str, str]
    last_number: int  # of the corrections that it was planned on
    is_merge: bool = False
    others: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, archive: Archive, named: Sequence[Named], values: Mapping[str, str], charset: str
    ) -> "CorrectionPlan":
        """What is selected is to have other values. Raises ArchiveError, UncorrectableError."""
        last_number = in_force(archive.tree.data).last_number
        selections = _entities(archive, named, values, charset)
        for one in selections:
            checked(one.level, values)
        held = _held(archive, selections)
        _check_patients(archive, selections, values)
        before: dict[Selection, Shown] = {}
        others: dict[str, int] = {}
        for one, instances in held.items():
            if one.level is Level.STUDY and PATIENT_ID not in values and _PERSON & values.keys():
                others |= _others(archive, one, instances)
            before[one] = correction.shown(archive, (one.level, one.uid), instances, values)
            if before[one] == {keyword: [text] for keyword, text in values.items()}:
                raise UncorrectableError(f"{one}: has just these values")
        return cls(held, before, values, last_number, others=others)

    @classmethod
    def of_merge(cls, archive: Archive, patient_id: str, into: str) -> "CorrectionPlan":
        """All of a patient is to be of another one. Raises ArchiveError, UncorrectableError."""
        if patient_id == into:
            raise UncorrectableError(f"{into}: takes two patients, not the same one twice")
        archive.require_whole()
        last_number = in_force(archive.tree.data).last_number
        merged = Selection(Level.PATIENT, patient_id)
        held = _held(archive, [merged])
        found = {one: patients(archive.index, one) for one in (patient_id, into)}
        for one, rows in found.items():
            if len(rows) != 1:
                words = "is of several issuers: correct their studies" if rows else "is not held"
                raise UncorrectableError(f"patient {one}: {words}")
        ((texts, *_),) = (found[into],)
        told = dict(zip(OF_PERSON, texts, strict=True))
        # What is not known of the one is not forgotten of the other.
        values = {name: text for name, text in told.items() if text or name == OF_PERSON[1]}
        shown = correction.shown(archive, (merged.level, merged.uid), held[merged], values)
        return cls(held, {merged: shown}, values, last_number, is_merge=True)

    @property
    def instances(self) -> int:
        """How many are corrected."""
        return sum(map(len, self.held.values()))

    def made(
        self, actor: Actor, archive: Archive, reason: str
    ) -> Iterator[tuple[Selection, Correction]]:
        """Write a correction down for each entity. Raises ArchiveError, UncorrectableError.

        Where others have made corrections meanwhile, an entity that is shown otherwise than it was
        is refused: who asked for it saw something else.
        """
        number = self.last_number
        for selection, instances in self.held.items():
            made = self._write(actor, archive, selection, instances, reason, number)
            number += made.number == number + 1
            yield selection, made

    def _write(
        self, actor: Actor, archive: Archive, selection: Selection, held: Sequence[Location],
        reason: str, number: int,
    ) -> Correction:  # fmt: skip
        entity = selection.level, selection.uid
        before = correction.shown(archive, entity, held, self.values)

        def check(known: Corrections) -> None:
            if known.last_number == number:
                return
            shown = correction.shown(archive, entity, held, self.values)
            if shown != self.before[selection]:
                raise UncorrectableError(f"{selection}: was corrected meanwhile; look again")

        made = correction.correct(
            archive.tree, entity, self.values, user=actor.signature, before=before, reason=reason,
            merge=self.is_merge, check=check,
        )  # fmt: skip
        actor.tell(
            "merge" if self.is_merge else "correct", number=made.number,
            level=selection.level.name, key=selection.uid, attributes=sorted(self.values),
            instances=len(held), reason=reason,
        )  # fmt: skip
        return made


def parsed(assignments: Sequence[str]) -> dict[str, str]:
    """Keyword -> value of texts such as PatientName=Doe^Jane. Raises UncorrectableError."""
    found: dict[str, str] = {}
    for text in assignments:
        keyword, is_one, value = text.partition("=")
        if not is_one or not keyword:
            raise UncorrectableError(
                f'takes Keyword=VALUE such as PatientName=Doe^Jane, not "{text}"'
            )
        if keyword in found:
            raise UncorrectableError(f"{keyword}: is given twice")
        found[keyword] = value.strip(" ")
    return found


def undo(actor: Actor, archive: Archive, one: Correction) -> None:
    """Take a correction back. Raises ArchiveError, UncorrectableError."""
    level, key = one.entity
    correction.undo(archive.tree, one.number, actor.signature)
    actor.tell("undo", number=one.number, level=level.name, key=key)


def _held(archive: Archive, selections: Sequence[Selection]) -> dict[Selection, Sequence[Location]]:
    """The instances of each. Raises FolderError where one has none."""
    held = {one: selected(archive, one) for one in selections}
    if absent := [one for one, instances in held.items() if not instances]:
        raise FolderError(f"{in_words(absent)}: nothing is held")
    return held


def _entities(
    archive: Archive, named: Sequence[Named], values: Mapping[str, str], charset: str
) -> list[Selection]:
    """What is named; of what is described, the studies, or what of them the values are of.

    Raises FolderError where nothing is held that a description fits.
    """
    levels = [BY_KEYWORD[keyword].level for keyword in values if keyword in BY_KEYWORD]
    level = max([Level.STUDY, *levels])
    found: dict[Selection, None] = {}
    for one in named:
        if isinstance(one, Selection):
            found[one] = None
            continue
        held = selected(archive, one, charset)
        if not held:
            raise FolderError(f"{one}: nothing is held")
        found |= dict.fromkeys(at_level(held, level))
    return list(found)


def _check_patients(
    archive: Archive, selections: Sequence[Selection], values: Mapping[str, str]
) -> None:
    """See that patients get an ID that is nobody's. Raises UncorrectableError."""
    new_id = values.get(PATIENT_ID)
    chosen = [one.uid for one in selections if one.level is Level.PATIENT]
    if not new_id or not chosen:
        return
    if patients(archive.index, new_id):
        hint = f"minipacs merge-patient {chosen[0]} {new_id}"
        raise UncorrectableError(f"{PATIENT_ID}: {new_id} is held: `{hint}`")
    if len(chosen) > 1:
        raise UncorrectableError(f"{PATIENT_ID}: takes one --patient: one ID is of one patient")


def _others(archive: Archive, selection: Selection, held: Sequence[Location]) -> dict[str, int]:
    """By Patient ID, how many studies the patients of a study have beside it."""
    shown = correction.shown(archive, (selection.level, selection.uid), held, [PATIENT_ID])
    found = {}
    for patient_id in filter(None, shown[PATIENT_ID]):
        of_patient = selected(archive, Selection(Level.PATIENT, patient_id))
        if others := {one.uids[0] for one in of_patient} - {selection.uid}:
            found[patient_id] = len(others)
    return found
