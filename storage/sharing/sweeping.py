"""Objects that are to go, and those that no row names: what kills and lost races leave.

A row that says so comes first, then the object goes, then the row: so a process that was held up
for long before it committed finds that its object is not its own any more.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage.sharing.opened import Shared
from storage.sharing.unnamed import YOUNG_SECONDS, Decided, decide, unnamed

_BATCH = 500


@dataclass(frozen=True)
class Swept:
    """How many objects have gone; of those that no row named how many were entered, and kept."""

    removed: int
    entered: int
    kept: int


def sweep(
    shared: Shared, young: float = YOUNG_SECONDS, stop: Callable[[], None] = lambda: None
) -> Swept:
    """Remove the objects that are to go, and decide on those that no row names.

    `young`: in seconds, what is left alone. `stop` ends it by raising. Raises ResourceError; what
    was done until then stays done.
    """
    removed, done = _remove(shared, stop), Decided()
    for some in unnamed(shared, young):
        decide(shared, some, done, stop=stop)
    return Swept(removed + _remove(shared, stop), done.entered, done.kept)


def _remove(shared: Shared, stop: Callable[[], None]) -> int:
    removed = 0
    while due := shared.objects.to_delete(_BATCH):
        for one in due:
            stop()
            shared.store().remove(one.key)
        shared.objects.forget([one.key for one in due])
        removed += len(due)
    return removed
