"""The node: its supervisor, workers, and what they see to while they serve."""

from scp.node.opening import archive_to_store, changing, open_to_store, opened
from scp.node.retention import Retaining, is_wanted, rules
from scp.node.supervisor import Supervisor

__all__ = [
    "Retaining",
    "Supervisor",
    "archive_to_store",
    "changing",
    "is_wanted",
    "open_to_store",
    "opened",
    "rules",
]
