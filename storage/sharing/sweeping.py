"""Objects that are to go, and those that no row names: what kills and lost races leave.

A row that says so comes first, then the object goes, then the row: so a process that was held up
for a day before it committed finds that its object is not its own any more.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from storage.files import FileFacts
from storage.files.objects.contract import ListedObject
from storage.files.objects.keys import uids_of
from storage.sharing.ledger import State
from storage.sharing.opened import Shared

# What is younger may be one that is about to be committed.
YOUNG_SECONDS = 86400.0
_BATCH = 500


@dataclass
class Swept:
    """How many objects have gone, and how many that no row named were kept, to be restored."""

    removed: int = 0
    kept: int = 0


def never() -> None:
    """Do not stop."""


def sweep(shared: Shared, young: float = YOUNG_SECONDS, stop: Callable[[], None] = never) -> Swept:
    """Remove the objects that are to go, and decide on those that no row names.

    Of these those go whose very content is held; the others may be what was acknowledged before a
    database failed, and are kept as what was displaced is. `young`: in seconds, what is left alone.
    `stop` ends it by raising. Raises ResourceError; what was done until then stays done.
    """
    done = Swept()
    _remove(shared, done, stop)
    for some in _batches(shared, young):
        stop()
        _decide(shared, some, done)
    _remove(shared, done, stop)
    return done


def unnamed(shared: Shared, young: float = YOUNG_SECONDS) -> Iterator[ListedObject]:
    """The objects that no row names, but for what is young. Raises ResourceError."""
    for some in _batches(shared, young):
        yield from some


def _remove(shared: Shared, done: Swept, stop: Callable[[], None]) -> None:
    while due := shared.objects.to_delete(_BATCH):
        for one in due:
            stop()
            shared.store().remove(one.key)
        shared.objects.forget([one.key for one in due])
        done.removed += len(due)


def _batches(shared: Shared, young: float) -> Iterator[list[ListedObject]]:
    listed = shared.store().list()
    limit = time.time() - young
    while some := list(islice(listed, _BATCH)):
        known = shared.objects.known([one.key for one in some])
        left = [one for one in some if one.key not in known and one.since <= limit]
        if left:
            yield left


def _decide(shared: Shared, some: list[ListedObject], done: Swept) -> None:
    """Have rows of objects that had none."""
    for one in some:
        uids = uids_of(one.key)
        if uids is None:
            continue  # by other hands: not ours to remove
        try:
            told = shared.store().held(one.key).facts
        except FileNotFoundError:
            continue
        with shared.engine.writing():
            if shared.objects.known([one.key]):
                continue  # it was committed just now
            held = shared.objects.held(uids)
            is_held = held and told and (held.digest, held.syntax) == (
                told.digest, told.transfer_syntax_uid
            )  # fmt: skip
            state = State.TO_DELETE if is_held else State.SUPERSEDED
            shared.objects.add(one.key, uids, state, told or FileFacts("", one.bytes, ""))
        done.kept += state is State.SUPERSEDED
