"""Metrics and health, over HTTP."""

from scp.web.monitoring.metrics import Exporter
from scp.web.monitoring.web_counters import WebCounters

__all__ = [
    "Exporter",
    "WebCounters",
]
