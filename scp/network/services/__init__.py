"""The node as SCP, one DIMSE service a module: from a request to its responses (PS3.4)."""

from scp.network.services.commitment_reporter import (
    RETRY_SECONDS,
    SAME_ASSOCIATION_SECONDS,
    Reporter,
)
from scp.network.services.handlers import HANDLERS

__all__ = [
    "HANDLERS",
    "RETRY_SECONDS",
    "SAME_ASSOCIATION_SECONDS",
    "Reporter",
]
