"""What arrives, followed into the worklist's tables; and what follows from time alone.

A store does nothing for it: receipts are read behind it, and of a study that an entry is about, or
may be, the index is asked.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.archive import Archive
from storage.dicom.data_sets import Element
from storage.index import counts
from storage.journal import RECEIPTS, STEPS, Journal, Receipt, in_journal
from storage.worklist import steps
from storage.worklist.database import writing
from storage.worklist.performed import STATUS
from storage.worklist.progress import DISCONTINUED, By, Rules, State, is_abandoned
from storage.worklist.worklist import Known, Worklist

# Of the journal, read at a time: some hundred receipts.
_MOST_BYTES = 256 * 1024
_COUNTS = "fault = '' AND replaced = ''"


@dataclass
class Followed:
    """What a look has found: entries that ended by it, and images that contradict entries."""

    completed: list[Known] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    conflicts: list[Known] = field(default_factory=list)
    is_more: bool = False


class Follower:
    """One look after the other, in one process of a node."""

    def __init__(self, worklist: Worklist, archive: Archive, rules: Rules) -> None:
        self._worklist, self._archive, self._rules = worklist, archive, rules
        self._told: set[tuple[int, str]] = set()

    def look(self, since: str, now: float | None = None) -> Followed:
        """Read on, and write down what has ended. Raises ResourceError."""
        at = time.time() if now is None else now
        found = Followed()
        self._archive.require_whole()
        with self._worklist.followed() as (db, journal):
            found.is_more = self._read_on(db, journal)
        known = self._worklist.known(since, self._rules, at)
        self._complete(known, found)
        self._abandon(known, at, found)
        for one in known:
            news = {(one.held.row_id, came.study_uid) for came in one.conflicts}
            if not news <= self._told:
                self._told |= news
                found.conflicts.append(one)
        return found

    def _read_on(self, db: sqlite3.Connection, journal: Journal) -> bool:
        """Enter what came; whether there is more to be read."""
        position, is_new = _position(db, journal)
        end = journal.end_of_lines(RECEIPTS, position, _MOST_BYTES)
        came = {
            uids[0] for uids, one in in_journal(journal, position, end) if isinstance(one, Receipt)
        }
        unlooked = db.execute(
            f"SELECT study, accession FROM entry WHERE looked = 0 AND {_COUNTS}"
        ).fetchall()
        if end == position and not unlooked and not is_new:
            return False
        rows = counts.arrivals_of(self._archive.index, sorted(came | {one for one, _ in unlooked}))
        numbers = sorted({accession for _, accession in unlooked if accession})
        rows += counts.arrivals_for(self._archive.index, numbers)
        journal.sync_lines(RECEIPTS)
        tail = journal.tail(RECEIPTS, end)
        with writing(db):
            for row in _of_entries(db, rows):
                db.execute("INSERT OR REPLACE INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("UPDATE entry SET looked = 1 WHERE looked = 0")
            held = (RECEIPTS, journal.make_identity(), end, tail)
            db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", held)
        return end < journal.size(RECEIPTS) and end > position

    def _complete(self, known: list[Known], found: Followed) -> None:
        """Write down what images have completed: it stays so when they have gone."""
        for one in known:
            decided = one.evidence.decided
            is_told = decided is not None and decided.by is By.IMAGES
            is_due = one.state is State.COMPLETED and one.standing.by is By.IMAGES and not is_told
            if is_due and self._worklist.note_completed(one):
                found.completed.append(one)

    def _abandon(self, known: list[Known], now: float, found: Followed) -> None:
        """End the performed steps that nothing was said of for too long."""
        arrived = {p.uid: one.evidence.arrived for one in known for p in one.evidence.performed}
        before = int((now - self._rules.abandoned) * 1000)
        with self._worklist.followed() as (db, journal):
            due = [
                step
                for step in steps.in_progress(db, before)
                if is_abandoned(step.changed / 1000, arrived.get(step.uid), self._rules, now)
            ]
            for step in due:
                ended = {STATUS: Element("CS", DISCONTINUED)}
                with writing(db), journal.turn():
                    steps.read_on(db, journal)
                    if step not in steps.in_progress(db, before):
                        continue  # another node has heard of it, or ended it
                    journal.append(STEPS, **steps.line_set(step.uid, step.peer, ended, "node"))
                    steps.read_on(db, journal)
                found.abandoned.append(step.uid)


def _position(db: sqlite3.Connection, journal: Journal) -> tuple[int, bool]:
    """Where to read on, and whether nothing was followed yet: then what was before is looked up.

    Of another journal, too.
    """
    row = db.execute(
        "SELECT journal, position, tail FROM mark WHERE name = ?", (RECEIPTS,)
    ).fetchone()
    if row and row[0] == journal.identity() and row[2] == journal.tail(RECEIPTS, row[1]):
        return int(row[1]), False
    db.execute("UPDATE entry SET looked = 0")
    return journal.size(RECEIPTS), True


def _of_entries(
    db: sqlite3.Connection, rows: list[counts.StudyArrivals]
) -> Iterator[counts.StudyArrivals]:
    """Those of studies that an entry is about, by its UID or its number."""
    asked = f"SELECT 1 FROM entry WHERE study = ? AND {_COUNTS}"
    by_number = f"SELECT 1 FROM entry WHERE accession = ? AND {_COUNTS}"
    for row in rows:
        is_named = row.accession and db.execute(by_number, (row.accession,)).fetchone()
        if is_named or db.execute(asked, (row.study,)).fetchone():
            yield row
