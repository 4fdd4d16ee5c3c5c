"""What is told over HTTP: metrics and health."""

from scp.web.metrics import Exporter

__all__ = [
    "Exporter",
]
