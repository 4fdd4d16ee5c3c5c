"""A correction made, or undone: written down first, then brought into the index.

How much of the corrections the index surely holds is written beside them, so that who comes after
a kill in between knows what is left to do.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_keyword
from pydicom.tag import BaseTag, Tag

from storage.archive import Archive
from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom import Header, header, part10
from storage.dicom.data_sets import STORED, Element, Elements, ReadBudget, read, read_data_set
from storage.dicom.values import BY_KEYWORD, Level, stored_at
from storage.files import LOCK_SECONDS, Files, files_of, lock, refusal
from storage.index import (
    Index,
    Location,
    applied,
    corrected_rows,
    facts_in,
    index_of,
    pages,
    record,
)
from storage.journal import CORRECTIONS, journal_of
from storage.journal.corrections import (
    Correction,
    Corrections,
    Entity,
    entities_since,
    in_force,
)
from storage.maintenance.changes.correctable import UncorrectableError
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

_PATIENT_ID = Tag("PatientID")
_NOTHING = Element("LO")
_OF_INSTANCES = frozenset(a.keyword for a in stored_at(Level.IMAGE) if a.level is Level.IMAGE)
# Different values of an attribute that are told.
_MANY = 10


def correct(
    tree: Files,
    entity: Entity,
    values: Mapping[str, str],
    *,
    user: str,
    before: Mapping[str, list[str]],
    reason: str = "",
    merge: bool = False,
    check: Callable[[Corrections], None] = lambda known: None,
) -> Correction:
    """Have an entity be shown with other values; `before` is for who asks later what there was.

    `check` is called with the corrections that there are while nobody can make another one; what it
    raises ends it. Raises ResourceError: where it is written down already, it is brought into the
    index later.
    """
    level, key = entity
    told = {
        "level": level.name, "key": key, "values": dict(values), "before": dict(before),
        "user": user, "reason": reason, "merge": merge,
    }  # fmt: skip
    number = _write(tree, told, check)
    made = in_force(tree.data).by_number(number)
    assert made is not None  # its line is there
    return made


def shown(
    archive: Archive, entity: Entity, instances: Iterable[Location], keywords: Iterable[str]
) -> dict[str, list[str]]:
    """The different values that an entity's instances are shown with, keyword -> texts; some.

    Of what the index holds it tells; files are read for the rest, each once. Raises ResourceError,
    DataSetError.
    """
    held = {one: BY_KEYWORD[one].column for one in keywords if _is_held(one)}
    found = {keyword: corrected_rows.texts_of(archive.index, *entity, column, _MANY)
             for keyword, column in held.items()}  # fmt: skip
    others = [keyword for keyword in keywords if keyword not in held]
    return found | (_shown_of_files(archive.tree, instances, others) if others else {})


def _is_held(keyword: str) -> bool:
    """Whether a column of the index has what the attribute says."""
    attribute = BY_KEYWORD.get(keyword)
    return bool(attribute and attribute.stored and not attribute.sequence)


def _shown_of_files(
    tree: Files, instances: Iterable[Location], keywords: Iterable[str]
) -> dict[str, list[str]]:
    corrections, wanted = in_force(tree.data), [Tag(keyword) for keyword in keywords]
    found: dict[str, dict[str, None]] = {dictionary_keyword(tag): {} for tag in wanted}
    for one in instances:
        elements = _elements(tree, one, [*wanted, _PATIENT_ID])
        patient_id = elements.get(_PATIENT_ID, _NOTHING).text
        changed = corrections.changes(one.uids, patient_id)
        for tag in wanted:
            keyword = dictionary_keyword(tag)
            text = changed.get(keyword, elements.get(tag, _NOTHING).text)
            if len(found[keyword]) < _MANY:
                found[keyword][text] = None
    return {keyword: list(texts) for keyword, texts in found.items()}


def undo(tree: Files, number: int, user: str) -> None:
    """Take a correction back. Raises ResourceError, UncorrectableError where there is none."""
    _write(tree, {"undoes": number, "user": user}, lambda known: _require(known, number))


def to_undo(data: Path, number: int) -> Correction:
    """The correction of that number. Raises UncorrectableError where it cannot be undone."""
    return _require(in_force(data), number)


def _require(known: Corrections, number: int) -> Correction:
    found = known.by_number(number)
    if found is None:
        raise UncorrectableError(f"{number}: no correction has this number; `minipacs history`")
    if found.undone:
        raise UncorrectableError(f"{number}: is undone already: {found.undone}")
    return found


def catch_up_corrections(data: Path) -> None:
    """Bring into the index what it lacks of the corrections. Raises ResourceError."""
    with alone(data):
        _apply(files_of(data, sync=True), applied(data, CORRECTIONS))


def is_behind(data: Path) -> bool:
    """Whether the index may lack corrections."""
    size = journal_of(data, sync=False).size(CORRECTIONS)
    return size > 0 and size != applied(data, CORRECTIONS)


@contextmanager
def swapping(tree: Files, start: int) -> Iterator[None]:
    """While an index is put in place that holds the corrections up to byte `start`, for sure.

    What came after that is brought into it. Raises OSError, ResourceError.
    """
    if not journal_of(tree.data, sync=False).size(CORRECTIONS):
        yield
        return
    with alone(tree.data):
        yield
        _apply(tree, start)


def _write(tree: Files, told: dict[str, Any], check: Callable[[Corrections], object]) -> int:
    with alone(tree.data):
        _apply(tree, applied(tree.data, CORRECTIONS))  # what a kill left: the number goes by all
        journal = journal_of(tree.data, sync=True)
        # Who stores has his row made by now, or sees the line.
        with closing(journal), tree.all_locked():
            known = in_force(tree.data)
            check(known)
            number = known.last_number + 1
            journal.append(CORRECTIONS, number=number, **told)
        _apply(tree, applied(tree.data, CORRECTIONS))
    return number


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """One correction at a time. Raises ResourceError."""
    if shared_place(data):
        with _alone_of_all(data):
            yield
        return
    path = data / "correct.lock"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            lock(descriptor, 0, time.monotonic() + LOCK_SECONDS)
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        raise ResourceError(f"{path.parent}: {refusal(error, path)}") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _alone_of_all(data: Path) -> AbstractContextManager[None]:
    """The same of all nodes that have the archive."""
    from storage.sharing.opened import shared_of

    return shared_of(data).engine.alone("corrections")


def _apply(tree: Files, start: int) -> None:
    """Enter anew what the corrections from byte `start` on are of. Raises ResourceError."""
    journal = journal_of(tree.data, sync=False)
    end = journal.size(CORRECTIONS)
    if start == end:
        return
    entities = dict.fromkeys(entities_since(tree.data, start if start < end else 0))
    index = index_of(tree.data)
    try:
        with index.engine.connected():
            changed = sum(_enter(tree, index, entity) for entity in entities)
            # With this commit all of them are on the disk, also after a power cut.
            index.engine.sync_commits()
            index.engine.mark(journal, CORRECTIONS, end)
    except OSError as error:
        raise ResourceError(f"{error.filename}: {error.strerror}") from error
    logger.info(Event("corrected", instances=changed))


def _enter(tree: Files, index: Index, entity: Entity) -> int:
    """Bring the rows of all instances up that an entity's corrections may be of; how many changed.

    In steps: between two of them whoever stores has his turn, and more of it than this.
    """
    level, key = entity
    corrections = in_force(tree.data)
    keys = sorted(corrections.patient_ids(key)) if level is Level.PATIENT else [key]
    changed = 0
    if level is not Level.IMAGE:
        studies = corrected_rows.studies_of(index, level, keys)
        changed = sum(_resting(
            corrected_rows.Recorrection(index, studies, corrections.corrected).steps()
        ))  # fmt: skip
    if level is Level.IMAGE or _is_of_instances(corrections, entity):
        numbers = corrected_rows.instances_of(index, level, keys)
        changed = max(sum(_resting(_enter_one(tree, index, one) for one in numbers)), changed)
    return changed


def _resting(steps: Iterable[int]) -> Iterator[int]:
    """With a rest behind each step that is as long as it was."""
    start = time.monotonic()
    for changed in steps:
        yield changed
        time.sleep(time.monotonic() - start)
        start = time.monotonic()


def _is_of_instances(corrections: Corrections, entity: Entity) -> bool:
    """Whether columns of the instances themselves may be among what was corrected.

    By corrections of the entity, or of the patient that others have made it one of.
    """
    return any(
        not _OF_INSTANCES.isdisjoint(one.values)
        for one in corrections.all.values()
        if one.entity == entity or one.entity[0] is Level.PATIENT
    )


def _enter_one(tree: Files, index: Index, number: int) -> int:
    """Make the row of an instance anew from its file, unless it goes meanwhile; 1 where it is."""
    with index.engine.reading():
        one = pages.newest(index, Level.IMAGE, [number]).get(number)
    if one is None:
        return 0
    with tree.locked(one.uids):
        of_file = _header(tree, one)
        facts = facts_in(index, one.uids)
        if of_file is None or facts is None or facts.digest != one.digest:
            return 0  # it came or went since
        record(index, in_force(tree.data).corrected(of_file), facts)
    return 1


def _elements(files: Files, one: Location, tags: list[BaseTag]) -> Elements:
    try:
        with files.open(one.uids, one.key) as file:
            syntax = part10.read(file).transfer_syntax_uid
            held = read_data_set(file, syntax, list(tags), max(tags))
            return read(held, tags, one.charset, budget=ReadBudget(STORED))
    except OSError as error:
        raise ResourceError(f"{files.name(one.uids, one.key)}: {error.strerror}") from error


def _header(files: Files, one: Location) -> Header | None:
    try:
        with files.open(one.uids, one.key) as file:
            return header(file, part10.read(file).transfer_syntax_uid, one.charset)
    except (OSError, ArchiveError) as error:
        logger.error(Event("not corrected", error, file=files.name(one.uids, one.key)))
        return None
