"""`minipacs correct`, `merge-patient`, `undo` and `history`: beside the stored bytes."""

from collections.abc import Callable, Mapping, Sequence

from scp.cli.options import selection as selecting
from scp.cli.output import say, say_json
from scp.config import Settings
from scp.node import opened
from scp.runtime import tell, user
from storage import Archive, Level, Location
from storage.diagnostics import ArchiveError, FolderError
from storage.dicom.values import stored_at
from storage.index import search
from storage.journal.corrections import PATIENT_ID, Correction, Entity, in_force
from storage.maintenance.changes import Selection, UncorrectableError, checked, correction, deletion

_PERSON = frozenset(one.keyword for one in stored_at(Level.PATIENT))
# What makes out who a patient is (PS3.3 C.7.1.1), and goes with a merge.

Ask = Callable[[str], bool]


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


def correct(
    settings: Settings,
    selections: Sequence[Selection],
    values: Mapping[str, str],
    reason: str,
    ask: Ask,
) -> None:
    """Give what is selected other values. Raises ArchiveError, UncorrectableError."""
    for one in selections:
        checked(one.level, values)
    with opened(settings) as archive:
        held = _held(archive, selections)
        _check_patients(archive, selections, values)
        for one, instances in held.items():
            if one.level is Level.STUDY and PATIENT_ID not in values and _PERSON & values.keys():
                _tell_of_others(archive, one, instances)
            before = correction.shown(archive.tree, instances, values)
            if before == {keyword: [text] for keyword, text in values.items()}:
                raise UncorrectableError(f"{one}: has just these values")
        _make(settings, archive, held, values, reason, ask)


def _check_patients(
    archive: Archive, selections: Sequence[Selection], values: Mapping[str, str]
) -> None:
    """See that patients get an ID that is nobody's. Raises UncorrectableError."""
    new_id = values.get(PATIENT_ID)
    patients = [one.uid for one in selections if one.level is Level.PATIENT]
    if not new_id or not patients:
        return
    if search.patients(archive.index, new_id):
        hint = f"minipacs merge-patient {patients[0]} {new_id}"
        raise UncorrectableError(f"{PATIENT_ID}: {new_id} is held: `{hint}`")
    if len(patients) > 1:
        raise UncorrectableError(f"{PATIENT_ID}: takes one --patient: one ID is of one patient")


def merge(settings: Settings, patient_id: str, into: str, reason: str, ask: Ask) -> None:
    """Have all of a patient be of another one. Raises ArchiveError, UncorrectableError."""
    if patient_id == into:
        raise UncorrectableError(f"{into}: takes two patients, not the same one twice")
    with opened(settings) as archive:
        archive.require_whole()
        held = _held(archive, [Selection(Level.PATIENT, patient_id)])
        found = {one: search.patients(archive.index, one) for one in (patient_id, into)}
        for one, rows in found.items():
            if len(rows) != 1:
                words = "is of several issuers: correct their studies" if rows else "is not held"
                raise UncorrectableError(f"patient {one}: {words}")
        ((texts, *_),) = (found[into],)
        told = dict(zip(search.OF_PERSON, texts, strict=True))
        # What is not known of the one is not forgotten of the other.
        values = {name: text for name, text in told.items() if text or name == search.OF_PERSON[1]}
        _make(settings, archive, held, values, reason, ask, is_merge=True)


def undo(settings: Settings, number: int, ask: Ask) -> None:
    """Take a correction back. Raises ArchiveError, UncorrectableError."""
    with opened(settings) as archive:
        archive.require_whole()
        found = in_force(archive.tree.data).by_number(number)
        if found is None:
            raise UncorrectableError(f"{number}: no correction has this number; `minipacs history`")
        if found.undone:
            raise UncorrectableError(f"{number}: is undone already: {found.undone}")
        say(*_words(found))
        if not ask("Undo?"):
            say("nothing undone")
            return
        correction.undo(archive.tree, number, user())
        tell(settings, "undo", number=number, level=found.entity[0].name, key=found.entity[1])
        say(f"undone {number}")


def history(settings: Settings, selections: Sequence[Selection], as_json: bool) -> bool:
    """Tell what was corrected: of what is selected, or of all. Raises ArchiveError.

    Whether all that is selected is held, or was corrected once.
    """
    with opened(settings) as archive:
        found = list(in_force(archive.tree.data).all.values())
        absent = []
        if selections:
            entities = {one: _entities(archive, one) for one in selections}
            known = {one.entity for one in found}
            absent = [one for one in selecting.held(archive, selections)[1]
                      if (one.level, one.uid) not in known]  # fmt: skip
            wanted = set[Entity]().union(*entities.values())
            found = [one for one in found if one.entity in wanted]
    for selection in absent:
        say(f"{selection}: nothing is held", err=True)
    if as_json:
        say_json([_plain(one) for one in found])
        return not absent
    for one in found:
        say(*_words(one))
    say(f"corrections={len(found)}")
    return not absent


def _make(
    settings: Settings,
    archive: Archive,
    held: Mapping[Selection, list[Location]],
    values: Mapping[str, str],
    reason: str,
    ask: Ask,
    is_merge: bool = False,
) -> None:
    """Ask, and write a correction down for each entity."""
    for selection, instances in held.items():
        before = correction.shown(archive.tree, instances, values)
        if len(held) > 1:
            say(f"{selection}:")
        for keyword, text in values.items():
            say(_change(before[keyword], keyword, text))
    named = ", ".join(f"{one}: instances={len(instances)}" for one, instances in held.items())
    if not ask(f"{named}. Correct?"):
        say("nothing corrected")
        return
    left = list(held)
    try:
        for selection, instances in held.items():
            _write(settings, archive, selection, instances, values, reason, is_merge)
            left.remove(selection)
    except (ArchiveError, KeyboardInterrupt):
        if len(held) > 1:
            say(f"not corrected: {selecting.words(left)}", err=True)
        raise


def _write(
    settings: Settings,
    archive: Archive,
    selection: Selection,
    held: list[Location],
    values: Mapping[str, str],
    reason: str,
    is_merge: bool,
) -> None:
    """Write a correction down, and say so."""
    made = correction.correct(
        archive.tree, (selection.level, selection.uid), values, user=user(),
        before=correction.shown(archive.tree, held, values), reason=reason, merge=is_merge,
    )  # fmt: skip
    tell(
        settings, "merge" if is_merge else "correct", number=made.number,
        level=selection.level.name, key=selection.uid, attributes=sorted(values),
        instances=len(held), reason=reason,
    )  # fmt: skip
    say(f"corrected {made.number}: instances={len(held)}; `minipacs undo {made.number}` undoes it")


def _tell_of_others(archive: Archive, selection: Selection, held: list[Location]) -> None:
    """Say where a patient has other studies: a correction of one study shows in that one alone."""
    for patient_id in correction.shown(archive.tree, held, [PATIENT_ID])[PATIENT_ID]:
        of_patient = deletion.selected(archive, Selection(Level.PATIENT, patient_id))
        others = {one.uids[0] for one in of_patient} - {selection.uid}
        if patient_id and others:
            say(
                f"patient {patient_id} has studies={len(others)} beside this one, which stay as "
                f"they are: `minipacs correct --patient {patient_id}` corrects all"
            )


def _held(archive: Archive, selections: Sequence[Selection]) -> dict[Selection, list[Location]]:
    """The instances of each. Raises FolderError where one has none."""
    held = {one: deletion.selected(archive, one) for one in selections}
    absent = [one for one, instances in held.items() if not instances]
    if absent:
        raise FolderError(f"{selecting.words(absent)}: nothing is held")
    return held


def _entities(archive: Archive, selection: Selection) -> set[Entity]:
    """What is selected, what it is of, and what is below it."""
    found: set[Entity] = {(selection.level, selection.uid)}
    corrections, patients = in_force(archive.tree.data), set[str]()
    if selection.level is Level.PATIENT:
        patients.add(selection.uid)
    held = deletion.selected(archive, selection)
    for one in held:
        found |= set(zip(list(Level)[1:], one.uids, strict=True))
    if any(one.entity[0] is Level.PATIENT for one in corrections.all.values()):
        patients |= correction.patient_ids(archive.tree, held)
    for patient in patients:
        found |= {(Level.PATIENT, other) for other in corrections.patient_ids(patient)}
    return found


def _words(one: Correction) -> list[str]:
    level, key = one.entity
    what = f"{one.number}  {one.at}  {one.user}  {Selection(level, key)}"
    what += " merged" if one.merge else ""
    what += f"  ({one.reason})" if one.reason else ""
    what += f"  undone {one.undone}" if one.undone else ""
    changes = (_change(one.before.get(name, []), name, text) for name, text in one.values.items())
    return [what, *(f"    {change}" for change in changes)]


def _change(before: Sequence[str], keyword: str, text: str) -> str:
    return f"{keyword}: {', '.join(map(repr, before)) or '-'} -> {text!r}"


def _plain(one: Correction) -> dict[str, object]:
    return {
        "number": one.number, "at": one.at, "user": one.user, "level": one.entity[0].name,
        "key": one.entity[1], "before": one.before, "values": one.values, "reason": one.reason,
        "merge": one.merge, "undone": one.undone,
    }  # fmt: skip
