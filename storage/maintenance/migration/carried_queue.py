"""The forwarding queue brought to another archive: all of it, in one transaction each time.

What waits there then, or was sent, failed or is to be committed to, is what does here. What it
holds is told before that is committed: so a run that is cut off is gone on with, and what nodes of
the other archive have done with it meanwhile is never put back.
"""

from contextlib import closing
from pathlib import Path

from storage.archive import Archive
from storage.diagnostics import FolderError, ResourceError
from storage.maintenance.migration.carried_lines import CarriedLines
from storage.outbox import copying, database, position_beside

_SECONDS = 3600.0  # for which it may be read


def bring_queue(source: Archive, target: Archive, lines: CarriedLines) -> int:
    """Have the target's queue hold what the source's does, which nobody serves; how many items.

    Raises FolderError where nodes have used it, ResourceError.
    """
    ours, theirs = source.tree.data, target.tree.data
    if not database.is_any(ours) and not database.is_any(theirs):
        return 0
    before = _held(theirs)
    if before and before not in lines.queues:
        raise FolderError(
            f"{theirs}: the forwarding queue of its archive was used by itself; name one that is "
            "empty"
        )
    position = position_beside(ours)
    place = None if position is None else lines.receipts_there(position)
    with (
        database.beside(ours, _SECONDS) as held,
        closing(database.opened(theirs, sync=True)) as queue,
        queue.writing() as db,
    ):
        digest, items = copying.replace(db, held)
        database.put_position(db, target.journal, place)
        lines.tell_queues([before, digest])
    if _held(theirs) != digest:
        raise ResourceError(f"{theirs}: the forwarding queue is not what was written")
    return items


def _held(data: Path) -> str:
    with database.beside(data, _SECONDS) as db:
        return copying.digest_of(db) if db else ""
