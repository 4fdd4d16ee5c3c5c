"""What is told over HTTP: metrics and health, and DICOMweb."""

from scp.web.monitoring import Exporter, WebCounters
from scp.web.service import WebProcesses

__all__ = [
    "Exporter",
    "WebCounters",
    "WebProcesses",
]
