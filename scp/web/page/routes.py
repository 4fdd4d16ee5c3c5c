"""The views, and what of them belongs together."""

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response

from scp.config import Right
from scp.web.page import arrivals, choices, node, sessions, studies
from scp.web.page.acting import (
    correcting,
    deleting,
    how_far,
    keeping,
    merging,
    on_node,
    sending,
)
from scp.web.page.study import download, instance, overview, series, way
from scp.web.page.surface import PREFIX, absent, files
from scp.web.request import Asked, Route

_STUDY = f"{PREFIX}/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"


def _view(
    path: str, handler: Callable[..., Response], *, right: Right = Right.PAGE,
    service: str = "page",
) -> Route:  # fmt: skip
    return Route("Page", path, handler, right=right, service=service)


def _form(
    path: str, handler: Callable[..., Response], right: Right | None = Right.PAGE,
    service: str = "",
) -> Route:  # fmt: skip
    return Route(
        "Page", path, handler, ("POST",), right=right, service=service
    )  # fmt: skip


def _act(
    path: str, right: Right, shown: Callable[..., Response], done: Callable[..., Response]
) -> tuple[Route, Route]:
    """What is shown before it is done, and what does it: by a form of what was shown."""
    return (
        Route("Page", path, _of_page(shown), right=right, service="page"),
        Route("Page", path, _of_page(done), ("POST",), right=right, service="page"),
    )


def _of_page(handler: Callable[..., Response]) -> Callable[..., Response]:
    """The same, for who may see the page as well."""

    def handle(asked: Asked, **given: Any) -> Response:
        asked.user.require(Right.PAGE)
        return handler(asked, **given)

    return handle


def _open(path: str, handler: Callable[..., Response]) -> Route:
    """What anybody may ask for, and nobody is told of."""
    return Route("Page", path, handler, right=None, service="")


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
    *_act(f"{_STUDY}/send", Right.SEND, sending.asked_for, sending.sent),
    *_act(f"{_SERIES}/send", Right.SEND, sending.asked_for, sending.sent),
    *_act(f"{_INSTANCE}/send", Right.SEND, sending.asked_for, sending.sent),
    *_act(f"{_STUDY}/delete", Right.DELETE, deleting.asked_for, deleting.deleted),
    *_act(f"{_SERIES}/delete", Right.DELETE, deleting.asked_for, deleting.deleted),
    *_act(f"{_INSTANCE}/delete", Right.DELETE, deleting.asked_for, deleting.deleted),
    *_act(f"{_STUDY}/restore", Right.DELETE, deleting.restore_asked_for, deleting.restored),
    *_act(f"{_STUDY}/pin", Right.DELETE, keeping.asked_for, keeping.done),
    *_act(f"{_STUDY}/correct", Right.CORRECT, correcting.form, correcting.corrected),
    _form(f"{_STUDY}/correct/check", _of_page(correcting.checked), Right.CORRECT),
    *_act(
        f"{_STUDY}/undo/<int:number>", Right.CORRECT, correcting.undo_asked_for, correcting.undone
    ),
    *_act(f"{_STUDY}/merge", Right.CORRECT, merging.form, merging.merged),
    _form(f"{_STUDY}/merge/check", _of_page(merging.checked), Right.CORRECT),
    *_act(f"{PREFIX}/node/retry", Right.SEND, on_node.retry_asked_for, on_node.retried),
    Route(
        "Page",
        on_node.ECHO_PATH,
        _of_page(on_node.echoed),
        ("POST",),
        right=Right.SEND,
        service="page",
    ),
    _view(f"{PREFIX}/deleted", _of_page(deleting.listed), right=Right.DELETE),
    _view(f"{PREFIX}/acts/<key>", how_far, service=""),
    _form(f"{PREFIX}/language", choices.language, right=None),
    _form(f"{PREFIX}/login", sessions.log_in, right=None, service="login"),
    _form(f"{PREFIX}/logout", sessions.log_out, right=None, service="logout"),
    _open(f"{PREFIX}/files/<name>", files),
    _open(f"{PREFIX}/<path:rest>", absent),
)
