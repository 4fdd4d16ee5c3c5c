"""The peer that a command is about."""

from typing import TYPE_CHECKING

from scp.cli.options.options import failure

if TYPE_CHECKING:
    from scp.config import Peer, Settings


def peer_of(settings: "Settings", title: str) -> "Peer":
    """The peer of [peers] with an address; else the command ends."""
    peer = settings.peers.get(title)
    if peer is None:
        there = ", ".join(name for name, one in settings.peers.items() if one.host) or "none"
        raise failure(f"{settings.source}: [peers] has no {title}; with an address: {there}")
    if not peer.host or not peer.port:
        raise failure(f"{settings.source}: [peers] {title}: no host and port")
    return peer
