"""The worklist in the hands of one process: entries, what became of them, performed steps."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydicom.tag import BaseTag

from storage.dicom.data_sets import Elements
from storage.journal import STEPS, Journal
from storage.worklist import database, evidence, questions, steps, table
from storage.worklist.database import errors, writing
from storage.worklist.entries import Entry, EntryError, folder
from storage.worklist.evidence import Held
from storage.worklist.performed import StepError, StepFault, check_created, check_set
from storage.worklist.progress import Arrivals, By, Evidence, Rules, Standing, State, standing
from storage.worklist.questions import Question
from storage.worklist.steps import Step
from storage.worklist.table import FileFault

# From before any: all entries.
EVER = ""


@dataclass(frozen=True)
class Known:
    """An entry that counts: where it lies, what tells of it, and what became of it by that."""

    held: Held
    standing: Standing

    @property
    def entry(self) -> Entry:
        """The entry."""
        return self.held.entry

    @property
    def state(self) -> State:
        """What became of it."""
        return self.standing.state

    @property
    def evidence(self) -> Evidence:
        """What tells of it."""
        return self.held.evidence

    @property
    def conflicts(self) -> tuple[Arrivals, ...]:
        """Images with its numbers, of another patient."""
        return self.held.conflicts


def day_before(days: int) -> str:
    """The date so many days ago, YYYYMMDD."""
    return (date.today() - timedelta(days)).strftime("%Y%m%d")


class Worklist:
    """Folder, journal and tables of a data folder; safe to use from many threads.

    Every method raises ResourceError where one of them cannot be read or written.
    """

    def __init__(self, data: Path, journal: Journal, where: Path, charset: str = "") -> None:
        """`where`: the folder of entries; `charset` is for text in it that names none."""
        self.folder = where
        self._data, self._journal, self._charset = data, journal, charset
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._entries: dict[int, Entry] = {}
        self._held: list[Held] = []
        self._held_of: tuple[int, str] = (-1, "")

    def close(self) -> None:
        """Close its file; what is asked later opens it again."""
        with self._lock:
            if self._db:
                self._db.close()
            self._db = None

    def known(self, since: str, rules: Rules, now: float | None = None) -> list[Known]:
        """The entries from a day on, as folder and journal have them now; by day and time."""
        at = time.time() if now is None else now
        with self._tables() as db:
            held = self._gathered(db, since)
        return [Known(one, standing(one.evidence, rules, at)) for one in held]

    def faults(self) -> list[FileFault]:
        """What of the folder is not taken."""
        with self._tables() as db:
            return table.faults(db)

    def put(self, entries: Iterable[Entry]) -> list[Path]:
        """Write entries, a file each; one that is there is updated. Raises EntryError before."""
        found = list(entries)
        self.check(found)
        with errors():
            return [self._write(folder.name_of(one), [one]) for one in found]

    def put_together(self, title: str, entries: Iterable[Entry]) -> Path:
        """Write entries as one file: all, or none. Raises EntryError."""
        found = list(entries)
        self.check(found)
        with errors():
            return self._write(folder.name_for(title), found)

    def _write(self, name: str, entries: list[Entry]) -> Path:
        return folder.write(self.folder, name, entries, self._journal.make_identity())

    def identity(self) -> str:
        """What tells this archive from others, of which Study Instance UIDs are made."""
        with errors():
            return self._journal.make_identity()

    def check(self, entries: Iterable[Entry]) -> None:
        """Raise EntryError where one has the numbers of another patient's."""
        with self._tables() as db:
            found = [words for one in entries if (words := table.contradicted(db, one))]
        if found:
            raise EntryError(*found)

    def decide(self, entry: Entry, state: State | None, by: By, who: str = "") -> None:
        """Have an entry be in a state, or, without one, be again what its evidence makes it."""
        of, step = entry.key
        with self._tables() as db, self._journal.turn(), writing(db):
            self._append(db, steps.line_decided(of, step, state or "", by, who))

    def create(self, uid: str, peer: str, held: Elements, lenient: bool) -> tuple[BaseTag, ...]:
        """Begin a performed procedure step, on the disk when this returns; what was wanting in it.

        Raises StepError.
        """
        wanting = check_created(held, lenient)
        with self._tables() as db, self._journal.turn(), writing(db):
            steps.read_on(db, self._journal)
            if steps.find(db, uid):
                raise StepError(StepFault.DUPLICATE, "The performed procedure step is there")
            self._append(db, steps.line_created(uid, peer, held))
        return wanting

    def set(self, uid: str, peer: str, changes: Elements, lenient: bool) -> "SetStep":
        """Set what a modality says of a step, on the disk when this returns. Raises StepError."""
        with self._tables() as db, self._journal.turn(), writing(db):
            steps.read_on(db, self._journal)
            before = self._step(db, uid)
            repeated = check_set(before.elements, changes, lenient)
            self._append(db, steps.line_set(uid, peer, changes))
            return SetStep(before, self._step(db, uid), repeated)

    def step(self, uid: str) -> Step:
        """The performed procedure step of a SOP Instance UID. Raises StepError."""
        with self._tables() as db:
            return self._step(db, uid)

    def _step(self, db: sqlite3.Connection, uid: str) -> Step:
        found = steps.find(db, uid)
        if found is None:
            raise StepError(StepFault.UNKNOWN, "There is no such performed procedure step")
        return found

    def _append(self, db: sqlite3.Connection, line: dict[str, object]) -> None:
        """Write a line of the journal, and have the tables hold it; a transaction is open."""
        self._journal.append(STEPS, **line)
        steps.read_on(db, self._journal)

    def note_question(self, question: Question) -> None:
        """Keep what a modality has asked, for who wonders what it was not shown."""
        with self._lock, errors():
            questions.note(self._connected(), question)

    def questions(self, peer: str) -> list[Question]:
        """The last questions of a modality, the newest first."""
        with self._lock, errors():
            return questions.of(self._connected(), peer)

    @contextmanager
    def _tables(self) -> Iterator[sqlite3.Connection]:
        """The tables, holding what folder and journal hold now."""
        with self._lock, errors():
            db = self._connected()
            table.bring_up(db, self.folder, self._journal.make_identity(), self._charset)
            steps.bring_up(db, self._journal)
            yield db

    @contextmanager
    def followed(self) -> Iterator[tuple[sqlite3.Connection, Journal]]:
        """The same, for who follows what arrives."""
        with self._tables() as db:
            yield db, self._journal

    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            if self.folder.parent == self._data:  # the one that is ours to make
                self.folder.mkdir(mode=0o700, exist_ok=True)
            self._entries.clear()  # rows of another file have the same numbers
            self._held_of = -1, ""
            self._db = database.connect(self._data)
        return self._db

    def _gathered(self, db: sqlite3.Connection, since: str) -> list[Held]:
        """The entries with what tells of them; as before, where nothing was changed."""
        key = database.changes(db), since
        if key != self._held_of:
            rows = [(row_id, file, self._entry(db, row_id))
                    for row_id, file in table.rows_since(db, since)]  # fmt: skip
            self._entries = {row_id: entry for row_id, _, entry in rows}
            self._held = evidence.gathered(db, since, rows)
            self._held.sort(key=lambda one: (one.entry.day, one.entry.time, one.row_id))
            self._held_of = key
        return self._held

    def _entry(self, db: sqlite3.Connection, row_id: int) -> Entry:
        return self._entries.get(row_id) or table.entry_of(db, row_id)


@dataclass(frozen=True)
class SetStep:
    """A step before and after; `repeated`: of what must not be set, what says no more."""

    before: Step
    after: Step
    repeated: tuple[BaseTag, ...]
