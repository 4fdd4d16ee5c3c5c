"""The ticket of a form: who was shown what, so that a form is sent by its reader, and once.

It is in no URL and in no page of a stranger, whose form cannot have one; and it is of one browser
(by a cookie that is sent with requests from here alone), one user, one path and one state.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Response

from scp.node.acts.board import KEPT_SECONDS
from scp.web.page.surface import PREFIX, VISIT_COOKIE, page, sealed, unsealed, visit_mark
from scp.web.request import Asked, ForbiddenError

_KEY_BYTES = 16
_AGAIN = "go back, look again and confirm it there"


@dataclass(frozen=True)
class Ticket:
    """What a form is sent with."""

    key: str  # of the act, that is done once
    state: str  # a digest of what was shown
    values: Mapping[str, str]


def confirmation(
    asked: Asked, template: str, state: str = "", values: Mapping[str, str] | None = None,
    path: str = "", **shown: Any,
) -> Response:  # fmt: skip
    """A view with a form; `path` is where that is sent to; left out: where the view is."""
    visit = asked.request.cookies.get(VISIT_COOKIE, "") or secrets.token_urlsafe(_KEY_BYTES)
    told = {
        "path": path or asked.request.path, "key": secrets.token_urlsafe(_KEY_BYTES),
        "state": state, "user": asked.user.name, "visit": visit_mark(visit),
        "values": json.dumps(dict(values or {}), ensure_ascii=False),
    }  # fmt: skip
    ticket = sealed(asked.context.node.secret, told)
    answer = page(asked, template, ticket=ticket, action=told["path"], **shown)
    answer.set_cookie(
        VISIT_COOKIE, visit, path=PREFIX, httponly=True, samesite="Strict",
        secure=asked.origin.startswith("https:"),
    )  # fmt: skip
    return answer


def taken(asked: Asked) -> Ticket:
    """The ticket of a form that was sent. Raises ForbiddenError."""
    origin = asked.request.headers.get("Origin")
    if origin not in (None, asked.origin):  # those that [web] origins names may ask, not act
        raise ForbiddenError(f"a page of {(origin or '')[:80]} may change nothing here")
    told = unsealed(
        asked.context.node.secret, asked.request.form.get("ticket", ""), KEPT_SECONDS
    )  # fmt: skip
    if told is None or "key" not in told:
        raise ForbiddenError(f"the form is too old, or of no page of this node: {_AGAIN}")
    visit = visit_mark(asked.request.cookies.get(VISIT_COOKIE, ""))
    if not hmac.compare_digest(told["visit"], visit) or told["user"] != asked.user.name:
        raise ForbiddenError(f"the form was shown to somebody else: {_AGAIN}")
    if told["path"] != asked.request.path:
        raise ForbiddenError(f"the form is of something else: {_AGAIN}")
    return Ticket(told["key"], told["state"], json.loads(told["values"]))


def digest(*parts: object) -> str:
    """By which a state is known again."""
    made = hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode())
    return made.hexdigest()
