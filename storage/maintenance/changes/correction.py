"""A correction made, or undone: written down first, then brought into the index.

How much of the corrections the index surely holds is written beside them, so that who comes after
a kill in between knows what is left to do.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_keyword
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom import Header, header, part10
from storage.dicom.data_sets import STORED, Element, Elements, ReadBudget, read, read_data_set
from storage.dicom.values import Level
from storage.files import LOCK_SECONDS, Files, Tree, lock, refusal
from storage.index import (
    FileFacts,
    Index,
    Location,
    applied,
    digest_in,
    forget,
    index_path,
    open_index,
    record,
    search,
)
from storage.journal import CORRECTIONS, Journal
from storage.journal.corrections import (
    PATIENT_ID,
    Correction,
    Entity,
    entities_since,
    in_force,
)

logger = logging.getLogger(__name__)

_PATIENT_ID = Tag("PatientID")
_NOTHING = Element("LO")
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
) -> Correction:
    """Have an entity be shown with other values; `before` is for who asks later what there was.

    Raises ResourceError: where it is written down already, it is brought into the index later.
    """
    level, key = entity
    told = {
        "level": level.name, "key": key, "values": dict(values), "before": dict(before),
        "user": user, "reason": reason, "merge": merge,
    }  # fmt: skip
    number = _write(tree, told)
    made = in_force(tree.data).by_number(number)
    assert made is not None  # its line is there
    return made


def shown(tree: Files, instances: Iterable[Location], tags: Iterable[str]) -> dict[str, list[str]]:
    """The different values that instances are shown with, keyword -> texts; some at most.

    Raises ResourceError, DataSetError.
    """
    corrections, wanted = in_force(tree.data), [Tag(keyword) for keyword in tags]
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


def patient_ids(tree: Files, instances: Iterable[Location]) -> set[str]:
    """The Patient IDs that instances came with, and have been given. Raises ArchiveError."""
    corrections, found = in_force(tree.data), set[str]()
    for one in instances:
        came = _elements(tree, one, [_PATIENT_ID]).get(_PATIENT_ID, _NOTHING).text
        found |= {came, corrections.changes(one.uids, came).get(PATIENT_ID, came)}
    return found


def undo(tree: Files, number: int, user: str) -> None:
    """Take a correction back. Raises ResourceError."""
    _write(tree, {"undoes": number, "user": user})


def catch_up_corrections(data: Path) -> None:
    """Bring into the index what it lacks of the corrections. Raises ResourceError."""
    with alone(data):
        _apply(Tree(data, sync=True), applied(data, CORRECTIONS))


def is_behind(data: Path) -> bool:
    """Whether the index may lack corrections."""
    size = Journal(data, sync=False).size(CORRECTIONS)
    return size > 0 and size != applied(data, CORRECTIONS)


@contextmanager
def swapping(tree: Files, start: int) -> Iterator[None]:
    """While an index is put in place that holds the corrections up to byte `start`, for sure.

    What came after that is brought into it. Raises OSError, ResourceError.
    """
    if not Journal(tree.data, sync=False).size(CORRECTIONS):
        yield
        return
    with alone(tree.data):
        yield
        _apply(tree, start)


def _write(tree: Files, told: dict[str, Any]) -> int:
    with alone(tree.data):
        _apply(tree, applied(tree.data, CORRECTIONS))  # what a kill left: the number goes by all
        journal = Journal(tree.data, sync=True)
        number = in_force(tree.data).last_number + 1
        # Who stores has his row made by now, or sees the line.
        with closing(journal), tree.all_locked():
            journal.append(CORRECTIONS, number=number, **told)
        _apply(tree, applied(tree.data, CORRECTIONS))
    return number


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """One correction at a time. Raises ResourceError."""
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


def _apply(tree: Files, start: int) -> None:
    """Enter anew what the corrections from byte `start` on are of. Raises ResourceError."""
    journal = Journal(tree.data, sync=False)
    end = journal.size(CORRECTIONS)
    if start == end:
        return
    entities = dict.fromkeys(entities_since(tree.data, start if start < end else 0))
    index = open_index(index_path(tree.data), sync=True)
    try:
        with index.engine.connected():
            # A commit is on the disk then, also after a power cut.
            index.engine.sync_commits()
            changed = sum(_enter(tree, index, entity) for entity in entities)
            index.engine.mark(journal, CORRECTIONS, end)
    except OSError as error:
        raise ResourceError(f"{error.filename}: {error.strerror}") from error
    logger.info(Event("corrected", instances=changed))


def _enter(tree: Files, index: Index, entity: Entity) -> int:
    """Make the rows of all instances that an entity's corrections may be of; how many."""
    level, key = entity
    keys = in_force(tree.data).patient_ids(key) if level is Level.PATIENT else {key}
    with index.engine.reading():
        found = [one for uid in sorted(keys) for one in search.by_uid(index, level, uid)]
    read = [(one, _header(tree, one)) for one in found]
    with tree.all_locked(), index.engine.writing():
        return _enter_all(tree, index, read)


def _enter_all(tree: Files, index: Index, read: Iterable[tuple[Location, Header | None]]) -> int:
    """In one transaction; all rows go first, so that nothing of the old values stays above."""
    corrections = in_force(tree.data)
    there = [
        (one, of_file)
        for one, of_file in read
        if of_file and digest_in(index, one.uids) == one.digest  # else it came or went meanwhile
    ]
    for one, _ in there:
        forget(index, one.uids)
    for one, of_file in there:
        facts = FileFacts(
            one.transfer_syntax_uid, one.file_bytes, one.digest, one.charset, one.arrived
        )
        record(index, corrections.corrected(of_file), facts)
    return len(there)


def _elements(files: Files, one: Location, tags: list[BaseTag]) -> Elements:
    try:
        with files.open(one.uids) as file:
            syntax = part10.read(file).transfer_syntax_uid
            held = read_data_set(file, syntax, list(tags), max(tags))
            return read(held, tags, one.charset, budget=ReadBudget(STORED))
    except OSError as error:
        raise ResourceError(f"{files.name(one.uids)}: {error.strerror}") from error


def _header(files: Files, one: Location) -> Header | None:
    try:
        with files.open(one.uids) as file:
            return header(file, part10.read(file).transfer_syntax_uid, one.charset)
    except (OSError, ArchiveError) as error:
        logger.error(Event("not corrected", error, file=files.name(one.uids)))
        return None
