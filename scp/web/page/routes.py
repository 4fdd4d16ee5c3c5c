"""The views, and what of them belongs together."""

from collections.abc import Callable

from werkzeug.wrappers import Response

from scp.config import Right
from scp.web.page import arrivals, choices, node, sessions, studies
from scp.web.page.study import download, instance, overview, series, way
from scp.web.page.surface import PREFIX, absent, error_page, files
from scp.web.request import Route

_STUDY = f"{PREFIX}/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"


def _view(
    path: str, handler: Callable[..., Response], *, right: Right = Right.PAGE,
    service: str = "page",
) -> Route:  # fmt: skip
    return Route("Page", path, handler, right=right, service=service, errors=error_page)


def _form(
    path: str, handler: Callable[..., Response], *, right: Right | None = Right.PAGE,
    service: str = "",
) -> Route:  # fmt: skip
    return Route(
        "Page", path, handler, ("POST",), right=right, service=service, errors=error_page,
        by_session=True,
    )  # fmt: skip


def _open(path: str, handler: Callable[..., Response]) -> Route:
    """What anybody may ask for, and nobody is told of."""
    return Route("Page", path, handler, right=None, service="", errors=error_page)


ROUTES: tuple[Route, ...] = (
    _view("/", studies.lead),
    _view(PREFIX, studies.listed),
    _form(f"{PREFIX}/search", studies.search),
    _view(f"{PREFIX}/latest", arrivals.latest, service=""),
    _view(f"{PREFIX}/events", arrivals.told, service=""),
    _view(f"{PREFIX}/arrivals", arrivals.listed),
    _view(_STUDY, overview.shown),
    _view(f"{_STUDY}/way", way.shown),
    _view(f"{_STUDY}/zip", download.zipped, right=Right.RETRIEVE),
    _view(_SERIES, series.shown),
    _view(f"{_SERIES}/list", series.steps),
    _view(_INSTANCE, instance.shown),
    _view(f"{_INSTANCE}/document", instance.document, right=Right.RETRIEVE),
    _view(f"{PREFIX}/node", node.shown),
    _view(f"{PREFIX}/node/conformance", node.conformance),
    _form(f"{PREFIX}/language", choices.language, right=None),
    _form(f"{PREFIX}/login", sessions.log_in, right=None, service="login"),
    _form(f"{PREFIX}/logout", sessions.log_out, right=None, service="logout"),
    _open(f"{PREFIX}/files/<name>", files),
    _open(f"{PREFIX}/<path:rest>", absent),
)
