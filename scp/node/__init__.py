"""The node: its supervisor, workers, and what they see to while they serve."""

from scp.node.opening import changing, opened
from scp.node.retention import Retaining, is_wanted, rules
from scp.node.supervisor import Supervisor

__all__ = [
    "Retaining",
    "Supervisor",
    "changing",
    "is_wanted",
    "opened",
    "rules",
]
