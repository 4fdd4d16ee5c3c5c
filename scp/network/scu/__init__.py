"""The node as SCU: echoes, instances sent to a destination, and asked of a peer."""

from scp.network.scu.delivery import Delivery, Origin, Pause
from scp.network.scu.echo_scu import SYNTAXES, Echo, echo
from scp.network.scu.outcomes import (
    FEW,
    AssociationLost,
    Cause,
    Originator,
    Result,
    SubOperationOutcome,
    Supply,
    Unsent,
)
from scp.network.scu.requests import Ending, Inquirer, PeerError
from scp.network.scu.retrieval import Getting, Moving, RetrieveOrigin
from scp.network.scu.store import Sender
from scp.network.scu.worklist_scu import ask_worklist

__all__ = [
    "FEW",
    "SYNTAXES",
    "AssociationLost",
    "Cause",
    "Delivery",
    "Echo",
    "Ending",
    "Getting",
    "Inquirer",
    "Moving",
    "Origin",
    "Originator",
    "Pause",
    "PeerError",
    "Result",
    "RetrieveOrigin",
    "Sender",
    "SubOperationOutcome",
    "Supply",
    "Unsent",
    "ask_worklist",
    "echo",
]
