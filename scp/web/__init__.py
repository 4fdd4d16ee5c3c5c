"""What is told over HTTP: metrics and health, and DICOMweb."""

from scp.web.metrics import Exporter
from scp.web.processes import WebProcesses

__all__ = [
    "Exporter",
    "WebProcesses",
]
