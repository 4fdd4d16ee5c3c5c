"""Associations: requested, accepted or rejected, served, accounted for."""

from scp.network.association import access, application_entity, requestor
from scp.network.association.acceptor import Handler, Handlers, NodeAssociation
from scp.network.association.access import Rejection
from scp.network.association.counters import BOUNDS, COMMITMENTS, KINDS, RESTARTS, Counters, Series
from scp.network.association.negotiation import NodeACSE
from scp.network.association.request import Cancelled, PeerGone, Request
from scp.network.association.requestor import (
    NoAssociationError,
    Obstacle,
    Proposal,
    associate,
    finish,
)
from scp.network.association.shared import WorkerContext

__all__ = [
    "BOUNDS",
    "COMMITMENTS",
    "KINDS",
    "RESTARTS",
    "Cancelled",
    "Counters",
    "Handler",
    "Handlers",
    "NoAssociationError",
    "NodeACSE",
    "NodeAssociation",
    "Obstacle",
    "PeerGone",
    "Proposal",
    "Rejection",
    "Request",
    "Series",
    "WorkerContext",
    "access",
    "application_entity",
    "associate",
    "finish",
    "requestor",
]
