"""Performed procedure steps and decisions: lines of the journal, and what they make in tables.

A line is on the disk before anybody is told that it is done; a process that dies behind it leaves
it to who looks next.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.diagnostics import DataSetError
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.journal import STEPS, Journal, milliseconds, record_of
from storage.journal.segments import Line
from storage.worklist import database
from storage.worklist.database import writing
from storage.worklist.entries import from_json, to_json
from storage.worklist.performed import STATUS, merged, scheduled_items

_TABLES = ("step", "scheduled", "decision")
_ABSENT = Element("CS")


@dataclass(frozen=True)
class Step:
    """A performed procedure step; times in milliseconds since 1970."""

    uid: str
    status: str
    peer: str
    created: int
    changed: int
    elements: Elements
    ended_by_node: bool = False

    @property
    def character_set(self) -> str:
        """The one that it was created in."""
        return self.elements.get(CHARACTER_SET, _ABSENT).text


def bring_up(db: sqlite3.Connection, journal: Journal) -> bool:
    """Have the tables hold all lines; whether they lacked any."""
    if database.has_all(db, journal, STEPS):
        return False
    with writing(db):
        read_on(db, journal)
    return True


def read_on(db: sqlite3.Connection, journal: Journal) -> None:
    """The same in a transaction that is open."""

    def forget() -> None:
        for table in _TABLES:
            db.execute(f"DELETE FROM {table}")

    database.read_on(db, journal, STEPS, forget, lambda line: _enter(db, line))


def _enter(db: sqlite3.Connection, line: Line) -> None:
    """Enter a line; one that is damaged, or of a later version, is passed over."""
    told = record_of(line.text) or {}
    kind, at = told.get("kind"), milliseconds(str(told.get("at", "")))
    try:
        if kind == "created":
            _enter_created(db, told, at)
        elif kind == "set":
            _enter_set(db, told, at)
        elif kind == "decided":
            values = (str(told["of"]), str(told["step"]), str(told["state"]), str(told["by"]), at)
            db.execute("INSERT OR REPLACE INTO decision VALUES (?, ?, ?, ?, ?)", values)
            if not told["state"]:
                db.execute("DELETE FROM decision WHERE of = ? AND step = ?", values[:2])
    except (KeyError, DataSetError):
        return


def _enter_created(db: sqlite3.Connection, told: Mapping[str, Any], at: int) -> None:
    uid, held = str(told["uid"]), from_json(told["data"])
    done = db.execute(
        "INSERT OR IGNORE INTO step VALUES (?, ?, ?, ?, ?, ?, ?)",
        (uid, held.get(STATUS, _ABSENT).text, str(told["peer"]), at, at, 0, _document(held)),
    ).rowcount
    if done:
        db.executemany(
            "INSERT INTO scheduled VALUES (?, ?, ?, ?, ?)",
            (
                (uid, number, item.study_uid, item.accession, item.step_id)
                for number, item in enumerate(scheduled_items(held))
            ),
        )


def _enter_set(db: sqlite3.Connection, told: Mapping[str, Any], at: int) -> None:
    uid = str(told["uid"])
    step = find(db, uid)
    if step is None:
        return
    held = merged(step.elements, from_json(told["data"]))
    db.execute(
        "UPDATE step SET status = ?, changed = ?, by_node = ?, document = ? WHERE uid = ?",
        (held.get(STATUS, _ABSENT).text, at, int(told.get("by") == "node"), _document(held), uid),
    )


def find(db: sqlite3.Connection, uid: str) -> Step | None:
    """The step of a SOP Instance UID, as far as the tables are."""
    row = db.execute(
        "SELECT uid, status, peer, created, changed, by_node, document FROM step WHERE uid = ?",
        (uid,),
    ).fetchone()
    return _step(row) if row else None


def in_progress(db: sqlite3.Connection, before: int) -> Iterator[Step]:
    """The steps in progress that nothing was said of since a time, in milliseconds since 1970."""
    rows = db.execute(
        "SELECT uid, status, peer, created, changed, by_node, document FROM step "
        "WHERE status = 'IN PROGRESS' AND changed <= ? ORDER BY changed",
        (before,),
    ).fetchall()
    return map(_step, rows)


def _step(row: Sequence[Any]) -> Step:
    uid, status, peer, created, changed, by_node, document = row
    held = from_json(json.loads(document))
    return Step(uid, status, peer, created, changed, held, bool(by_node))


def line_created(uid: str, peer: str, held: Elements) -> dict[str, Any]:
    """The line for a step that begins."""
    return {"kind": "created", "uid": uid, "peer": peer, "data": to_json(held)}


def line_set(uid: str, peer: str, changes: Elements, by: str = "modality") -> dict[str, Any]:
    """The line for what is set of it, by its modality or the node."""
    return {"kind": "set", "uid": uid, "peer": peer, "by": by, "data": to_json(changes)}


def line_decided(of: str, step: str, state: str, by: str, who: str) -> dict[str, Any]:
    """The line for a state that was set; an empty one takes it back."""
    return {"kind": "decided", "of": of, "step": step, "state": state, "by": by, "who": who}


def decision(db: sqlite3.Connection, of: str, step: str) -> tuple[str, str] | None:
    """The state that was set of an entry, and by what; None where there is none."""
    found = "SELECT state, by FROM decision WHERE of = ? AND step = ?"
    row = db.execute(found, (of, step)).fetchone()
    return (row[0], row[1]) if row else None


def _document(held: Elements) -> str:
    return json.dumps(to_json(held), ensure_ascii=False)
