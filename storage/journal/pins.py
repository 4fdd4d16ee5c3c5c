"""Studies that a person has pinned: no rule takes them out of the archive.

They are lines of the journal, so that they outlast the index and are in a backup.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from storage.journal.catalogue import Unavailable, brought_up
from storage.journal.journal import PINS, Journal, Subject
from storage.journal.segments import Line, record_of


def pinned(journal: Journal) -> dict[str, str]:
    """The Study Instance UIDs that are pinned, each with the time of it, the first one first.

    Raises OSError.
    """
    try:
        with entered(journal) as db:
            return dict(db.execute("SELECT study, at FROM pin ORDER BY start").fetchall())
    except Unavailable:  # as on a full disk, where room is to be made
        found: dict[str, str] = {}
        for line in journal.read(PINS):
            if told := _told(line):
                study, is_pinned, at = told
                found = {one: since for one, since in found.items() if is_pinned or one != study}
                if is_pinned:
                    found.setdefault(study, at)
        return found


def entered(journal: Journal) -> AbstractContextManager[sqlite3.Connection]:
    """Have the catalogue hold all of them, and nobody read more meanwhile. Raises Unavailable."""
    return brought_up(journal, PINS, ("pin",), _enter)


def subject_of(text: bytes) -> Subject | None:
    """Of what study a line is, and that it is pinned with it; None of no study."""
    if not (told := _told(record_of(text) or {})):
        return None
    study, is_pinned, _ = told
    return Subject(study.encode(errors="surrogatepass"), is_pinned)


def _enter(db: sqlite3.Connection, lines: Iterator[Line]) -> None:
    """Enter lines into the catalogue."""
    for line in lines:
        _enter_one(db, line)


def _enter_one(db: sqlite3.Connection, line: Line) -> None:
    if not (told := _told(record_of(line.text) or {})):
        return
    study, is_pinned, at = told
    if is_pinned:
        db.execute("INSERT OR IGNORE INTO pin VALUES (?, ?, ?)", (study, at, line.start))
    else:
        db.execute("DELETE FROM pin WHERE study = ?", (study,))


def _told(line: dict[str, Any]) -> tuple[str, bool, str] | None:
    """Study, whether it is pinned, and when; None of another version, or of a damaged line."""
    study, is_pinned = line.get("study"), line.get("pinned")
    if not isinstance(study, str) or not isinstance(is_pinned, bool):
        return None
    return study, is_pinned, str(line.get("at", ""))


def pin(journal: Journal, study: str) -> None:
    """Have a study stay. Raises ResourceError."""
    journal.append(PINS, study=study, pinned=True)


def unpin(journal: Journal, study: str) -> None:
    """Let the rules have a study again. Raises ResourceError."""
    journal.append(PINS, study=study, pinned=False)
