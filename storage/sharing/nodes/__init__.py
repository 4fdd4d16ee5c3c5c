"""The nodes of one archive: who they are, and which of them does what one has to do."""

from storage.sharing.nodes import leases, registry
from storage.sharing.nodes.leases import Jobs, Lease, LeaseLostError
from storage.sharing.nodes.registry import Node, Registry, SeenNode, node_id
from storage.sharing.nodes.schema import Schema

__all__ = [
    "Jobs", "Lease", "LeaseLostError", "Node", "Registry", "Schema", "SeenNode", "leases",
    "node_id", "registry",
]  # fmt: skip
