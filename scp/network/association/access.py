"""Who calls: the rights of an AE title, and why an association is refused."""

from dataclasses import dataclass
from ipaddress import ip_address

from scp.config import Peer, Service, Settings

EVERYTHING = frozenset(Service)
# Of fewer associations one address may have all.
_MANY = 8


@dataclass(frozen=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and reason (PS3.8 table 9-21), and words for the log."""

    result: int
    source: int
    reason: int
    words: str


def calling_not_recognized(words: str) -> Rejection:
    """Permanent, by the service user: calling AE title not recognized."""
    return Rejection(1, 1, 3, words)


def called_not_recognized(words: str) -> Rejection:
    """Permanent, by the service user: called AE title not recognized."""
    return Rejection(1, 1, 7, words)


def application_context_not_supported(words: str) -> Rejection:
    """Permanent, by the service user: application context name not supported."""
    return Rejection(1, 1, 2, words)


def local_limit_exceeded(words: str) -> Rejection:
    """Transient, by the presentation related service provider: local limit exceeded."""
    return Rejection(2, 3, 2, words)


def admit(settings: Settings, calling: str, called: str, address: str) -> Rejection | None:
    """Why a caller may not open an association, or None where it may."""
    own = settings.node.ae_title
    if not settings.access.any_called_title and called.strip() != own:
        return called_not_recognized(f"it calls {called.strip()!r}, and this node is {own!r}")
    peer = settings.peer(calling)
    if peer is None:
        if settings.access.any_peer:
            return None
        return calling_not_recognized("its AE title is not under [peers]")
    caller = ip_address(address)
    # An IPv4 caller of an IPv6 socket (RFC 4291 2.5.5.2).
    caller = getattr(caller, "ipv4_mapped", None) or caller
    if peer.sources and not any(caller in network for network in peer.sources):
        return calling_not_recognized(f"[peers] lets it call from other addresses than {address}")
    return None


def rights(settings: Settings, calling: str) -> frozenset[Service]:
    """What a caller that was admitted may ask for."""
    peer = settings.peer(calling)
    return EVERYTHING if peer is None else peer.allow


def served(settings: Settings) -> frozenset[Service]:
    """What the node gives at all, by its tables."""
    return EVERYTHING if settings.worklist else EVERYTHING - {Service.WORKLIST, Service.STEP}


def most_associations(settings: Settings, calling: str) -> tuple[int, str]:
    """How many associations a caller may have open (0: no limit of its own), and who says so."""
    peer = settings.peer(calling)
    if peer and peer.associations is not None:
        return peer.associations, f"[peers.{calling.strip()}] associations"
    return settings.limits.peer_associations, "[limits] peer_associations"


def most_from_address(settings: Settings, calling: str) -> tuple[int, str]:
    """How many associations may be open from the address of a caller, and who says so.

    0: no limit, and this one does not count. So it is with a peer whose own number and addresses
    are told: nobody else can have what that lets it.
    """
    peer, limits = settings.peer(calling), settings.limits
    if peer and peer.associations is not None and peer.sources:
        return 0, ""
    if limits.address_associations is not None:
        return limits.address_associations, "[limits] address_associations"
    # A quarter is left to other addresses; of a few that would be too much.
    most = limits.associations
    if most >= _MANY:
        most -= most // 4
    return most, "[limits] address_associations (left out: three quarters of associations)"


def charset(settings: Settings, calling: str) -> str:
    """The Specific Character Set of a caller's text that names none."""
    peer = settings.peer(calling)
    return (peer and peer.charset) or settings.storage.charset


def own_charset(settings: Settings, calling: str) -> str:
    """The same where it is told for just this caller; else empty."""
    peer = settings.peer(calling)
    return (peer and peer.charset) or ""


def is_lenient(settings: Settings, calling: str) -> bool:
    """Whether what a caller asks need not follow the hierarchy of the standard."""
    peer = settings.peer(calling)
    return ((peer and peer.hierarchy) or settings.query.hierarchy) == "lenient"


def destination(settings: Settings, ae_title: str) -> Peer | None:
    """The peer to send to, or None where no address of it is known."""
    peer = settings.peer(ae_title)
    return peer if peer and peer.host and peer.port else None


def is_forwarded_to(settings: Settings, ae_title: str) -> bool:
    """Whether instances go on to a peer by [[forward]]."""
    return any(ae_title.strip(" ") in rule.to for rule in settings.forward)
