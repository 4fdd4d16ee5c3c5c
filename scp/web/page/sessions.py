"""Logging in and out, where a browser has no other way to prove who asks ([web] auth = "token")."""

from werkzeug.wrappers import Response

from scp.config import Right
from scp.web.page.surface import PREFIX, led_back, login_page
from scp.web.request import Asked, NotFoundError
from scp.web.request.access import SESSION_SECONDS, UnauthorizedError, session_cookie


def log_in(asked: Asked) -> Response:
    """Take a token, and lead back to where it was asked for."""
    identity = asked.context.identity
    if not identity.takes_sessions:
        raise NotFoundError("nobody logs in here: [web] auth says how it is proved who asks")
    form = asked.request.form
    try:
        caller, held = identity.log_in(form.get("token", ""), asked.connection)
    except UnauthorizedError:
        return login_page(asked, form.get("back", ""), is_wrong=True)
    caller.require(Right.PAGE)
    asked.user = caller
    answer = led_back(form.get("back", ""))
    answer.set_cookie(
        _cookie(asked), held, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="Strict",
        secure=asked.origin.startswith("https:"),
    )  # fmt: skip
    return answer


def log_out(asked: Asked) -> Response:
    """End the session of a browser."""
    answer = led_back(PREFIX)
    answer.delete_cookie(_cookie(asked), path="/", httponly=True, samesite="Strict")
    # What it has kept of pictures and lists.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _cookie(asked: Asked) -> str:
    return session_cookie(str(asked.request.environ.get("SERVER_PORT", "")))
