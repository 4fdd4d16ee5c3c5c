"""Instances sent on to destinations, by rules, in a process of its own."""

from scp.forwarding.availability import PROPOSAL
from scp.forwarding.commitment_scu import REPORT_SECONDS
from scp.forwarding.destination import ATTEMPTS, RETRY_SECONDS
from scp.forwarding.process import Forwarder, leave_queue

__all__ = [
    "ATTEMPTS",
    "PROPOSAL",
    "REPORT_SECONDS",
    "RETRY_SECONDS",
    "Forwarder",
    "leave_queue",
]
