"""Entries as rows, of files of a folder and of lines of the journal: what is wrong, what counts.

Of two entries of one key the later written counts, if both are of one patient: it is an update.
A line is of one entry, of which the last line counts. Of the rows in `file` those of lines have no
time of writing, and a slash in their names.
"""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from storage.diagnostics import DataSetError
from storage.journal import ENTRIES, Journal, milliseconds, record_of
from storage.journal.segments import Line
from storage.worklist import database
from storage.worklist.database import writing
from storage.worklist.entries import Entry, EntryError, from_json, to_json
from storage.worklist.entries import folder as files

_OF_LINES = "written IS NULL"
_MILLISECOND = 1_000_000  # in nanoseconds
# Of more than so many entries that have changed, all are settled anew.
_MANY = 500


@dataclass(frozen=True)
class FileFault:
    """A file, or an entry in it, that is not taken, and why."""

    file: str
    words: str


class _Numbers(NamedTuple):
    """What an entry may have in common with others."""

    of: str
    step: str
    study: str


def bring_up(db: sqlite3.Connection, folder: Path | None, journal: Journal, charset: str) -> bool:
    """Have the rows be what folder and lines hold now; whether that changed any. Raises OSError."""
    found = files.stamps(folder) if folder else {}
    if not _changed(db, found) and database.has_all(db, journal, ENTRIES):
        return False
    with writing(db):
        now, found = time.time_ns(), files.stamps(folder) if folder else {}
        changed: set[_Numbers] = set()
        for name in _changed(db, found):
            changed |= _drop(db, name)
            if folder and name in found:
                file = folder / name
                changed |= _read(db, file, found[name], now, journal.make_identity(), charset)
        _settle(db, changed | _read_lines(db, journal))
    return True


def read_on(db: sqlite3.Connection, journal: Journal) -> None:
    """Have the rows be what the lines tell; a transaction is open."""
    _settle(db, _read_lines(db, journal))


def _changed(db: sqlite3.Connection, found: dict[str, files.Stamp]) -> list[str]:
    """The names of the files that were written, added or taken away since they were read."""
    rows = db.execute(f"SELECT name, written, size FROM file WHERE NOT {_OF_LINES}").fetchall()
    held = {name: files.Stamp(written, size) for name, written, size in rows}
    if held == found:
        return []
    return sorted(name for name in held.keys() | found.keys() if held.get(name) != found.get(name))


def _read(
    db: sqlite3.Connection, path: Path, stamp: files.Stamp, now: int, identity: str, charset: str
) -> set[_Numbers]:
    entries: list[Entry] = []
    fault = ""
    try:
        entries = files.read(path, identity, charset)
    except FileNotFoundError:
        return set()
    except EntryError as error:
        fault = "; ".join(error.faults)
    except DataSetError as error:
        fault = str(error)
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    kept = files.settled(stamp, now)
    db.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", (path.name, *kept, stamp.written, fault))
    return _add(db, path.name, entries)


def _read_lines(db: sqlite3.Connection, journal: Journal) -> set[_Numbers]:
    changed: set[_Numbers] = set()

    def forget() -> None:
        for (name,) in db.execute(f"SELECT name FROM file WHERE {_OF_LINES}").fetchall():
            changed.update(_drop(db, name))

    def enter(line: Line) -> None:
        changed.update(_enter(db, line))

    database.read_on(db, journal, ENTRIES, forget, enter)
    return changed


def _enter(db: sqlite3.Connection, line: Line) -> set[_Numbers]:
    """Enter a line; one that is damaged, or of a later version, is passed over."""
    told = record_of(line.text) or {}
    try:
        name = name_of(str(told["of"]), str(told["step"]))
        if told["kind"] == "removed":
            return _drop(db, name)
        if told["kind"] != "put":
            return set()
        entry = Entry(from_json(told["entry"]))
        (last,) = db.execute(f"SELECT MAX(at) FROM file WHERE {_OF_LINES}").fetchone()
        # In the order of the lines, also where the clocks of who wrote them differ.
        at = max(milliseconds(str(told["at"])) * _MILLISECOND, (last or 0) + 1)
    except (KeyError, DataSetError):
        return set()
    changed = _drop(db, name)
    db.execute("INSERT INTO file VALUES (?, NULL, NULL, ?, '')", (name, at))
    return changed | _add(db, name, [entry])


def line_put(entry: Entry) -> dict[str, Any]:
    """The line for an entry, or its update."""
    of, step = entry.key
    return {"kind": "put", "of": of, "step": step, "entry": to_json(entry.elements)}


def line_removed(of: str, step: str) -> dict[str, Any]:
    """The line for one that is taken away."""
    return {"kind": "removed", "of": of, "step": step}


def name_of(of: str, step: str) -> str:
    """What stands in the place of a file's name for the entry of a line."""
    return f"{of.replace('%', '%25').replace('/', '%2F')}/{step}"


def _drop(db: sqlite3.Connection, name: str) -> set[_Numbers]:
    """Have the entries of a file no more; what they had in common with others."""
    rows = db.execute("SELECT of, step, study FROM entry WHERE file = ?", (name,)).fetchall()
    db.execute("DELETE FROM entry WHERE file = ?", (name,))
    db.execute("DELETE FROM file WHERE name = ?", (name,))
    return {_Numbers(*row) for row in rows}


def _add(db: sqlite3.Connection, name: str, entries: Iterable[Entry]) -> set[_Numbers]:
    found = list(entries)
    db.executemany(
        "INSERT INTO entry (file, number, of, step, study, accession, patient, day, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (name, number, *one.key, one.study_uid, one.accession, one.patient_id, one.day,
             json.dumps(to_json(one.elements), ensure_ascii=False))
            for number, one in enumerate(found, 1)
        ),
    )  # fmt: skip
    return {_Numbers(*one.key, one.study_uid) for one in found}


_ROWS = (
    "SELECT id, of, step, study, accession, patient, file, entry.fault, replaced, at, number "
    "FROM entry JOIN file ON file.name = entry.file"
)


def _settle(db: sqlite3.Connection, changed: set[_Numbers]) -> None:
    """Say of each entry whether it counts, an update of it does, or it contradicts another.

    Of those that have anything in common with what has changed, or with one that has.
    """
    found: dict[int, tuple[Any, ...]] = {}
    seen, left = set(changed), list(changed)
    if len(changed) > _MANY:
        found, left = {row[0]: row for row in db.execute(_ROWS)}, []
    while left:
        near = "of = ? AND step = ? UNION SELECT id FROM entry WHERE study = ?"
        for row in db.execute(
            f"{_ROWS} WHERE id IN (SELECT id FROM entry WHERE {near})", left.pop()
        ):
            found[row[0]] = row
            if (numbers := _Numbers(*row[1:4])) not in seen:
                seen.add(numbers)
                left.append(numbers)
    rows = sorted(found.values(), key=lambda row: (row[9], row[6], row[10]))
    changes = []
    for (row_id, *_, fault, replaced, _, _), told in zip(rows, _told(rows), strict=True):
        if told != (fault, replaced):
            changes.append((*told, row_id))
    db.executemany("UPDATE entry SET fault = ?, replaced = ? WHERE id = ?", changes)


def _told(rows: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    """Fault, and the file of its update, of each entry; of rows by the time of their files."""
    told = [("", "")] * len(rows)
    latest: dict[tuple[str, str], int] = {}  # of a key, where it stands
    of_study: dict[str, int] = {}
    for number, (_, of, step, study, accession, patient, file, *_) in enumerate(rows):
        for other, what in (
            (latest.get((of, step)), f"Accession Number {accession} with step {step}"),
            (of_study.get(study), f"Study Instance UID {study}"),
        ):
            if other is not None and rows[other][5] != patient:
                words = f"{what} is that of another patient in {rows[other][6]}, and not taken"
                told[number] = words, ""
                break
        if told[number][0]:
            continue
        before = latest.get((of, step))
        if before is not None:
            told[before] = "", file
        latest[of, step] = of_study[study] = number
    return told


def faults(db: sqlite3.Connection) -> list[FileFault]:
    """What of the folder is not taken, by file."""
    rows = db.execute(
        "SELECT name, fault FROM file WHERE fault <> '' UNION ALL "
        "SELECT file, fault FROM entry WHERE fault <> '' ORDER BY 1"
    )
    return [FileFault(*row) for row in rows]


def rows_since(db: sqlite3.Connection, day: str) -> list[tuple[int, str]]:
    """The entries that count from a day on: id and file."""
    return db.execute(
        "SELECT id, file FROM entry WHERE day >= ? AND fault = '' AND replaced = ''", (day,)
    ).fetchall()


def entry_of(db: sqlite3.Connection, row_id: int) -> Entry:
    """The entry of a row."""
    (document,) = db.execute("SELECT document FROM entry WHERE id = ?", (row_id,)).fetchone()
    return Entry(from_json(json.loads(document)))


def key_of_line(db: sqlite3.Connection, name: str) -> tuple[str, str] | None:
    """The key of the entry of a line, by what it is called; None where it is a file."""
    found = f"SELECT of, step FROM entry JOIN file ON name = file WHERE {_OF_LINES} AND name = ?"
    row = db.execute(found, (name,)).fetchone()
    return (row[0], row[1]) if row else None


def contradicted(db: sqlite3.Connection, entry: Entry) -> str:
    """Why an entry would not be taken, which has another patient's numbers; empty: it would."""
    rows = db.execute(
        "SELECT of, step, file FROM entry WHERE patient <> ? AND fault = '' AND replaced = '' "
        "AND (study = ? OR (of = ? AND step = ?))",
        (entry.patient_id, entry.study_uid, *entry.key),
    ).fetchall()
    for of, step, file in rows:
        what = f"Study Instance UID {entry.study_uid}"
        if (of, step) == entry.key and entry.accession:
            what = f"Accession Number {entry.accession} with step {entry.step_id}"
        return f"{what} is that of another patient in {file}"
    return ""
