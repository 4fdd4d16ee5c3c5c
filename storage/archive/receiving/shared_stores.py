"""Stores into an archive that several nodes have: an object, then one transaction for all else.

Durable first: the object lies there under a key that nobody else has, and no row names it. Then
receipt, rows and state are committed at once, or nothing of them. What a kill in between leaves is
an object without a row, which the sweeper removes after a day.
"""

from dataclasses import replace
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, time_ns

from storage.archive.receiving.received import (
    OnConflict,
    Received,
    Stored,
    StoreOutcome,
    facts_of,
    outcome_of,
    receipt,
)
from storage.diagnostics import DuplicateError, ResourceError
from storage.dicom import Header
from storage.files import FileFacts, IncomingDataSet, words_of
from storage.files.objects.contract import Source
from storage.index import record
from storage.index.consistency import about
from storage.journal import RECEIPTS
from storage.journal.corrections import in_force
from storage.sharing.ledger import ObjectRow, State
from storage.sharing.opened import Shared, shared_of

# Behind its object's put a store commits within that, or not at all, in seconds: the sweeper then
# never takes one that is about to be committed for one of which nobody knows.
_IN_TIME_SECONDS = 3600.0


class SharedStores:
    """Those of a process, into the shared archive of a data folder; safe to use by many threads."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def store(
        self, received: Received, intake: IncomingDataSet, header: Header, on_conflict: OnConflict
    ) -> Stored:
        """Store an instance that has arrived. Raises ArchiveError: it was not stored then.

        Where it cannot be known whether it was, that is raised too, and its object stays.
        """
        shared = shared_of(self._data)
        held = shared.objects.held(header.uids)
        is_same = _is_same(held, received, intake)
        is_lost = bool(held and is_same and not _is_there(shared, held))
        outcome = outcome_of(None if is_lost else is_same, on_conflict)
        if outcome in (StoreOutcome.UNCHANGED, StoreOutcome.KEPT):
            with shared.engine.reading():
                return Stored(outcome, header.uids, tuple(about(shared.index, header.uids)))
        lost = held.key if held and is_lost else ""
        return _Commit(shared, received, intake, header, on_conflict, lost).run()


class _Commit:
    """One instance, from when its object is put until it is told what became of it."""

    def __init__(
        self, shared: Shared, received: Received, intake: IncomingDataSet, header: Header,
        on_conflict: OnConflict, lost: str,
    ) -> None:  # fmt: skip
        self._shared, self._received, self._intake = shared, received, intake
        self._header, self._on_conflict, self._lost = header, on_conflict, lost
        self._at, self._began = shared.journal.now(), clock_gettime(CLOCK_BOOTTIME)
        self._key, self._was_run = "", False
        self._facts = FileFacts("", 0, "")
        self._outcome: StoreOutcome | None = None  # None: refused
        self._disagreements: list[str] = []

    def run(self) -> Stored:
        """Put the object, and commit what names it. Raises ArchiveError."""
        uids = self._header.uids
        source, arrived = _source(self._intake)
        self._facts = replace(facts_of(self._received, self._intake, self._at), arrived=arrived)
        try:
            self._key = self._shared.tree.put(uids, source, self._facts)
        except ResourceError:
            raise
        except OSError as error:
            raise ResourceError(f"Cannot read {uids[2]}: {words_of(error)}") from error
        self._shared.engine.write(self._write)
        if self._outcome is None:
            raise DuplicateError("Held with other content, and on_conflict is refuse")
        return Stored(self._outcome, uids, tuple(self._disagreements))

    def _write(self) -> None:
        """Of a transaction that writes; it may be run again, also where it was committed."""
        objects, uids = self._shared.objects, self._header.uids
        known = objects.held_or_own(uids, self._key)
        if own := next((one for one in known if one.key == self._key), None):
            self._require_committed(own)
            return
        held = known[0] if known else None
        self._was_run = True
        if clock_gettime(CLOCK_BOOTTIME) - self._began > _IN_TIME_SECONDS:
            raise ResourceError("It took too long to be entered: it is to be sent again")
        is_lost = held is not None and held.key == self._lost
        try:
            is_same = _is_same(held, self._received, self._intake)
            self._outcome = outcome_of(is_same, self._on_conflict)
            if is_lost:
                self._outcome = StoreOutcome.REPLACED
        except DuplicateError:
            self._outcome = None
        if self._outcome not in (StoreOutcome.STORED, StoreOutcome.REPLACED):
            objects.add(self._key, uids, State.TO_DELETE, self._facts)  # another was faster
            return
        if held:
            objects.turn(held.key, State.HELD, State.SUPERSEDED)
        objects.add(self._key, uids, State.HELD, self._facts)
        line = receipt(self._header, self._facts, self._at)
        self._shared.journal.add_within(RECEIPTS, line)
        header = in_force(self._shared.data).corrected(self._header)
        record(self._shared.index, header, self._facts, self._look)

    def _require_committed(self, own: ObjectRow) -> None:
        """It has a row by now: what was found when that was written stays.

        But where it was swept: this process was held up for a day. Raises ResourceError.
        """
        is_stored = self._outcome in (StoreOutcome.STORED, StoreOutcome.REPLACED)
        if not self._was_run or (is_stored and own.state is State.TO_DELETE):
            raise ResourceError("Its object was swept before it could be entered: send it again")

    def _look(self) -> None:
        self._disagreements = about(self._shared.index, self._header.uids)


def _source(intake: IncomingDataSet) -> tuple[Source, int]:
    """The whole file of a data set, and when it arrived, in nanoseconds since 1970."""
    arrived = time_ns()
    if held := intake.in_memory:
        return held, arrived
    path = Path(intake.write_out(arrived))
    return path, intake.arrived


def _is_same(held: ObjectRow | None, received: Received, intake: IncomingDataSet) -> bool | None:
    """Whether the same data set is held in the same transfer syntax; None: nothing is."""
    if held is None:
        return None
    told = held.facts.digest, held.facts.file_bytes, held.facts.transfer_syntax_uid
    return told == (intake.digest, intake.size, received.transfer_syntax_uid)


def _is_there(shared: Shared, held: ObjectRow) -> bool:
    """Whether the store has the object of a row. Raises StoreError."""
    try:
        found = shared.store().held(held.key)
    except FileNotFoundError:
        return False
    return found.facts is None or found.facts.digest == held.facts.digest
