"""What who looks has chosen: kept in a cookie of the browser, and nowhere else."""

from werkzeug.wrappers import Response

from scp.web.page.surface import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    PREFIX,
    led_back,
)
from scp.web.request import Asked, BadRequestError

_YEAR = 365 * 86400


def language(asked: Asked) -> Response:
    """Take a language, and lead back."""
    wanted, back = (asked.request.form.get(name, "") for name in ("language", "back"))
    if wanted not in LANGUAGES:
        raise BadRequestError(f"language={wanted[:20]}: takes {', '.join(LANGUAGES)}")
    answer = led_back(back)
    answer.set_cookie(
        LANGUAGE_COOKIE, wanted, max_age=_YEAR, path=PREFIX, httponly=True, samesite="Strict",
        secure=asked.origin.startswith("https:"),
    )  # fmt: skip
    return answer
