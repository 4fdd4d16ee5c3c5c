"""OHIF, built by its makers, from a folder: with a configuration for this node."""

from scp.web.viewer.answers import ROUTES
from scp.web.viewer.folder import require_viewer
from scp.web.viewer.placement import BASE

__all__ = [
    "BASE",
    "ROUTES",
    "require_viewer",
]
