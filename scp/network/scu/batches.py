"""What one association can carry, and the presentation contexts for it."""

from collections.abc import Iterator, Sequence

from scp.copies.corrected import reachable
from scp.network.association import Proposal
from scp.network.scu.outcomes import Unsent
from storage import Location
from storage.archive import Selected

# Presentation context IDs are odd numbers of one byte (PS3.8 9.3.2.2).
_MAX_CONTEXTS = 128


def batches(
    locations: Sequence[Location], offered: tuple[str, ...]
) -> Iterator[tuple[list[Proposal], Unsent]]:
    """Runs of `locations` that one association can carry, with the contexts for them.

    Each class is proposed in the transfer syntax stored, alone, so that the destination can
    take that first; and in those that it can be converted to. `offered` limits both.
    """
    everything: dict[Proposal, None] = {}
    for sop_class, stored in _kinds(locations):
        everything |= _proposals(sop_class, stored, offered)
    if len(everything) <= _MAX_CONTEXTS and locations:
        yield list(everything), Unsent(locations)
    elif locations:
        yield from _runs(locations, offered)


def _kinds(locations: Sequence[Location]) -> list[tuple[str, str]]:
    """SOP Class UID and Transfer Syntax UID of all, each pair once."""
    if isinstance(locations, Selected):
        return locations.kinds
    return list(dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in locations))


def _runs(
    locations: Sequence[Location], offered: tuple[str, ...]
) -> Iterator[tuple[list[Proposal], Unsent]]:
    """The same of what one association cannot carry."""
    proposals: dict[Proposal, None] = {}
    held: list[Location] = []
    for location in locations:
        wanted = _proposals(location.sop_class_uid, location.transfer_syntax_uid, offered)
        if held and len(proposals | wanted) > _MAX_CONTEXTS:
            yield list(proposals), Unsent(held)
            proposals, held = {}, []
        proposals |= wanted
        held.append(location)
    yield list(proposals), Unsent(held)


def _proposals(sop_class: str, stored: str, offered: tuple[str, ...]) -> dict[Proposal, None]:
    others = tuple(s for s in reachable(stored) if not offered or s in offered)
    wanted: dict[Proposal, None] = {}
    if not offered or stored in offered:
        wanted[sop_class, (stored,)] = None
    if others:
        wanted[sop_class, others] = None
    return wanted
