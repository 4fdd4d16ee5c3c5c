"""What is asked of the corrections of years: those of an entity, one by its number, Patient IDs.

A store asks: so one connection is kept, which only reads. It ends before a fork, as SQLite's must
not be in two processes (sqlite.org/howtocorrupt.html 2.6), and each thread waits for its turn.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from storage.diagnostics import Event
from storage.dicom.values import Level
from storage.journal import (
    CORRECTIONS,
    Journal,
    Unavailable,
    faults_told,
    open_brought_up,
    path_of,
    record_of,
)
from storage.journal.corrections.lines import (
    PATIENT_ID,
    Correction,
    Corrections,
    Entity,
    Listed,
    number_of,
    told_by,
)
from storage.journal.segments import Line

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TABLES = ("correction", "correction_number")
# Who stores waits no longer for others that write the catalogue: the journal can be read.
_BUSY_SECONDS = 1.0

_POSITION = "SELECT position FROM mark WHERE name = ?"
_OF = "SELECT line, undone FROM correction WHERE undone IS NULL AND level = ? AND key = ?"
_BY_NUMBER = "SELECT line, undone FROM correction WHERE number = ?"
_ALL = "SELECT line, undone FROM correction ORDER BY number"
_LAST_NUMBER = "SELECT MAX(number) FROM correction_number"
_IS_OF_LEVEL = "SELECT EXISTS (SELECT 1 FROM correction WHERE undone IS NULL AND level = ?)"
# Also of those that are undone: what they gave may be in the index still.
_PATIENT_IDS = f"""
WITH RECURSIVE found (key) AS (
    VALUES (?)
    UNION SELECT patient FROM correction WHERE level <> {Level.PATIENT:d} AND patient IS NOT NULL
    UNION SELECT patient FROM found CROSS JOIN correction USING (key)
        WHERE level = {Level.PATIENT:d} AND patient IS NOT NULL
) SELECT key FROM found
"""


class Catalogued(Corrections):
    """Those that the journal tells up to byte `size`, or more of them.

    Where the catalogue does not answer, all lines are read, and are kept in memory.
    """

    def __init__(self, journal: Journal, size: int) -> None:
        self._journal, self._size = journal, size
        self._listed: Listed | None = None
        self._levels = self._answer(_levels, _levels_listed)  # of those that are in force

    def __bool__(self) -> bool:
        return bool(self._levels)

    @property
    def of_patients(self) -> bool:
        """Whether a Patient ID decides on some that are in force."""
        return Level.PATIENT in self._levels

    @property
    def last_number(self) -> int:
        """The highest that was given."""
        return self._answer(_last_number, lambda listed: listed.last_number)

    @property
    def all(self) -> Mapping[int, Correction]:
        """Also those that are undone, by number."""
        found = self._answer(lambda db: _read(db, _ALL), lambda listed: [*listed.all.values()])
        return {one.number: one for one in found}

    def by_number(self, number: int) -> Correction | None:
        """One of them, also where it is undone."""
        if number_of({"number": number}) != number:
            return None
        found = self._answer(
            lambda db: _read(db, _BY_NUMBER, number),
            lambda listed: [one] if (one := listed.by_number(number)) else [],
        )
        return found[0] if found else None

    def of(self, entities: Iterable[Entity]) -> list[Correction]:
        """Those of some entities that are in force."""
        keys = [(level, _blob(key)) for level, key in entities]
        return self._answer(
            lambda db: [one for level, key in keys for one in _read(db, _OF, level, key)],
            lambda listed: listed.of(entities),
        )

    def patient_ids(self, patient_id: str) -> set[str]:
        """The ID, and what corrections may have made of it."""
        return self._answer(
            lambda db: {_text(row[0]) for row in db.execute(_PATIENT_IDS, (_blob(patient_id),))},
            lambda listed: listed.patient_ids(patient_id),
        )

    def _answer(self, look: Callable[[sqlite3.Connection], T], read: Callable[[Listed], T]) -> T:
        """What the catalogue tells, or all lines do. Raises ResourceError."""
        if self._listed is None:
            try:
                return _connection.ask(self._journal, self._size, look)
            except Unavailable as error:
                logger.warning(Event("all of the journal's corrections are read", str(error)))
            self._listed = Listed(self._journal.read(CORRECTIONS, 0, self._size))
        return read(self._listed)


class _Kept(NamedTuple):
    """A connection that has the lines of the journal in `folder` up to a position at least."""

    folder: Path
    position: int
    db: sqlite3.Connection


class _Connection:
    """The one of this process, opened when it is asked. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._after_fork,
            after_in_child=self._after_fork,
        )  # fmt: skip

    def ask(self, journal: Journal, size: int, look: Callable[[sqlite3.Connection], T]) -> T:
        """What `look` finds, where all lines up to byte `size` are. Raises Unavailable."""
        with self._lock:
            try:
                with faults_told(path_of(journal)):
                    db = self._begun(journal, size)
                    found = look(db)
                    db.execute("COMMIT")
                    return found
            except BaseException:
                self._close()
                raise

    def _begun(self, journal: Journal, size: int) -> sqlite3.Connection:
        """The connection, in a transaction that sees all that is asked for."""
        kept = self._kept
        if kept and kept.folder == journal.folder and kept.position >= size:
            kept.db.execute("BEGIN")
            if _position(kept.db) >= kept.position:
                return kept.db
        self._close()  # there are more lines, or another process has begun anew
        db = open_brought_up(journal, CORRECTIONS, _TABLES, _enter, _BUSY_SECONDS)
        self._kept = kept = _Kept(journal.folder, size, db)
        db.execute("BEGIN")
        if _position(db) < size:
            raise Unavailable(f"{path_of(journal)}: the last line of {CORRECTIONS} is cut short")
        return db

    def _close(self) -> None:
        if self._kept:
            with suppress(sqlite3.Error):
                self._kept.db.close()
        self._kept = None

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._close()

    def _after_fork(self) -> None:
        self._lock.release()


_connection = _Connection()


def _position(db: sqlite3.Connection) -> int:
    rows = db.execute(_POSITION, (CORRECTIONS,)).fetchall()
    return int(rows[0][0]) if rows else 0


def _levels(db: sqlite3.Connection) -> set[int]:
    return {one for one in Level if db.execute(_IS_OF_LEVEL, (one,)).fetchone()[0]}


def _levels_listed(listed: Listed) -> set[int]:
    return {one.entity[0] for one in listed.all.values() if not one.undone}


def _last_number(db: sqlite3.Connection) -> int:
    return int(db.execute(_LAST_NUMBER).fetchone()[0] or 0)


def _read(db: sqlite3.Connection, statement: str, *given: object) -> list[Correction]:
    return [_of_row(*row) for row in db.execute(statement, given)]


def _of_row(line: bytes, undone: bytes | None) -> Correction:
    told = told_by(record_of(line) or {})
    if not isinstance(told, Correction):
        raise sqlite3.DatabaseError("a row is damaged")
    return replace(told, undone=_text(undone)) if undone else told


def _enter(db: sqlite3.Connection, lines: Iterator[Line]) -> None:
    """Enter lines into the catalogue."""
    for line in lines:
        record = record_of(line.text) or {}
        if number := number_of(record):
            db.execute("INSERT OR IGNORE INTO correction_number VALUES (?)", (number,))
        told = told_by(record)
        if isinstance(told, Correction):
            level, key = told.entity
            patient = _blob(told.values[PATIENT_ID]) if PATIENT_ID in told.values else None
            row = (told.number, level, _blob(key), patient, None, line.text)
            db.execute("INSERT OR REPLACE INTO correction VALUES (?, ?, ?, ?, ?, ?)", row)
        elif told:
            given = _blob(told.words), told.number
            db.execute("UPDATE correction SET undone = ? WHERE number = ?", given)


def _blob(text: str) -> bytes:
    """A text for a column: what JSON can tell need not be Unicode."""
    return text.encode("utf-8", "surrogatepass")


def _text(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")
