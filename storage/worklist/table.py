"""The entries of the folder as rows: which files were read, what is wrong with them, which count.

Of two entries of one key the later written counts, if both are of one patient: it is an update.
"""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from storage.diagnostics import DataSetError
from storage.worklist.database import writing
from storage.worklist.entries import Entry, EntryError, from_json, to_json
from storage.worklist.entries import folder as files


@dataclass(frozen=True)
class FileFault:
    """A file, or an entry in it, that is not taken, and why."""

    file: str
    words: str


def bring_up(db: sqlite3.Connection, folder: Path, identity: str, charset: str) -> bool:
    """Have the rows be what the folder holds now; whether that changed any. Raises OSError."""
    if not _changed(db, files.stamps(folder)):
        return False
    with writing(db):
        now, found = time.time_ns(), files.stamps(folder)
        for name in _changed(db, found):
            db.execute("DELETE FROM entry WHERE file = ?", (name,))
            db.execute("DELETE FROM file WHERE name = ?", (name,))
            if name in found:
                _read(db, folder / name, found[name], now, identity, charset)
        _settle(db)
    return True


def _changed(db: sqlite3.Connection, found: dict[str, files.Stamp]) -> list[str]:
    """The names of the files that were written, added or taken away since they were read."""
    rows = db.execute("SELECT name, written, size FROM file").fetchall()
    held = {name: files.Stamp(written, size) for name, written, size in rows}
    if held == found:
        return []
    return sorted(name for name in held.keys() | found.keys() if held.get(name) != found.get(name))


def _read(
    db: sqlite3.Connection, path: Path, stamp: files.Stamp, now: int, identity: str, charset: str
) -> None:
    entries: list[Entry] = []
    fault = ""
    try:
        entries = files.read(path, identity, charset)
    except FileNotFoundError:
        return
    except EntryError as error:
        fault = "; ".join(error.faults)
    except DataSetError as error:
        fault = str(error)
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    kept = files.settled(stamp, now)
    db.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", (path.name, *kept, stamp.written, fault))
    db.executemany(
        "INSERT INTO entry (file, number, of, step, study, accession, patient, day, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (path.name, number, *one.key, one.study_uid, one.accession, one.patient_id, one.day,
             json.dumps(to_json(one.elements), ensure_ascii=False))
            for number, one in enumerate(entries, 1)
        ),
    )  # fmt: skip


def _settle(db: sqlite3.Connection) -> None:
    """Say of each entry whether it counts, an update of it does, or it contradicts another."""
    rows = db.execute(
        "SELECT id, of, step, study, accession, patient, file, entry.fault, replaced FROM entry "
        "JOIN file ON file.name = entry.file ORDER BY at, file, number"
    ).fetchall()
    changes = []
    for (row_id, *_, fault, replaced), told in zip(rows, _told(rows), strict=True):
        if told != (fault, replaced):
            changes.append((*told, row_id))
    db.executemany("UPDATE entry SET fault = ?, replaced = ? WHERE id = ?", changes)


def _told(rows: list[tuple[str, ...]]) -> list[tuple[str, str]]:
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
