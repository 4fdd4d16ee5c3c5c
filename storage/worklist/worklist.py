"""The worklist in the hands of one process: entries, what became of them, performed steps."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydicom.tag import BaseTag

from storage.dicom.data_sets import Elements
from storage.journal import ENTRIES, STEPS, Journal
from storage.sharing.place import shared_place
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

    Where several nodes have the archive, what is put here are lines of its journal, else files of
    the folder. Every method raises ResourceError where one of them cannot be read or written.
    """

    def __init__(self, data: Path, journal: Journal, where: Path | None, charset: str = "") -> None:
        """`where`: the folder of entries, if any; `charset` is for text in it that names none."""
        self.folder = where
        self._is_shared = shared_place(data) is not None
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

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have no other node change it for the block; all that is done there is, or none of it.

        Nothing, where one node has the archive.
        """
        if not self._is_shared:
            yield
            return
        with self._changing():
            yield

    def put(self, entries: Iterable[Entry]) -> list[str]:
        """Have entries; one that is there is updated. What each is called in the place of a file.

        Raises EntryError before.
        """
        found = list(entries)
        if not self._is_shared:
            self.check(found)
            with errors():
                return [self._write(folder.name_of(one), [one]) for one in found]
        with self._changing() as db:
            _check(db, found)
            self._journal.append_all(ENTRIES, map(table.line_put, found))
            table.read_on(db, self._journal)
        return [table.name_of(*one.key) for one in found]

    def put_together(self, title: str, entries: Sequence[Entry]) -> list[str]:
        """Have entries, all or none; where they are files, as one. Raises EntryError."""
        if self._is_shared:
            return self.put(entries)
        self.check(entries)
        with errors():
            return [self._write(folder.name_for(title), list(entries))]

    def _write(self, name: str, entries: list[Entry]) -> str:
        assert self.folder
        return folder.write(self.folder, name, entries, self._journal.make_identity()).name

    def remove(self, file: str) -> None:
        """Have a file no more, with all entries in it, or the entry of a line."""
        with self._tables() as db:
            key = table.key_of_line(db, file)
            if key is None and self.folder:
                (self.folder / file).unlink(missing_ok=True)
            if key is None:
                return
        with self._changing() as db:
            self._journal.append(ENTRIES, **table.line_removed(*key))
            table.read_on(db, self._journal)

    def identity(self) -> str:
        """What tells this archive from others, of which Study Instance UIDs are made."""
        with errors():
            return self._journal.make_identity()

    def check(self, entries: Iterable[Entry]) -> None:
        """Raise EntryError where one has the numbers of another patient's."""
        with self._tables() as db:
            _check(db, entries)

    def decide(self, entry: Entry, state: State | None, by: By, who: str = "") -> None:
        """Have an entry be in a state, or, without one, be again what its evidence makes it."""
        of, step = entry.key
        with self._changing() as db:
            self._append(db, steps.line_decided(of, step, state or "", by, who))

    def note_completed(self, known: Known) -> bool:
        """Write down that images have completed an entry; False: somebody has told otherwise.

        Of several nodes that see it one writes it down.
        """
        entry, before = known.entry, known.evidence.decided
        with self._changing() as db:
            now = steps.decision(db, *entry.key)
            if now != (before and (str(before.state), str(before.by))):
                return False
            told = steps.line_decided(*entry.key, State.COMPLETED, By.IMAGES, "")
            self._append(db, told)
        return True

    def create(self, uid: str, peer: str, held: Elements, lenient: bool) -> tuple[BaseTag, ...]:
        """Begin a performed procedure step, on the disk when this returns; what was wanting in it.

        Raises StepError.
        """
        wanting = check_created(held, lenient)
        with self._changing() as db:
            if steps.find(db, uid):
                raise StepError(StepFault.DUPLICATE, "The performed procedure step is there")
            self._append(db, steps.line_created(uid, peer, held))
        return wanting

    def set(self, uid: str, peer: str, changes: Elements, lenient: bool) -> "SetStep":
        """Set what a modality says of a step, on the disk when this returns. Raises StepError."""
        with self._changing() as db:
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
            if not db.in_transaction:
                table.bring_up(db, self.folder, self._journal, self._charset)
                steps.bring_up(db, self._journal)
            yield db

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """The same in a transaction, with the journal's turn: what is read there stays true.

        The lines are durable before the tables have them.
        """
        with self._tables() as db:
            if db.in_transaction:  # of `turn`
                yield db
                return
            with writing(db), self._journal.turn():
                table.read_on(db, self._journal)
                steps.read_on(db, self._journal)
                yield db

    @contextmanager
    def followed(self) -> Iterator[tuple[sqlite3.Connection, Journal]]:
        """The same, for who follows what arrives."""
        with self._tables() as db:
            yield db, self._journal

    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            if self.folder and self.folder.parent == self._data:  # the one that is ours to make
                self.folder.mkdir(mode=0o700, exist_ok=True)
            self._entries.clear()  # rows of another file have the same numbers
            self._held_of = -1, ""
            self._db = database.connect(self._data)
        return self._db

    def _gathered(self, db: sqlite3.Connection, since: str) -> list[Held]:
        """The entries with what tells of them; as before, where nothing was changed."""
        key = database.changes(db), since
        if key == self._held_of and not db.in_transaction:
            return self._held
        rows = [(row_id, file, self._entry(db, row_id))
                for row_id, file in table.rows_since(db, since)]  # fmt: skip
        held = evidence.gathered(db, since, rows)
        held.sort(key=lambda one: (one.entry.day, one.entry.time, one.row_id))
        if not db.in_transaction:  # which may be taken back
            self._entries = {row_id: entry for row_id, _, entry in rows}
            self._held, self._held_of = held, key
        return held

    def _entry(self, db: sqlite3.Connection, row_id: int) -> Entry:
        return self._entries.get(row_id) or table.entry_of(db, row_id)


def _check(db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Raises EntryError."""
    found = [words for one in entries if (words := table.contradicted(db, one))]
    if found:
        raise EntryError(*found)


@dataclass(frozen=True)
class SetStep:
    """A step before and after; `repeated`: of what must not be set, what says no more."""

    before: Step
    after: Step
    repeated: tuple[BaseTag, ...]
