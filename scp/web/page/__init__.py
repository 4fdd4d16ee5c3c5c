"""A page to look at what is held: views made on the node, readable without a script."""

from scp.web.page.routes import ROUTES

__all__ = [
    "ROUTES",
]
