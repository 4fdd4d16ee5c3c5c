"""What one association can carry, and the presentation contexts for it."""

from collections import deque
from collections.abc import Iterable, Iterator

from scp.copies.corrected import reachable
from scp.network.association import Proposal
from storage import Location

# Presentation context IDs are odd numbers of one byte (PS3.8 9.3.2.2).
_MAX_CONTEXTS = 128


def batches(
    locations: Iterable[Location], offered: tuple[str, ...]
) -> Iterator[tuple[list[Proposal], deque[Location]]]:
    """Runs of `locations` that one association can carry, with the contexts for them.

    Each class is proposed in the transfer syntax stored, alone, so that the destination can
    take that first; and in those that it can be converted to. `offered` limits both.
    """
    proposals: dict[Proposal, None] = {}
    held: deque[Location] = deque()
    for location in locations:
        wanted = _proposals(location, offered)
        if held and len(proposals | wanted) > _MAX_CONTEXTS:
            yield list(proposals), held
            proposals, held = {}, deque()
        proposals |= wanted
        held.append(location)
    if held:
        yield list(proposals), held


def _proposals(location: Location, offered: tuple[str, ...]) -> dict[Proposal, None]:
    stored = location.transfer_syntax_uid
    others = tuple(s for s in reachable(stored) if not offered or s in offered)
    wanted: dict[Proposal, None] = {}
    if not offered or stored in offered:
        wanted[location.sop_class_uid, (stored,)] = None
    if others:
        wanted[location.sop_class_uid, others] = None
    return wanted
