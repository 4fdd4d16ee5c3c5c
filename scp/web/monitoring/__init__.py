"""Metrics and health, over HTTP."""

from scp.web.monitoring.metrics import Exporter

__all__ = ["Exporter"]
