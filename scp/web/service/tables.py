"""All that is served over HTTP by the settings."""

from scp.config import Web
from scp.web import dicomweb
from scp.web.page import ROUTES as VIEWS
from scp.web.request import Route
from scp.web.viewer import ROUTES as VIEWER


def routes_of(web: Web) -> tuple[Route, ...]:
    """The rows of all tables."""
    views = VIEWS if web.page else ()
    return (*dicomweb.ROUTES, *views, *(VIEWER if web.viewer else ()))
