"""What who looks has chosen: kept in a cookie of the browser, and nowhere else."""

from werkzeug.wrappers import Response

from scp.web.page.surface import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    PREFIX,
    seen_other,
)
from scp.web.request import Asked, BadRequestError

_YEAR = 365 * 86400


def language(asked: Asked) -> Response:
    """Take a language, and lead back."""
    wanted, back = (asked.request.form.get(name, "") for name in ("language", "back"))
    if wanted not in LANGUAGES:
        raise BadRequestError(f"language={wanted[:20]}: takes {', '.join(LANGUAGES)}")
    # Nobody is led away from here.
    answer = seen_other(back if back == PREFIX or back.startswith((f"{PREFIX}/", f"{PREFIX}?"))
                        else PREFIX)  # fmt: skip
    answer.set_cookie(
        LANGUAGE_COOKIE, wanted, max_age=_YEAR, path=PREFIX, httponly=True, samesite="Strict",
        secure=asked.origin.startswith("https:"),
    )  # fmt: skip
    return answer
