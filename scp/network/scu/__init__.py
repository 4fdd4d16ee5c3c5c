"""The node as SCU: echoes, and instances sent to a destination."""

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
)
from scp.network.scu.store import Sender

__all__ = [
    "FEW",
    "SYNTAXES",
    "AssociationLost",
    "Cause",
    "Delivery",
    "Echo",
    "Origin",
    "Originator",
    "Pause",
    "Result",
    "Sender",
    "SubOperationOutcome",
    "Supply",
    "echo",
]
