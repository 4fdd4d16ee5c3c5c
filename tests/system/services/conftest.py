"""What several files here share."""

from support.network.retrieving import rig

__all__ = ["rig"]
