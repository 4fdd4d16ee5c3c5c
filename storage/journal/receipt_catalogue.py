"""What is asked of the receipts of years: where those of a study lie, and when it arrived last."""

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import AbstractContextManager

from storage.diagnostics import Event
from storage.dicom.values import Uids
from storage.journal.catalogue import Unavailable, brought_up, read_on
from storage.journal.clock import Clock, Run, Times, time_of, times_told
from storage.journal.journal import RECEIPTS, Journal
from storage.journal.receipts import Receipt, in_journal
from storage.journal.segments import Line, record_of

logger = logging.getLogger(__name__)

_TABLES = ("study_block", "arrival", "run")
# Receipts of a study are looked for in stretches of the journal that are at most as long.
_BLOCK_BYTES = 256 << 10
_KEY_BYTES = 8  # of a Study Instance UID: where two are alike a stretch is read for nothing
# Read at a time by who keeps the catalogue near the journal: some thousand receipts.
_LITTLE_BYTES = 1 << 20

_PLACE = (
    "INSERT INTO study_block VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "start = MIN(start, excluded.start), end = MAX(end, excluded.end)"
)
_ARRIVED = (
    "INSERT INTO arrival VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = MAX(at, excluded.at)"
)


def keep_near(journal: Journal) -> bool:
    """Read a little more of the receipts; whether there may be still more. Raises Unavailable."""
    return read_on(journal, RECEIPTS, _TABLES, _enter, _LITTLE_BYTES)


def entered(journal: Journal) -> AbstractContextManager[sqlite3.Connection]:
    """Have the catalogue hold all of them, and nobody read more meanwhile. Raises Unavailable."""
    return brought_up(journal, RECEIPTS, _TABLES, _enter)


def forget_places(journal: Journal, start: int, end: int) -> None:
    """Forget where receipts lay that were dropped between two positions. Raises Unavailable."""
    first, last = start // _BLOCK_BYTES, (end - 1) // _BLOCK_BYTES
    left = _Batch(Clock())
    for line in journal.lines(RECEIPTS, first * _BLOCK_BYTES, end + 2 * _BLOCK_BYTES):
        left.add(line)
    with entered(journal) as db:
        rows = db.execute("SELECT study, block FROM study_block WHERE block BETWEEN ? AND ?",
                          (first, last)).fetchall()  # fmt: skip
        gone = [row for row in rows if row not in left.places]
        db.executemany("DELETE FROM study_block WHERE study = ? AND block = ?", gone)


def forget_studies(journal: Journal, is_held: Callable[[str], bool]) -> None:
    """Forget when those arrived of which no receipt is left, and nothing held.

    Raises Unavailable.
    """
    with entered(journal) as db:
        told = {key for (key,) in db.execute("SELECT DISTINCT study FROM study_block")}
        arrived = [study for (study,) in db.execute("SELECT DISTINCT study FROM arrival")]
        gone = [one for one in arrived if _key(one) not in told and not is_held(one)]
        db.executemany("DELETE FROM arrival WHERE study = ?", [(study,) for study in gone])


def stretches(journal: Journal, studies: Iterable[str]) -> list[tuple[int, int | None]]:
    """From where to where the journal has the receipts of studies, in its order.

    All of it, where the catalogue cannot be written just now.
    """
    wanted = {_key(study) for study in studies}
    found: set[tuple[int, int | None]] = set()
    try:
        with entered(journal) as db:
            for key in wanted:
                statement = "SELECT start, end FROM study_block WHERE study = ?"
                found |= set(db.execute(statement, (key,)).fetchall())
    except Unavailable as error:
        logger.warning(Event("all of the journal's receipts are read", str(error)))
        return [(0, None)]
    return _apart(sorted(found, key=lambda one: one[0]))


def receipts_by_digest(journal: Journal, wanted: Set[Uids]) -> dict[Uids, dict[str, Receipt]]:
    """All receipts that were ever written of instances, also those that were withdrawn."""
    found: dict[Uids, dict[str, Receipt]] = {}
    instances = {instance for _, _, instance in wanted}
    for start, end in stretches(journal, {study for study, _, _ in wanted}):
        for uids, receipt in in_journal(journal, start, end, instances):
            if uids in wanted and isinstance(receipt, Receipt):
                found.setdefault(uids, {})[receipt.digest] = receipt
    return found


def _apart(found: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """The same, so that nothing is read twice: stretches of several studies overlap."""
    apart: list[tuple[int, int]] = []
    for start, end in found:
        assert end is not None
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(end, apart[-1][1])
        else:
            apart.append((start, end))
    return [*apart]


def arrivals(journal: Journal) -> tuple[Clock, dict[str, dict[int, float]]]:
    """When each study's last instance arrived, by the number of its run; and all runs of times.

    Raises ResourceError.
    """
    clock = Clock()
    found: dict[str, dict[int, float]] = {}
    try:
        with entered(journal) as db:
            clock.runs += [Run(*row) for row in db.execute(f"{_RUNS} ORDER BY number")]
            for study, run, at in db.execute("SELECT study, run, at FROM arrival"):
                found.setdefault(study, {})[run] = at
    except Unavailable as error:
        logger.warning(Event("all of the journal's receipts are read", str(error)))
        batch = _Batch(clock)
        for line in journal.lines(RECEIPTS):
            batch.add(line)
        for (study, run), at in batch.arrived.items():
            found.setdefault(study, {})[run] = at
    return clock, found


_RUNS = "SELECT first, last, lines FROM run"


class _Batch:
    """What some lines tell, one after the other."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.arrived: dict[tuple[str, int], float] = {}
        self.places: dict[tuple[bytes, int], tuple[int, int]] = {}

    def add(self, line: Line) -> None:
        """Take the next line."""
        record = record_of(line.text)
        if record is None:
            self._add(times_told(line.text))
            return
        uids = record.get("uids")
        if record.get("withdrawn") or not isinstance(uids, list) or not uids:
            return
        study = str(uids[0])
        place = _key(study), line.start // _BLOCK_BYTES
        start, _ = self.places.get(place, (line.start, 0))
        self.places[place] = start, line.end
        try:
            at = time_of(record)
        except ValueError:
            words = str(record.get("at"))[:40]
            logger.warning(Event("a receipt has no time", words, study=study))
            return
        self._add([Times(at, at, studies={study: at})])

    def _add(self, told: Iterable[Times]) -> None:
        for times in told:
            run = self.clock.add(times)
            for study, at in times.studies.items():
                self.arrived[study, run] = max(self.arrived.get((study, run), at), at)


def _enter(db: sqlite3.Connection, lines: Iterator[Line]) -> None:
    """Enter lines into the catalogue."""
    last = db.execute("SELECT MAX(number) FROM run").fetchone()[0]
    first = last or 0
    clock = Clock()
    if last is not None:  # which the next line may go on with
        clock.runs += [Run(*row) for row in db.execute(f"{_RUNS} WHERE number = ?", (last,))]
    batch = _Batch(clock)
    for line in lines:
        batch.add(line)
    db.executemany(
        "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)",
        [(first + n, run.first, run.last, run.lines) for n, run in enumerate(clock.runs)],
    )
    arrived = batch.arrived.items()
    db.executemany(_ARRIVED, [(study, first + run, at) for (study, run), at in arrived])
    db.executemany(_PLACE, [(*place, *ends) for place, ends in batch.places.items()])


def _key(study: str) -> bytes:
    return hashlib.blake2b(study.encode(errors="replace"), digest_size=_KEY_BYTES).digest()
