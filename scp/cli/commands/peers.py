"""`minipacs peers`: each peer that we send to asked for an echo (C-ECHO, PS3.4 annex A)."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from scp.cli.output import cell, show
from scp.config import Peer, Service, Settings
from scp.network.scu import Echo, echo
from scp.network.tls import contexts

_AT_ONCE = 16


def run(settings: Settings, titles: Iterable[str]) -> bool:
    """Ask and show the peers `titles`, or all; whether all that we send to answered.

    Raises ConfigError where the files of [tls] cannot be used.
    """
    tls = contexts(settings)
    peers = {title: settings.peers[title] for title in titles or settings.peers}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("peer", "address", "echo", "may ask for", "calls from"):
        table.add_column(name)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        asked = {
            title: threads.submit(echo, settings, tls, title, peer)
            for title, peer in peers.items()
            if peer.host
        }
    for title, peer in peers.items():
        found = asked[title].result() if title in asked else None
        row = title, _address(peer), _words(found), _rights(peer), _sources(peer)
        table.add_row(*map(cell, row))
    show(table, soft_wrap=True)
    return not any(asked[title].result().fault for title in asked)


def _address(peer: Peer) -> str:
    tls = " (TLS)" if peer.tls else ""
    return f"{peer.host}:{peer.port}{tls}" if peer.host else "-"


def _words(found: Echo | None) -> str:
    if found is None:
        return "not asked: no host"
    return found.fault or f"answered in {found.seconds * 1000:.0f} ms"


def _rights(peer: Peer) -> str:
    if peer.allow == frozenset(Service):
        return "all"
    return ", ".join(service for service in Service if service in peer.allow) or "nothing"


def _sources(peer: Peer) -> str:
    return ", ".join(str(network) for network in peer.sources) or "any address"
