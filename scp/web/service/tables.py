"""All that is served over HTTP by the settings."""

from collections.abc import Callable

from werkzeug.wrappers import Response

from scp.config import Web
from scp.web import dicomweb
from scp.web.http import error_answer
from scp.web.page import PREFIX, error_page
from scp.web.page import ROUTES as VIEWS
from scp.web.request import Asked, Route
from scp.web.viewer import ROUTES as VIEWER

# The answer of a status and words to what is asked.
ErrorAnswer = Callable[[Asked, int, str], Response]


def routes_of(web: Web) -> tuple[Route, ...]:
    """The rows of all tables."""
    views = VIEWS if web.page else ()
    return (*dicomweb.ROUTES, *views, *(VIEWER if web.viewer else ()))


def is_of_page(path: str) -> bool:
    """Whether a path is one of the page's, whatever is there."""
    return path in ("/", PREFIX) or path.startswith(f"{PREFIX}/")


def errors_at(web: Web, path: str) -> ErrorAnswer:
    """How what goes wrong at a path is told: to a person by a page, to a program in JSON."""
    if web.page and is_of_page(path):
        return error_page
    return lambda asked, status, words: error_answer(status, words)
