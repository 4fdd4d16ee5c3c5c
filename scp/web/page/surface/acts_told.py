"""What a reader has had done, told in the view that it led to: to that reader alone."""

import hashlib
import hmac
from typing import Any

from werkzeug.wrappers import Request

from scp.node.acts.board import UNDER_WAY
from scp.web.request import Asked

# A text of nobody's, by which a browser is known again.
VISIT_COOKIE = "minipacs-visit"
_MOST_CHARACTERS = 32


def visit_mark(visit: str) -> str:
    """By which a cookie is known, and not told."""
    return hashlib.sha256(visit.encode()).hexdigest()


def visit_of(request: Request) -> str:
    """The mark of who asks."""
    return visit_mark(request.cookies.get(VISIT_COOKIE, ""))


def act_seen(asked: Asked, key: str) -> dict[str, Any] | None:
    """What is known of an act, where who asks has had it done."""
    told = asked.context.node.acts.told(key[:_MOST_CHARACTERS])
    if told is None or told["user"] != asked.user.name:
        return None
    return told if hmac.compare_digest(told["visit"], visit_of(asked.request)) else None


def act_of(asked: Asked) -> dict[str, Any] | None:
    """The act that the URL of a view names."""
    key = asked.request.args.get("done", "")
    told = act_seen(asked, key) if key else None
    if told is None:
        return None
    nothing: dict[str, Any] = {"words": [], "details": [], "undo": ""}
    return nothing | told | {"key": key, "is_under_way": told["state"] == UNDER_WAY}
