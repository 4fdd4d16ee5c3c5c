"""Rows brought to what the corrections say now, without a look into a file.

What instances said before any correction lies with what they are shown with, in `shared_header`.
So the rows above them follow, whatever was corrected or taken back, and at a cost that goes by
series, not by instances. It is done in steps, and between two of them others write.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

from storage.dicom import Header
from storage.dicom.values import PATIENT_IDENTITY, UID_KEYWORDS, UNIQUE, Level
from storage.index import entities
from storage.index.rows import ABOVE, SharedHeader, row_of, shared_header
from storage.index.tables import IDENTITY, SHARED, TABLES, Index
from storage.query import Dialect

Corrected = Callable[[Header], Header]

# How long others that write wait for a step, about.
_STEP_SECONDS = 0.02
# Shared headers that are looked at, and instances that are moved, without a look at the clock.
_MANY = 200


@dataclass(frozen=True)
class _Held:
    """A shared header: its number, its series, and what stands above that."""

    number: int
    series: int
    said: SharedHeader
    uids: tuple[str, str]
    identity: tuple[str, ...]  # of the patient

    @cached_property
    def shown(self) -> dict[str, str]:
        """What its instances are shown with: columns that have a text."""
        shown = dict(zip(PATIENT_IDENTITY, self.identity, strict=False))
        for text in self.said.texts:
            shown |= json.loads(text)
        return shown

    @cached_property
    def header(self) -> Header:
        """What its instances said when they came, as far as they say it alike."""
        values = json.loads(self.said.came) if self.said.came else self.shown
        uids = dict(zip(UID_KEYWORDS, (*self.uids, ""), strict=True))
        return Header(dict.fromkeys(ABOVE, "") | values | uids)


class Recorrection:
    """The rows of some studies, by number, to be brought to what `corrected` makes of them.

    What it is asked for is the same for all instances of a series that say the same above their
    own level.
    """

    def __init__(self, index: Index, studies: Iterable[int], corrected: Corrected) -> None:
        self._index, self._corrected = index, corrected
        self._studies = deque(studies)
        self._after = 0  # the last shared header of the first study that is done
        self._touched: set[int] = set()  # series
        self._patients: set[int] = set()  # whom a study was taken from, or given

    def steps(self) -> Iterator[int]:
        """Do it: a transaction each time, and how many instances are in what it changed.

        Raises ResourceError.
        """
        while self._studies:
            until = time.monotonic() + _STEP_SECONDS
            with self._index.engine.writing():
                changed = self._change_page(until)
                while self._studies and time.monotonic() < until:
                    changed += self._change_page(until)
                self._bring_up()
            yield changed

    def _change_page(self, until: float) -> int:
        study, changed = self._studies[0], 0
        page = _page(self._index, study, self._after)
        wanted = [(held, self._corrected(held.header)) for held in page]
        is_moved = (
            not self._after
            and len(page) < _MANY
            and self._move_study(study, [header for _, header in wanted])
        )
        for held, header in wanted:
            count, is_done = self._change(held, header)
            changed += count
            # What is not corrected yet came with the identity of the patient above it.
            while is_moved and not is_done:
                _, is_done = self._change(held, header)
            if not is_done:
                return changed
            self._after = held.number
            if time.monotonic() > until and not is_moved:
                return changed
        if len(page) < _MANY:
            self._studies.popleft()
            self._after = 0
        return changed

    def _move_study(self, study: int, headers: Sequence[Header]) -> bool:
        """Put a study under the patient that all of it has now, unless that has such a study."""
        identities = {_identity(header) for header in headers}
        (before,) = self._execute("SELECT parent_id FROM study WHERE id = ?", study) or [(0,)]
        if len(identities) != 1 or not before[0]:
            return False
        patient, _ = entities.entity(self._index, Level.PATIENT, row_of(Level.PATIENT, headers[0]))
        there = "SELECT 1 FROM study WHERE parent_id = ? AND StudyInstanceUID = ?"
        if patient == before[0] or self._execute(there, patient, headers[0].uids[0]):
            return False
        self._execute("UPDATE study SET parent_id = ? WHERE id = ?", patient, study)
        self._patients |= {before[0], patient}
        return True

    def _change(self, held: _Held, header: Header) -> tuple[int, bool]:
        """Have a shared header's instances say what they are to; how many, and whether all do."""
        said = shared_header(header)
        if said == held.said and _identity(header) == held.identity:
            return 0, True
        series, _ = entities.series_of(self._index, header)  # another one where the patient is
        if series == held.series:
            if said == held.said:
                return 0, True
            same = "SELECT 1 FROM shared_header WHERE parent_id = ? AND digest = ?"
            if not self._execute(same, series, said.digest):
                self._touched.add(series)
                entities.update_shared(self._index, held.number, said)
                count = "SELECT COUNT(*) FROM instance WHERE shared_id = ?"
                return int(self._execute(count, held.number)[0][0]), True
        return self._move(held, series, entities.shared_of(self._index, series, said))

    def _move(self, held: _Held, series: int, shared: int) -> tuple[int, bool]:
        """Have some instances be of another series and shared header; whether none is left."""
        self._touched |= {held.series, series}
        some = "SELECT id FROM instance WHERE shared_id = ? LIMIT ?"
        moved = self._execute(some, held.number, _MANY)
        for (number,) in moved:
            to = "UPDATE instance SET parent_id = ?, shared_id = ? WHERE id = ?"
            self._execute(to, series, shared, number)
        if is_done := len(moved) < _MANY:
            self._execute("DELETE FROM shared_header WHERE id = ?", held.number)
        return len(moved), is_done

    def _bring_up(self) -> None:
        """Make the rows anew above what was changed; those that hold nothing any more go."""
        above: dict[Level, set[int]] = {level: set() for level in SHARED}
        above[Level.PATIENT] |= self._patients
        for series in self._touched:
            for level, number in entities.parents(self._index, series).items():
                above[level].add(number)
        for level in reversed(above):
            entities.prune(self._index, sorted(above[level]), level)
            for number in sorted(above[level]):
                entities.refresh(self._index, level, number)
        self._touched.clear()
        self._patients.clear()

    def _execute(self, statement: str, *values: object) -> list[tuple[int, ...]]:
        return self._index.engine.execute(statement, values)


def studies_of(index: Index, level: Level, keys: Iterable[str]) -> list[int]:
    """The numbers of the studies of what has one of some keys at a level. Raises ResourceError."""
    dialect = index.engine.dialect
    statement = _of_one(level, "DISTINCT study.id", dialect, level is Level.IMAGE)
    with index.engine.reading():
        found = (row[0] for key in keys for row in index.engine.execute(statement, (key,)))
        return list(dict.fromkeys(found))


def instances_of(index: Index, level: Level, keys: Iterable[str]) -> list[int]:
    """The numbers of the instances, as they arrived. Raises ResourceError."""
    statement = _of_one(level, "arrived, instance.id", index.engine.dialect)
    with index.engine.reading():
        rows = (row for key in keys for row in index.engine.execute(statement, (key,)))
        return [number for _, number in sorted(rows)]


def patient_ids(index: Index, level: Level, key: str) -> set[str]:
    """The Patient IDs that the instances came with, and are shown with. Raises ResourceError."""
    with index.engine.reading():
        held = _shared_headers(index, level, key)
        return {text for one in held for text in (one.identity[0], one.header[PATIENT_IDENTITY[0]])}


def texts_of(index: Index, level: Level, key: str, column: str, most: int) -> list[str]:
    """The different texts of a column that instances are shown with, some at most.

    Raises ResourceError.
    """
    with index.engine.reading():
        if column in ABOVE:
            texts = (held.shown.get(column, "") for held in _shared_headers(index, level, key))
            return list(islice(dict.fromkeys(texts), most))
        statement = _of_one(level, f"instance.{column}", index.engine.dialect) + " "
        grouped = f"GROUP BY instance.{column} ORDER BY MIN(arrived) LIMIT ?"
        return [text for (text,) in index.engine.execute(statement + grouped, (key, most))]


def _shared_headers(index: Index, level: Level, key: str) -> Iterator[_Held]:
    """Those of the instances of an entity."""
    if level is Level.IMAGE:
        of_one = _of_one(level, "DISTINCT shared_id", index.engine.dialect)
        wanted = {number for (number,) in index.engine.execute(of_one, (key,))}
    for study in studies_of(index, level, [key]):
        after = 0
        while page := _page(index, study, after):
            after = page[-1].number
            for held in page:
                if level is Level.IMAGE and held.number not in wanted:
                    continue
                if level is not Level.SERIES or held.uids[1] == key:
                    yield held


def _page(index: Index, study: int, after: int) -> list[_Held]:
    """The shared headers of a study behind one, some at most."""
    found = index.engine.execute(_PAGE, (study, after, _MANY))
    return [
        _Held(number, series, SharedHeader((*row[: len(SHARED)],), bool(corrected), came),
              (row[len(SHARED)], row[len(SHARED) + 1]), (*row[len(SHARED) + 2 :],))
        for number, series, corrected, came, *row in found
    ]  # fmt: skip


def _identity(header: Header) -> tuple[str, ...]:
    row = row_of(Level.PATIENT, header)
    return tuple(row[name] for name in IDENTITY[Level.PATIENT])


_PAGE = (
    f"SELECT shared.id, shared.parent_id, shared.corrected, shared.came, "
    f"{', '.join(f'shared.{column}' for column in SHARED.values())}, "
    "StudyInstanceUID, SeriesInstanceUID, "
    f"{', '.join(f'patient.{column}' for column in IDENTITY[Level.PATIENT])} "
    "FROM shared_header AS shared JOIN series ON shared.parent_id = series.id "
    "JOIN study ON series.parent_id = study.id JOIN patient ON study.parent_id = patient.id "
    f"WHERE series.parent_id = ? AND shared.id > ? ORDER BY shared.id LIMIT ?"
)
_JOINED = (
    "FROM patient JOIN study ON study.parent_id = patient.id "
    "JOIN series ON series.parent_id = study.id JOIN instance ON instance.parent_id = series.id"
)


@lru_cache
def _of_one(level: Level, columns: str, dialect: Dialect, to_instances: bool = True) -> str:
    """The statement for columns of what has a unique key, which may be used twice."""
    joined = _JOINED if to_instances else _JOINED.rpartition(" JOIN ")[0]
    asked = dialect.is_text.format(f"{TABLES[level]}.{UNIQUE[level].column}")
    return f"SELECT {columns} {joined} WHERE {asked}"
