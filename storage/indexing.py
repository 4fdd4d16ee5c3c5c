"""Rows of the index: record an instance, forget one, ask for one.

Where the instances of a patient, study or series disagree on an attribute, the value received
last answers; an empty one never displaces another.
"""

from typing import Any

from storage.attributes import Level, stored_at
from storage.database import reading, writing
from storage.extract import Header
from storage.matching import folded, has_several, match_columns
from storage.models import IDENTITY, Index
from storage.tree import Uids


def record(index: Index, header: Header, transfer_syntax_uid: str, file_bytes: int) -> None:
    """Enter an instance, in place of any row under the same UIDs. Raises ResourceError."""
    with writing(index.database):
        emptied = _delete(index, header.uids)
        parent: int | None = None
        for level in Level:
            row = _row(level, header)
            if parent is not None:
                row["parent"] = parent
            if level is Level.IMAGE:
                row |= {"TransferSyntaxUID": transfer_syntax_uid, "file_bytes": file_bytes}
                index[level].insert(row).execute()
            else:
                parent = _enter(index[level], level, row)
        _prune(index, emptied)


def forget(index: Index, uids: Uids) -> None:
    """Delete an instance's row, and of its parents those that hold nothing else."""
    with writing(index.database):
        _prune(index, _delete(index, uids))


def is_indexed(index: Index, uids: Uids) -> bool:
    """Whether the index has a row for the instance. Raises ResourceError."""
    with reading():
        return bool(_rows(index, uids).exists())


def _row(level: Level, header: Header) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for attribute in stored_at(level):
        text = header[attribute.column]
        row[attribute.column] = text
        row |= zip(match_columns(attribute), folded(attribute, text), strict=True)
    row["several"] = int(any(has_several(a, row[a.column]) for a in stored_at(level)))
    if level is Level.PATIENT:
        row["of_study"] = "" if row["PatientID"] else header["StudyInstanceUID"]
    return row


def _enter(model: Any, level: Level, row: dict[str, Any]) -> int:
    """The id of the row of the same identity, brought up to date, or of a new one."""
    identity = [getattr(model, name) == row[name] for name in IDENTITY[level]]
    if "parent" in row:
        identity.append(model.parent == row["parent"])
    held = model.select().where(*identity).dicts().first()
    if held is None:
        return int(model.insert(row).execute())
    changed: dict[str, Any] = {}
    for attribute in stored_at(level):
        text = row[attribute.column]
        if text and text != held[attribute.column]:
            names = (attribute.column, *match_columns(attribute))
            changed |= {name: row[name] for name in names}
    if changed:
        texts = held | changed
        several = any(has_several(a, texts[a.column]) for a in stored_at(level))
        changed["several"] = int(several)
        model.update(changed).where(model.id == held["id"]).execute()
    return int(held["id"])


def _rows(index: Index, uids: Uids) -> Any:
    study, series, instance = (index[level] for level in list(Level)[1:])
    return (
        instance.select(instance.id, instance.parent)
        .join(series)
        .join(study)
        .where(
            study.StudyInstanceUID == uids[0],
            series.SeriesInstanceUID == uids[1],
            instance.SOPInstanceUID == uids[2],
        )
    )


def _delete(index: Index, uids: Uids) -> list[int]:
    """Delete the instance's rows; returns the ids of the series that they were in."""
    instance = index[Level.IMAGE]
    held = list(_rows(index, uids).tuples())
    if held:
        instance.delete().where(instance.id.in_([row[0] for row in held])).execute()
    return [row[1] for row in held]


def _prune(index: Index, ids: list[int]) -> None:
    """Delete the series of `ids` that have no instance left, and so on upwards."""
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
        model, child = index[level], index[Level(level + 1)]
        parents: list[int] = []
        for number in ids:
            if child.select().where(child.parent == number).exists():
                continue
            if level is not Level.PATIENT:
                parents.append(model.get_by_id(number).parent_id)
            model.delete_by_id(number)
        ids = parents
