"""The node: its supervisor, workers, and what they see to while they serve."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scp.node.acts.opening import (
        archive_to_store,
        changing,
        open_to_store,
        opened,
        require_shared,
    )
    from scp.node.supervisor import Supervisor
    from scp.node.upkeep.retention import Retaining, is_wanted, planned
    from scp.node.upkeep.shared_keeper import take_part
else:
    # A room is loaded when it is asked for: a command that opens the archive needs no network,
    # which is 0.2 s of its start.
    _ROOMS = {
        "archive_to_store": "acts.opening", "changing": "acts.opening",
        "open_to_store": "acts.opening",
        "opened": "acts.opening", "require_shared": "acts.opening",
        "Retaining": "upkeep.retention", "is_wanted": "upkeep.retention",
        "planned": "upkeep.retention", "Supervisor": "supervisor",
        "take_part": "upkeep.shared_keeper",
    }  # fmt: skip

    def __getattr__(name):
        """What the door gives, or AttributeError."""
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


__all__ = [
    "Retaining",
    "Supervisor",
    "archive_to_store",
    "changing",
    "is_wanted",
    "open_to_store",
    "opened",
    "planned",
    "require_shared",
    "take_part",
]
