"""OHIF, built by its makers, from a folder: with a configuration for this node."""

from scp.web.viewer.answers import ROUTES
from scp.web.viewer.folder import require_viewer

__all__ = [
    "ROUTES",
    "require_viewer",
]
