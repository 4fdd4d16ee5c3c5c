"""A node for the tests of other programs: `from scp.testing import node`, a fixture of pytest's."""

from scp.testing.faults import Fault, Injected
from scp.testing.faulty_node import Node
from scp.testing.fixtures import node, start_node
from scp.testing.process import NodeProcess

__all__ = [
    "Fault",
    "Injected",
    "Node",
    "NodeProcess",
    "node",
    "start_node",
]
