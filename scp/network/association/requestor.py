"""Associations that the node opens: driven by the thread that opens them."""

import time
from collections.abc import Sequence
from enum import Enum

from pydicom.uid import UID
from pynetdicom._globals import MODE_REQUESTOR
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from scp.config import Peer, Settings
from scp.network.association import application_entity
from scp.network.dimse import NodeDIMSE, OpenSink
from scp.network.tls import Contexts, TlsError
from scp.network.upper_layer import NodeSocket, UpperLayer, upper_layer_of

# Presentation contexts to propose: SOP class and transfer syntaxes.
Proposal = tuple[str, Sequence[str]]


class Obstacle(Enum):
    """Why there is no association."""

    TLS = "TLS is in the way"
    UNREACHABLE = "there is no connection"
    SILENT = "no answer"
    ENDED = "the connection was ended"
    UNREADABLE = "an A-ASSOCIATE-AC that cannot be read"
    REJECTED = "A-ASSOCIATE-RJ"
    BUSY = "A-ASSOCIATE-RJ, for a while (rejected-transient)"
    NOTHING_ACCEPTED = "no presentation context was accepted"


class NoAssociationError(Exception):
    """A peer with which there is no association: what it does, in words, and what kind that is."""

    def __init__(self, obstacle: Obstacle, words: str) -> None:
        super().__init__(words)
        self.obstacle = obstacle


def associate(
    settings: Settings,
    contexts: Contexts,
    title: str,
    peer: Peer,
    proposals: Sequence[Proposal],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    open_sink: OpenSink = lambda context_id, command: None,
) -> Association:
    """An association with a peer; at least one of what is proposed was accepted.

    It has no thread: the calling one drives it, and has to release or abort it. `open_sink` gives
    what takes the data sets that the peer sends. Raises NoAssociationError.
    """
    started = time.monotonic()

    calling = application_entity.build(settings, peer)
    association = Association(calling, MODE_REQUESTOR)
    association.dul = UpperLayer(association)
    association.dimse = NodeDIMSE(association, open_sink)
    # Each sets a timer of the upper layer.
    association.acse_timeout = calling.acse_timeout
    association.network_timeout = calling.network_timeout
    association._is_paused = True  # there is no thread of its own that a release would wait for
    try:
        connection = _prepare(association, settings, title, peer, proposals, roles)
        connection.tls_args = contexts.of_peer(peer)
        association.request()
    except TlsError as error:
        raise NoAssociationError(Obstacle.TLS, str(error)) from error
    except OSError as error:  # of its name
        words = f"cannot be reached: {error.strerror or error}"
        raise NoAssociationError(Obstacle.UNREACHABLE, words) from error
    finally:
        if not association.is_established:
            finish(association)
    if not association.is_established:
        raise _obstacle(association, connection, peer, time.monotonic() - started)
    return association


def _obstacle(
    association: Association, connection: NodeSocket, peer: Peer, seconds: float
) -> NoAssociationError:
    """Why the peer is not associated with, as long as it took to find out."""
    if connection.tls_failure:
        return NoAssociationError(Obstacle.TLS, connection.tls_failure)
    if connection.failure:
        return NoAssociationError(Obstacle.UNREACHABLE, f"cannot be reached: {connection.failure}")
    if connection.answer_fault:
        words = f"answers what is no A-ASSOCIATE-AC: {connection.answer_fault}"
        return NoAssociationError(Obstacle.UNREADABLE, words)
    if rejection := connection.rejection:
        obstacle = Obstacle.BUSY if rejection.is_transient else Obstacle.REJECTED
        return NoAssociationError(obstacle, rejection.words)
    if association.rejected_contexts:
        return NoAssociationError(Obstacle.NOTHING_ACCEPTED, "accepts none of the SOP classes")
    if seconds >= (association.acse_timeout or 0):
        return NoAssociationError(Obstacle.SILENT, f"does not answer within {seconds:.0f} s")
    # In TLS 1.3 it may say so only when we think that all is well (RFC 8446 4.4.2.4).
    distrust = ": it may not trust our certificate" if peer.tls else ""
    return NoAssociationError(Obstacle.ENDED, f"ended the association at once{distrust}")


def _prepare(
    association: Association,
    settings: Settings,
    title: str,
    peer: Peer,
    proposals: Sequence[Proposal],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
) -> NodeSocket:
    """Say who calls whom, with which presentation contexts; the connection that is to be."""
    calling = association.ae
    remote = AddressInformation.from_addr_port(peer.host or "", peer.port or 0)
    local = AddressInformation.from_tuple(("::0", 0) if remote.is_ipv6 else ("", 0))
    connection = NodeSocket(association, address=local)
    association.set_socket(connection)
    association.acceptor.ae_title = title
    association.acceptor.address_info = remote
    requestor = association.requestor
    requestor.address_info = local
    requestor.ae_title = calling.ae_title
    requestor.maximum_length = peer.pdu_bytes or settings.limits.pdu_bytes
    requestor.implementation_class_uid = calling.implementation_class_uid
    requestor.implementation_version_name = calling.implementation_version_name
    for role in roles:
        requestor.add_negotiation_item(role)
    requestor.requested_contexts = [
        _context(number, *proposal) for number, proposal in enumerate(proposals)
    ]
    connection.longest_pdu = max(connection.longest_pdu, requestor.maximum_length or 0)
    return connection


def finish(association: Association) -> None:
    """Give back what an association holds, once it has ended."""
    upper_layer_of(association).finish()


def _context(number: int, abstract_syntax: str, syntaxes: Sequence[str]) -> PresentationContext:
    context = PresentationContext()
    context.context_id = 2 * number + 1  # odd numbers (PS3.8 9.3.2.2)
    context.abstract_syntax = UID(abstract_syntax)
    context.transfer_syntax = [UID(syntax) for syntax in syntaxes]
    return context
