"""Pages as answers: made from templates, in the language that is asked for, with their headers."""

import hashlib
from functools import cache, partial
from http import HTTPStatus
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.wrappers import Request, Response

from scp.web.page.surface.formats import FILTERS
from scp.web.page.surface.strings import LANGUAGES, text_of
from scp.web.request import HARMLESS, Asked, NotFoundError

# Below which all views lie.
PREFIX = "/page"
LANGUAGE_COOKIE = "minipacs-language"
_HTML = "text/html; charset=utf-8"
# Neither script nor style but from files of our own, and nobody shows a view in a frame.
_POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# With no referrer at all a browser would not say either that a form was sent by a page of ours.
_HEADERS = {
    "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache",
}  # fmt: skip
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
          "svg": "image/svg+xml"}  # fmt: skip
# The URL of a file tells its content.
_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    """The files by name, each with a digest."""
    folder = resources("scp.web.page.surface") / "static"
    held = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    return {name: (data, hashlib.sha256(data).hexdigest()[:12]) for name, data in held.items()}


def _url_of(name: str) -> str:
    return f"{PREFIX}/files/{name}?{_static()[name][1]}"


def _made() -> Environment:
    made = Environment(
        loader=PackageLoader("scp.web.page.surface"), autoescape=True, auto_reload=False,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= FILTERS
    made.globals |= {"prefix": PREFIX, "file": _url_of, "languages": LANGUAGES}
    for name in made.list_templates():  # here, so that nobody waits for it
        made.get_template(name)
    return made


_ENVIRONMENT = _made()


def page(asked: Asked, template: str, status: int = 200, **values: Any) -> Response:
    """A view, in the language of who asks."""
    language = _language(asked.request)
    web = asked.context.web
    is_got = asked.request.method in HARMLESS
    known = {
        "language": language, "t": partial(text_of, language),
        "here": asked.request.full_path if is_got else PREFIX,
        "node": asked.context.settings.node.ae_title, "dicomweb": web.path,
        "user": asked.user.name, "has_session": asked.user.has_session,
    }  # fmt: skip
    body = _ENVIRONMENT.get_template(f"{template}.html").render(known | values)
    return _answer(body, status, language)


def error_page(asked: Asked, status: int, words: str) -> Response:
    """What is wrong with a request, for a person; where one can log in, the form for it."""
    if status == HTTPStatus.UNAUTHORIZED and asked.context.identity.takes_sessions:
        is_got = asked.request.method in HARMLESS
        return login_page(asked, asked.request.full_path if is_got else PREFIX)
    # Who may not see the page does not see either what node it is of.
    told = {"code": status, "phrase": HTTPStatus(status).phrase, "words": words}
    return page(asked, "error", status, node="minipacs", **told)


def login_page(asked: Asked, back: str, is_wrong: bool = False) -> Response:
    """The form by which one logs in; `is_wrong`: what was given is no token of anybody's."""
    # To who comes by a link of another site its browser gives no cookie: it is to ask once more.
    is_led = asked.request.headers.get("Sec-Fetch-Site") == "cross-site"
    status = HTTPStatus.UNAUTHORIZED
    return page(
        asked, "login", status, node="minipacs", back=back, is_wrong=is_wrong, is_led=is_led
    )  # fmt: skip


def _answer(body: str, status: int, language: str) -> Response:
    answer = Response(body, status, content_type=_HTML)
    answer.headers.extend(_HEADERS)
    answer.headers["Content-Language"] = language
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


def absent(asked: Asked, rest: str) -> Response:
    """What is at no other path of ours: nothing, and that in words for a person."""
    raise NotFoundError(f"there is no view {rest[:80]!r}")


def seen_other(path: str) -> Response:
    """The answer that what was asked for lies at another path of ours, to be got by GET."""
    return Response(status=303, headers={**_HEADERS, "Location": path})


def led_back(path: str) -> Response:
    """The same, to where a form says that it stood: nobody is led away from here."""
    is_ours = path == PREFIX or path.startswith((f"{PREFIX}/", f"{PREFIX}?"))
    return seen_other(path if is_ours else PREFIX)


def files(asked: Asked, name: str) -> Response:
    """A file of the surface: style, script, picture."""
    if name not in _static():
        raise NotFoundError(f"there is no file {name[:80]!r}")
    data, digest = _static()[name]
    answer = Response(data, content_type=_KINDS[name.rpartition(".")[2]])
    answer.headers.extend(_HEADERS)
    answer.headers["Cache-Control"] = _FOR_EVER
    answer.set_etag(digest)
    return answer.make_conditional(asked.request)


def _language(request: Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES)) or next(iter(LANGUAGES))
