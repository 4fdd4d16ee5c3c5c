"""`minipacs correct`, `merge-patient`, `undo` and `history`: beside the stored bytes."""

from collections.abc import Callable, Mapping, Sequence

from scp.audit import tell
from scp.check import opened
from scp.ownership import user
from scp.printing import say, say_json
from scp.settings import Settings
from storage import Archive, Level, Location, correcting, retiring
from storage.attributes import stored_at
from storage.correctable import UncorrectableError, checked
from storage.corrections import PATIENT_ID, Correction, Entity, in_force
from storage.database import execute, reading
from storage.errors import FolderError
from storage.retiring import Selection

_PERSON = frozenset(one.keyword for one in stored_at(Level.PATIENT))
# What makes out who a patient is (PS3.3 C.7.1.1), and goes with a merge.
_IDENTITY = (PATIENT_ID, "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")

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
    settings: Settings, selection: Selection, values: Mapping[str, str], reason: str, ask: Ask
) -> None:
    """Give what is selected other values. Raises ArchiveError, UncorrectableError."""
    checked(selection.level, values)
    with opened(settings) as archive:
        held = _held(archive, selection)
        new_id = values.get(PATIENT_ID)
        if selection.level is Level.PATIENT and new_id and _patients(archive, new_id):
            hint = f"minipacs merge-patient {selection.uid} {new_id}"
            raise UncorrectableError(f"{PATIENT_ID}: {new_id} is held: `{hint}`")
        if selection.level is Level.STUDY and new_id is None and _PERSON & values.keys():
            _tell_of_others(archive, selection, held)
        before = correcting.shown(archive.tree, held, values)
        if before == {keyword: [text] for keyword, text in values.items()}:
            raise UncorrectableError(f"{selection}: has just these values")
        _make(settings, archive, (selection.level, selection.uid), values, held, reason, ask)


def merge(settings: Settings, patient_id: str, into: str, reason: str, ask: Ask) -> None:
    """Have all of a patient be of another one. Raises ArchiveError, UncorrectableError."""
    if patient_id == into:
        raise UncorrectableError(f"{into}: takes two patients, not the same one twice")
    with opened(settings) as archive:
        archive.require_whole()
        held = _held(archive, Selection(Level.PATIENT, patient_id))
        found = {one: _patients(archive, one) for one in (patient_id, into)}
        for one, rows in found.items():
            if len(rows) != 1:
                words = "is of several issuers: correct their studies" if rows else "is not held"
                raise UncorrectableError(f"patient {one}: {words}")
        ((texts, *_),) = (found[into],)
        told = dict(zip(_IDENTITY, texts, strict=True))
        # What is not known of the one is not forgotten of the other.
        values = {name: text for name, text in told.items() if text or name == _IDENTITY[1]}
        entity = Level.PATIENT, patient_id
        _make(settings, archive, entity, values, held, reason, ask, is_merge=True)


def undo(settings: Settings, number: int, ask: Ask) -> None:
    """Take a correction back. Raises ArchiveError, UncorrectableError."""
    with opened(settings) as archive:
        archive.require_whole()
        found = in_force(archive.tree.data).all.get(number)
        if found is None:
            raise UncorrectableError(f"{number}: no correction has this number; `minipacs history`")
        if found.undone:
            raise UncorrectableError(f"{number}: is undone already: {found.undone}")
        say(*_words(found))
        if not ask("Undo?"):
            say("nothing undone")
            return
        correcting.undo(archive.tree, number, user())
        tell(settings, "undo", number=number, level=found.entity[0].name, key=found.entity[1])
        say(f"undone {number}")


def history(settings: Settings, selection: Selection | None, as_json: bool) -> None:
    """Tell what was corrected: of what is selected, or of all. Raises ArchiveError."""
    with opened(settings) as archive:
        found = list(in_force(archive.tree.data).all.values())
        if selection:
            entities = _entities(archive, selection)
            found = [one for one in found if one.entity in entities]
    if as_json:
        say_json([_plain(one) for one in found])
        return
    for one in found:
        say(*_words(one))
    say(f"corrections={len(found)}")


def _make(
    settings: Settings,
    archive: Archive,
    entity: Entity,
    values: Mapping[str, str],
    held: list[Location],
    reason: str,
    ask: Ask,
    is_merge: bool = False,
) -> None:
    """Ask, and write a correction down."""
    before = correcting.shown(archive.tree, held, values)
    for keyword, text in values.items():
        say(_change(before[keyword], keyword, text))
    if not ask(f"{Selection(*entity)}: instances={len(held)}. Correct?"):
        say("nothing corrected")
        return
    made = correcting.correct(
        archive.tree, entity, values, user=user(), before=before, reason=reason,
        merge=is_merge,
    )  # fmt: skip
    tell(
        settings, "merge" if is_merge else "correct", number=made.number, level=entity[0].name,
        key=entity[1], attributes=sorted(values), instances=len(held), reason=reason,
    )  # fmt: skip
    say(f"corrected {made.number}: instances={len(held)}; `minipacs undo {made.number}` undoes it")


def _tell_of_others(archive: Archive, selection: Selection, held: list[Location]) -> None:
    """Say where a patient has other studies: a correction of one study shows in that one alone."""
    for patient_id in correcting.shown(archive.tree, held, [PATIENT_ID])[PATIENT_ID]:
        of_patient = retiring.selected(archive, Selection(Level.PATIENT, patient_id))
        others = {one.uids[0] for one in of_patient} - {selection.uid}
        if patient_id and others:
            say(
                f"patient {patient_id} has studies={len(others)} beside this one, which stay as "
                f"they are: `minipacs correct --patient {patient_id}` corrects all"
            )


def _held(archive: Archive, selection: Selection) -> list[Location]:
    held = retiring.selected(archive, selection)
    if not held:
        raise FolderError(f"{selection}: nothing is held")
    return held


def _patients(archive: Archive, patient_id: str) -> list[tuple[str, ...]]:
    """The identities that have a Patient ID."""
    statement = f"SELECT {', '.join(_IDENTITY)} FROM patient WHERE PatientID = ?"
    with reading():
        return [tuple(row) for row in execute(archive.index.database, statement, (patient_id,))]


def _entities(archive: Archive, selection: Selection) -> set[Entity]:
    """What is selected, what it is of, and what is below it."""
    found: set[Entity] = {(selection.level, selection.uid)}
    corrections, patients = in_force(archive.tree.data), set[str]()
    if selection.level is Level.PATIENT:
        patients.add(selection.uid)
    held = retiring.selected(archive, selection)
    for one in held:
        found |= set(zip(list(Level)[1:], one.uids, strict=True))
    if any(one.entity[0] is Level.PATIENT for one in corrections.all.values()):
        patients |= correcting.patient_ids(archive.tree, held)
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
