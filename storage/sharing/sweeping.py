"""Objects that are to go, and those that no row names: what kills and lost races leave.

Of those that are to go a row says so first, then the object goes, then the row: so a process that
was held up for long before it committed finds that its object is not its own any more.

A process that was killed before it committed leaves one without a row, whose sender was told
nothing; a database that came back without its last commits leaves those that were acknowledged.
Nobody can tell these apart, so none is lost: what the journal never told of is entered, what it did
is kept as what was displaced is, and what is held with the same content goes.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.dicom import Header, instance_header, part10
from storage.dicom.values import Uids
from storage.files import FileFacts
from storage.files.objects.keys import uids_of
from storage.index import record
from storage.journal import RECEIPTS, line_of, receipts_by_digest, time_told
from storage.journal.corrections import in_force
from storage.sharing.ledger import ObjectRow, State
from storage.sharing.opened import Shared

logger = logging.getLogger(__name__)

# What is younger may be one that is about to be committed, which takes an hour at most.
YOUNG_SECONDS = 86400.0
_BATCH = 200
_REMOVED_TOGETHER = 500
_READERS = 8


@dataclass(frozen=True)
class Unnamed:
    """An object of an instance without a row, as the store has it."""

    key: str
    uids: Uids
    facts: FileFacts


@dataclass
class Decided:
    """How many were entered, kept to be restored, or are to go."""

    entered: int = 0
    kept: int = 0
    to_delete: int = 0

    @property
    def words(self) -> str:
        """What became of one."""
        if self.entered:
            return "entered"
        if self.kept:
            return "kept as what was displaced: `minipacs restore`"
        return "to be removed: the same is held" if self.to_delete else "has a row by now"


def unnamed(shared: Shared, young: float = YOUNG_SECONDS) -> Iterator[list[Unnamed]]:
    """Those that are there, some at a time, but for what is young, in seconds.

    What came there by other hands, without what we write beside, is none. Raises ResourceError.
    """
    listed, limit = shared.store().list(), time.time() - young
    with ThreadPoolExecutor(_READERS, "objects") as readers:
        while some := list(islice(listed, _BATCH)):
            known = shared.objects.known([one.key for one in some])
            left = [one.key for one in some if one.key not in known and one.since <= limit]
            if found := list(filter(None, readers.map(partial(_looked_at, shared), left))):
                yield found


def decide(
    shared: Shared, some: list[Unnamed], done: Decided,
    is_lost: bool = False, with_rows: bool = True,
) -> None:  # fmt: skip
    """Have rows of objects that had none.

    `is_lost`: the journal is, so that of several of an instance the last one is held. `with_rows`:
    those of the index, too. Raises ResourceError.
    """
    told = receipts_by_digest(shared.journal, {one.uids for one in some})
    for one in sorted(some, key=lambda one: one.key):
        is_new = is_lost or not told.get(one.uids)
        header = _header(shared, one) if is_new and with_rows else None
        with shared.engine.writing():
            if shared.objects.known([one.key]):
                continue  # it was committed just now
            held = shared.objects.held(one.uids)
            if held and _content(held.facts) == _content(one.facts) and _is_there(shared, held):
                shared.objects.add(one.key, one.uids, State.TO_DELETE, one.facts)
                done.to_delete += 1
            elif is_new and (header or not with_rows) and _may_be_held(held, one, is_lost):
                _enter(shared, one, held, header)
                done.entered += 1
            else:
                shared.objects.add(one.key, one.uids, State.SUPERSEDED, one.facts)
                done.kept += 1


def enter_lost(shared: Shared) -> None:
    """Have what no row names in the ledger alone, for an index that is made anew of that.

    Raises ResourceError.
    """
    is_lost, done = not shared.journal.size(RECEIPTS), Decided()
    for some in unnamed(shared, 0 if is_lost else YOUNG_SECONDS):
        decide(shared, some, done, is_lost, with_rows=False)
    if done.entered or done.kept:
        words = "entered as the store has them: no receipt told of them"
        logger.warning(Event("objects without a row", words, entered=done.entered, kept=done.kept))


def _looked_at(shared: Shared, key: str) -> Unnamed | None:
    uids = uids_of(key)
    try:
        facts = shared.store().held(key).facts if uids else None
    except FileNotFoundError:
        return None
    return Unnamed(key, uids, facts) if uids and facts else None


def _is_there(shared: Shared, held: ObjectRow) -> bool:
    """Whether the store has the object that a row names: else another may be the last copy."""
    try:
        return bool(shared.store().held(held.key))
    except FileNotFoundError:
        return False


def _may_be_held(held: ObjectRow | None, one: Unnamed, is_lost: bool) -> bool:
    return held is None or (is_lost and held.key.rpartition("/") < one.key.rpartition("/"))


def _enter(shared: Shared, one: Unnamed, held: ObjectRow | None, header: Header | None) -> None:
    """Have an object be that of its instance; of a transaction that writes."""
    if held:
        shared.objects.turn(held.key, State.HELD, State.SUPERSEDED)
    facts = one.facts
    line = line_of({
        "uids": one.uids, "syntax": facts.transfer_syntax_uid, "bytes": facts.file_bytes,
        "digest": facts.digest, "sender": facts.sender, "charset": facts.charset,
        "received": time_told(facts.received),
    })  # fmt: skip
    shared.objects.add(one.key, one.uids, State.HELD, facts, (RECEIPTS, line))
    if header:
        record(shared.index, in_force(shared.data).corrected(header), facts)


def _header(shared: Shared, one: Unnamed) -> Header | None:
    """Raises ResourceError where the store fails."""
    try:
        with shared.store().open(one.key) as file:
            meta = part10.read(file)
            header = instance_header.header(file, meta.transfer_syntax_uid, one.facts.charset)
    except ResourceError:
        raise
    except (ArchiveError, OSError) as error:
        logger.error(Event("not indexed", error, file=shared.tree.name(one.uids, one.key)))
        return None
    return header if header.uids == one.uids else None


def _content(facts: FileFacts) -> tuple[str, str]:
    return facts.digest, facts.transfer_syntax_uid


def remove_due(shared: Shared) -> int:
    """Remove the objects that are to go; returns how many.

    Raises ResourceError; what was done until then stays done.
    """
    removed = 0
    while due := shared.objects.to_delete(_REMOVED_TOGETHER):
        for one in due:
            shared.store().remove(one.key)
        shared.objects.forget([one.key for one in due])
        removed += len(due)
    return removed


def look_through(shared: Shared, young: float = YOUNG_SECONDS) -> Decided:
    """Decide on the objects that no row names, by a list of all that the store has.

    `young`: in seconds, what is left alone. Errors as in `remove_due`.
    """
    done = Decided()
    for some in unnamed(shared, young):
        decide(shared, some, done)
    return done
