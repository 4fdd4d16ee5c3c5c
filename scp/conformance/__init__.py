"""The conformance statement (PS3.2), derived from what the node does."""

from scp.conformance.statement import conformance_statement

__all__ = [
    "conformance_statement",
]
