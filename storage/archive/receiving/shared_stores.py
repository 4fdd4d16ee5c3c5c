"""Stores into an archive that several nodes have: an object, then one transaction for all else.

Durable first: the object lies there under a key that nobody else has, and no row names it. Then
receipt, rows and state are committed at once, or nothing of them. What a kill in between leaves is
an object without a row, which the sweeper removes after a day.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, time_ns
from typing import Any, NamedTuple, TypeVar

from storage.archive.receiving.at_once import Entering
from storage.archive.receiving.received import (
    OnConflict,
    Received,
    Stored,
    StoreOutcome,
    facts_of,
    outcome_of,
    receipt,
)
from storage.diagnostics import ArchiveError, DuplicateError, ResourceError
from storage.dicom import Header
from storage.dicom.values import Uids
from storage.files import Bounds, FileFacts, IncomingDataSet, words_of
from storage.files.objects.contract import Source
from storage.index import digest_in, enter, instance_row, planned_row, record
from storage.index.consistency import about
from storage.index.engines.postgres import PassingError
from storage.journal import RECEIPTS, line_of, pinned
from storage.journal.corrections import in_force, last_known
from storage.sharing.ledger import NewObject, ObjectRow, State
from storage.sharing.opened import Shared, shared_of

# An instance that has arrived, and its header.
Arrived = tuple[Received, IncomingDataSet, Header]
Made = TypeVar("Made")

# What was displaced so lately stays, whatever comes: somebody can still see that it was wrong.
_SAFE_MILLISECONDS = 86_400_000
_PUT_AT_ONCE = 8
# Behind its object's put a store commits within that, or not at all, in seconds: the sweeper then
# never takes one that is about to be committed for one of which nobody knows.
_IN_TIME_SECONDS = 3600.0


class SharedStores:
    """Those of a process, into the shared archive of a data folder; safe to use by many threads."""

    def __init__(self, data: Path, bounds: Bounds) -> None:
        self._data = data
        self.on_conflict, self.bounds = OnConflict.REPLACE, bounds

    def store(self, received: Received, intake: IncomingDataSet, header: Header) -> Stored:
        """Store an instance that has arrived. Raises ArchiveError: it was not stored then.

        Where it cannot be known whether it was, that is raised too, and its object stays.
        """
        shared = shared_of(self._data)
        begun = self._begun(shared, received, intake, header)
        if isinstance(begun, Stored):
            return begun
        begun.put()
        _send(shared, [begun])
        return _written(shared, begun)

    def store_all(self, arrived: Sequence[Arrived]) -> list[Stored | ArchiveError]:
        """The same of several: put side by side, and entered in one transaction."""
        shared = shared_of(self._data)
        with ThreadPoolExecutor(_PUT_AT_ONCE, "put") as puts:
            begun = list(puts.map(lambda one: _tried(self._put, shared, *one), arrived))
        commits = [one for one in begun if isinstance(one, _Commit)]
        _tried(_send, shared, commits)
        is_done = _tried(_write_together, shared, commits) is None
        return [
            _tried(one.stored if is_done else partial(_written, shared, one))
            if isinstance(one, _Commit) else one
            for one in begun
        ]  # fmt: skip

    def _put(
        self, shared: Shared, received: Received, intake: IncomingDataSet, header: Header
    ) -> "Stored | _Commit":
        begun = self._begun(shared, received, intake, header)
        if isinstance(begun, _Commit):
            begun.put()
        return begun

    def _begun(
        self, shared: Shared, received: Received, intake: IncomingDataSet, header: Header
    ) -> "Stored | _Commit":
        """What is to be committed; or what became of it, where nothing is to be done."""
        held = shared.objects.held(header.uids)
        is_same = _is_same(held, received, intake)
        is_lost = bool(held and is_same and not _is_there(shared, held))
        outcome = outcome_of(None if is_lost else is_same, self.on_conflict)
        if outcome in (StoreOutcome.UNCHANGED, StoreOutcome.KEPT):
            if held and is_same:
                _enter_again(shared, held, header)
            shared.engine.make_lasting()
            with shared.engine.reading():
                return Stored(outcome, header.uids, tuple(about(shared.index, header.uids)))
        lost = held.key if held and is_lost else ""
        rules = _Rules(self.on_conflict, self.bounds.copies)
        return _Commit(shared, received, intake, header, rules, lost)


def _tried(work: Callable[..., Made], *given: Any) -> Made | ArchiveError:
    """What a work gives, or why it does not."""
    try:
        return work(*given)
    except ArchiveError as error:
        return error


def _send(shared: Shared, commits: Sequence["_Commit"]) -> None:
    """Have those entered that are new, in one trip; of the others `write` sees to it.

    One trip more where what this process remembered is not so any more. Of several for the same
    instance none is sent, as they have an order. Raises ResourceError.
    """
    times = Counter(one.uids for one in commits)
    alone = [one for one in commits if times[one.uids] == 1]
    with suppress(PassingError):  # `write` finds out what became of them
        _send_once(shared, [(one, new) for one in alone if (new := one.planned())])
        outdated = [one for one in alone if one.is_outdated]
        _send_once(shared, [(one, new) for one in outdated if (new := one.planned(seeks=True))])


def _send_once(shared: Shared, planned: Sequence[tuple["_Commit", NewObject]]) -> None:
    def send() -> None:
        for one, new in planned:
            one.send(new)

    if planned:
        shared.engine.send(send)
        for one, _ in planned:
            one.see()


def _write_together(shared: Shared, commits: Sequence["_Commit"]) -> None:
    left = [one for one in commits if not one.is_done]

    def write() -> None:
        for one in left:
            one.write()

    if left:
        shared.engine.write(write)


def _written(shared: Shared, commit: "_Commit") -> Stored:
    """What became of one, which may have been committed with others."""
    if not commit.is_done:
        shared.engine.write(commit.write)
    return commit.stored()


class _Rules(NamedTuple):
    """What becomes of other content, and how many copies of it are kept at most; 0: any."""

    on_conflict: OnConflict
    copies: int


class _Commit:
    """One instance, from when its object is put until it is told what became of it."""

    def __init__(
        self, shared: Shared, received: Received, intake: IncomingDataSet, header: Header,
        rules: _Rules, lost: str,
    ) -> None:  # fmt: skip
        self._shared, self._received, self._intake = shared, received, intake
        self._header, self._rules, self._lost = header, rules, lost
        self._at, self._began = shared.journal.now(), clock_gettime(CLOCK_BOOTTIME)
        self._key, self._was_run = "", False
        self._sent: Entering | None = None
        self.is_done = False  # it was entered at once
        self._facts = FileFacts("", 0, "")
        self._outcome: StoreOutcome | None = None  # None: refused
        self._disagreements: list[str] = []

    @property
    def uids(self) -> Uids:
        """Those of the instance."""
        return self._header.uids

    def put(self) -> None:
        """Have the object, which no row names yet. Raises ResourceError."""
        uids = self.uids
        source, arrived = _source(self._intake)
        self._facts = replace(facts_of(self._received, self._intake, self._at), arrived=arrived)
        try:
            self._key = self._shared.tree.put(uids, source, self._facts)
        except ResourceError:
            raise
        except OSError as error:
            raise ResourceError(f"Cannot read {uids[2]}: {words_of(error)}") from error

    def stored(self) -> Stored:
        """What became of it, once that is committed. Raises DuplicateError."""
        if self._outcome is None:
            raise DuplicateError("Held with other content, and on_conflict is refuse")
        return Stored(self._outcome, self._header.uids, tuple(self._disagreements))

    def planned(self, seeks: bool = False) -> NewObject | None:
        """What is to be sent of it, by what this process remembers of rows above it, or `seeks`.

        None where more may have to be done, or where nothing was looked at yet.
        """
        shared, known = self._shared, last_known(self._shared.data)
        if known is None or self._lost or self._is_late() or not shared.engine.sends:
            return None
        corrections, position = known
        header = corrections.corrected(self._header)
        row = planned_row(shared.index, header, instance_row(header, self._facts), seeks)
        line = line_of(receipt(self._header, self._facts, self._at))
        return NewObject(self._key, header.uids, self._facts, line, row, position) if row else None

    def send(self, new: NewObject) -> None:
        """Of a trip; it may be run again, also where it was committed."""
        self._was_run, self._outcome = True, StoreOutcome.STORED
        self._sent = Entering(self._shared, new)

    def see(self) -> None:
        """See what came of `send`."""
        if self._sent and self._sent.has_entered():
            self.is_done, self._disagreements = True, self._sent.disagreements()

    @property
    def is_outdated(self) -> bool:
        """Whether it was sent by what was remembered, which was not so any more."""
        return not self.is_done and self._sent is not None and self._sent.is_remembered

    def write(self) -> None:
        """Of a transaction that writes; it may be run again, also where it was committed."""
        objects, uids = self._shared.objects, self._header.uids
        known = objects.held_or_own(uids, self._key)
        if own := next((one for one in known if one.key == self._key), None):
            self._require_committed(own)
            self._shared.engine.make_lasting()
            return
        held = known[0] if known else None
        self._was_run = True
        if self._is_late():
            raise ResourceError("It took too long to be entered: it is to be sent again")
        is_lost = held is not None and held.key == self._lost
        try:
            is_same = _is_same(held, self._received, self._intake)
            self._outcome = outcome_of(is_same, self._rules.on_conflict)
            if is_lost:
                self._outcome = StoreOutcome.REPLACED
        except DuplicateError:
            self._outcome = None
        if self._outcome not in (StoreOutcome.STORED, StoreOutcome.REPLACED):
            objects.add(self._key, uids, State.TO_DELETE, self._facts)  # another was faster
            return
        if held:
            self._bound_copies()
            objects.turn(held.key, State.HELD, State.SUPERSEDED)
        line = line_of(receipt(self._header, self._facts, self._at))
        objects.add(self._key, uids, State.HELD, self._facts, (RECEIPTS, line))
        header, index = in_force(self._shared.data).corrected(self._header), self._shared.index
        enter(index, header, instance_row(header, self._facts), self._look)

    def _bound_copies(self) -> None:
        """See that one more of before may be kept. Raises ResourceError where it may not.

        Copies of the same content go but for the oldest, then the oldest but the first, which is
        what was there before anybody replaced it; none of the last day, nor of a pinned study.
        """
        if not self._rules.copies:
            return
        objects, uids = self._shared.objects, self._header.uids
        kept = sorted(objects.superseded(*uids), key=lambda one: one.key)
        oldest = {_content(one): one for one in reversed(kept)}
        left = [one for one in kept if oldest[_content(one)] is one]
        doubles = [one for one in kept if one not in left]
        excess = len(left) - self._rules.copies + 1
        due: list[ObjectRow] = []
        if excess > 0 and uids[0] not in pinned(self._shared.journal):
            limit = time_ns() // 1_000_000 - _SAFE_MILLISECONDS
            due = [one for one in left[1:] if one.since < limit][:excess]
        if len(due) < excess:
            raise ResourceError(
                f"{len(left) - len(due)} replaced versions of it are kept, and none may go yet"
            )
        for one in doubles + due:
            objects.turn(one.key, State.SUPERSEDED, State.TO_DELETE)

    def _require_committed(self, own: ObjectRow) -> None:
        """It has a row by now: what was found when that was written stays.

        But where it was swept: this process was held up for a day. Raises ResourceError.
        """
        is_stored = self._outcome in (StoreOutcome.STORED, StoreOutcome.REPLACED)
        if not self._was_run or (is_stored and own.state is State.TO_DELETE):
            raise ResourceError("Its object was swept before it could be entered: send it again")

    def _is_late(self) -> bool:
        return clock_gettime(CLOCK_BOOTTIME) - self._began > _IN_TIME_SECONDS

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


def _enter_again(shared: Shared, held: ObjectRow, header: Header) -> None:
    """Have the row in the index that an instance has lost. Raises ResourceError."""
    with shared.engine.reading():
        if digest_in(shared.index, held.uids) is not None:
            return
    with shared.engine.writing():
        if shared.objects.held(held.uids) == held:
            record(shared.index, in_force(shared.data).corrected(header), held.facts)


def _is_there(shared: Shared, held: ObjectRow) -> bool:
    """Whether the store has the object of a row. Raises StoreError."""
    try:
        found = shared.store().held(held.key)
    except FileNotFoundError:
        return False
    return found.facts is None or found.facts.digest == held.facts.digest


def _content(one: ObjectRow) -> tuple[str, str]:
    return one.facts.digest, one.facts.transfer_syntax_uid
