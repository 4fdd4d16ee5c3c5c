"""`minipacs peers`: each peer that we send to asked for an echo (C-ECHO, PS3.4 annex A)."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu_primitives import A_ASSOCIATE
from rich.table import Table

from scp import command, messages
from scp.calling import associate, finish
from scp.command import Command, Field
from scp.contexts import VERIFICATION
from scp.reactor import driver_of
from scp.settings import Peer, Service, Settings
from scp.status import Status
from scp.tables import cell, show
from scp.tls import Contexts, contexts
from scp.tls_faults import TlsError

_AT_ONCE = 16
SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


@dataclass(frozen=True)
class Echo:
    """What became of one; `fault` is empty where it was answered."""

    seconds: float
    fault: str = ""


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


def echo(settings: Settings, tls: Contexts, title: str, peer: Peer) -> Echo:
    """Open an association with a peer and have it answer C-ECHO."""
    started = time.monotonic()
    try:
        fault = _echo(settings, tls, title, peer)
    except TlsError as error:
        fault = str(error)
    except OSError as error:
        fault = f"cannot be reached: {error.strerror or error}"
    return Echo(time.monotonic() - started, fault)


def _echo(settings: Settings, tls: Contexts, title: str, peer: Peer) -> str:
    association = associate(settings, tls, title, peer, [(VERIFICATION, SYNTAXES)])
    if not association.is_established:
        refusal = association.acceptor.primitive
        if association.is_rejected and isinstance(refusal, A_ASSOCIATE):
            return f"rejects the association: {refusal.reason_str}"
        if association.rejected_contexts:
            return "does not take Verification"
        return "cannot be reached, or ended the association at once"
    context = association.accepted_contexts[0]
    request = Command(Field.C_ECHO_RQ, message_id=1, sop_class=VERIFICATION)
    messages.send(association, context.context_id or 0, command.encode(request))
    answer = driver_of(association).message(association.dimse_timeout or 0)
    association.release()
    finish(association)
    if answer is None:
        return "does not answer"
    status = answer.command.status
    return "" if status == Status.SUCCESS else f"answers {status or 0:04X}"


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
