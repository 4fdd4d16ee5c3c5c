"""A page to look at what is held: views made on the node, readable without a script."""

from scp.web.page.routes import ROUTES
from scp.web.page.surface import PREFIX, error_page

__all__ = [
    "PREFIX",
    "ROUTES",
    "error_page",
]
