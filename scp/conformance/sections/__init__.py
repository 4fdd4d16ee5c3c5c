"""The sections of the statement."""

from scp.conformance.sections import configuration, network, overview, security, services, statuses

__all__ = [
    "configuration",
    "network",
    "overview",
    "security",
    "services",
    "statuses",
]
