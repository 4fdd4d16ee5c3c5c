"""What all answers to PS3.18 have in common: the character set, and where they are to be had."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import quote

from werkzeug.wrappers import Response

from scp.web.request import Asked

_OF_QUERIES = "!$%&'()*+,-./:;=?@_~"


def answered(handler: Callable[..., Response], is_text: bool = True) -> Callable[..., Response]:
    """A handler whose answers say where they lie; `is_text`: their text is UTF-8 alone."""

    @wraps(handler)
    def answer(asked: Asked, **given: str) -> Response:
        asked.require_charset(is_text)
        return _located(asked, handler(asked, **given))

    return answer


def _located(asked: Asked, answer: Response) -> Response:
    """The same, with where it is to be had (PS3.18 8.4.2)."""
    request = asked.request
    if request.method in ("GET", "HEAD") and answer.status_code in (200, 206):
        query = quote(request.query_string, safe=_OF_QUERIES)
        where = asked.origin + quote(request.path.rstrip("/")) + f"?{query}" * bool(query)
        answer.headers.setdefault("Content-Location", where)
    return answer
